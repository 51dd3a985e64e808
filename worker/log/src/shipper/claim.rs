//! Who may ship for a broker: its epoch object, and the fences that end the segments of earlier incarnations.

use store::{Body, Key, ObjectStore, PutError, StoreError, Version, put_if_absent_settled};
use units::Incarnation;

use super::{ShipError, Shipper};
use crate::{
    codec::{self, Fields, Malformed},
    keys::Keys,
    manifest::ObjectId,
};

const EPOCH_MAGIC: u32 = u32::from_le_bytes(*b"SWEP");
/// Keys asked for at once.
pub(super) const PAGE_KEYS: usize = 1000;

/// Who may ship for a broker, as the store has it.
#[derive(Debug, Default, PartialEq, Eq)]
struct EpochObject {
    incarnation: u32,
    /// Earlier incarnations whose segments are not fenced yet.
    unfenced: Vec<u32>,
}

impl EpochObject {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = EPOCH_MAGIC.to_le_bytes().to_vec();
        bytes.extend_from_slice(&self.incarnation.to_le_bytes());
        bytes.extend_from_slice(&codec::length(self.unfenced.len()).to_le_bytes());
        for incarnation in &self.unfenced {
            bytes.extend_from_slice(&incarnation.to_le_bytes());
        }
        codec::seal(bytes)
    }

    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Fields::new(codec::unseal(bytes)?);
        if fields.u32()? != EPOCH_MAGIC {
            return Err(Malformed("not an epoch object"));
        }
        let incarnation = fields.u32()?;
        let count = fields.count(4)?;
        Ok(Self { incarnation, unfenced: (0..count).map(|_| fields.u32()).collect::<Result<_, _>>()? })
    }
}

/// The greatest incarnation that the store knows of a broker; 0 where it knows none.
pub(crate) fn known_incarnation(store: &dyn ObjectStore, keys: &Keys) -> Result<u32, ShipError> {
    Ok(read_epoch(store, keys)?.map_or(0, |(epoch, _)| epoch.incarnation))
}

fn read_epoch(store: &dyn ObjectStore, keys: &Keys) -> Result<Option<(EpochObject, Version)>, ShipError> {
    let key = keys.epoch();
    match store.get(&key) {
        Ok(object) => {
            let epoch = EpochObject::decode(&object.bytes).map_err(|malformed| ShipError::Corrupt(key, malformed.0))?;
            Ok(Some((epoch, object.version)))
        }
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl Shipper {
    /// Takes the broker's epoch object, then ends the segments of every incarnation before.
    pub(super) fn claim(&mut self) -> Result<(), ShipError> {
        if !self.is_probed {
            store::probe(&*self.store, &self.keys.probe())?;
            self.is_probed = true;
        }
        let key = self.keys.epoch();
        let ours = self.owner.incarnation.0;
        let (mut epoch, version) = match read_epoch(&*self.store, &self.keys)? {
            None => (EpochObject { incarnation: ours, unfenced: Vec::new() }, None),
            Some((epoch, _)) if epoch.incarnation > ours => return Err(ShipError::Fenced { found: epoch.incarnation, ours }),
            Some((epoch, version)) if epoch.incarnation == ours => {
                self.check_own_claim(&key)?;
                (epoch, Some(version))
            }
            Some((mut epoch, version)) => {
                epoch.unfenced.push(epoch.incarnation);
                epoch.incarnation = ours;
                (epoch, Some(version))
            }
        };
        let version = self.put(&key, version.as_ref(), epoch.encode())?;
        if epoch.unfenced.is_empty() {
            return Ok(());
        }
        for incarnation in std::mem::take(&mut epoch.unfenced) {
            if self.rules.predecessors_are_fenced {
                self.fence(Incarnation(incarnation))?;
            }
        }
        self.put(&key, Some(&version), epoch.encode()).map(drop)
    }

    /// Each start counts an incarnation of its own: a claim of this one by somebody else comes from a copy of the volume.
    fn check_own_claim(&self, key: &Key) -> Result<(), ShipError> {
        match self.store.head(key)?.and_then(|head| head.write_id) {
            Some(write_id) if !self.write_ids.gave(write_id) => Err(ShipError::Rival(self.owner.incarnation.0)),
            _ => Ok(()),
        }
    }

    /// Puts an empty object where an earlier incarnation would put its next segment.
    fn fence(&self, incarnation: Incarnation) -> Result<(), ShipError> {
        let object = |seq| ObjectId { incarnation, seq, broker: self.owner.broker };
        let mut seq = self.first_gap(incarnation)?;
        loop {
            let key = self.keys.segment(object(seq));
            match put_if_absent_settled(&*self.store, &key, Body::empty(), self.write_ids.next()) {
                Ok(_) => return Ok(()),
                Err(PutError::Lost { .. }) if self.store.head(&key)?.is_some_and(|head| head.size == 0) => return Ok(()),
                Err(PutError::Lost { .. }) => seq += 1,
                Err(PutError::Unknown) => return Err(ShipError::Unclear(key)),
                Err(PutError::Other(error)) => return Err(error.into()),
            }
        }
    }

    /// The first sequence without an object behind the last one listed: deleted segments leave no gap that counts.
    fn first_gap(&self, incarnation: Incarnation) -> Result<u64, ShipError> {
        let prefix = self.keys.segments_of(incarnation);
        let (mut after, mut next) = (None, 0);
        loop {
            let listed = self.store.list(&prefix, after.as_ref(), PAGE_KEYS)?;
            if let Some(last) = listed.last() {
                next = last.key.name().parse::<u64>().map_or(next, |seq| seq.saturating_add(u64::from(last.size > 0)));
                after = Some(last.key.clone());
            }
            if listed.len() < PAGE_KEYS {
                return Ok(next);
            }
        }
    }
}
