//! Does what shipping asks for: claims, segments, manifests. Plain blocking code over the object store.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use store::{Body, Key, ObjectStore, Prefix, PutError, StoreError, Version, WriteIds, put_if_absent_settled, put_if_match_settled};
use units::{Incarnation, Offset};

use crate::{
    TopicPartitionId,
    codec::{self, Fields, Malformed},
    engine::ship::{PlannedSection, ShipDone, ShipPlan, ShipTask},
    manifest::{Keys, Manifest, ObjectId, Owner, SegmentRef},
    segment::{self, SectionInput},
    spans::{self, SpanError},
};

const EPOCH_MAGIC: u32 = u32::from_le_bytes(*b"SWEP");

/// Why something at the store did not come to pass.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShipError {
    /// Asking again may help.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The same: the answer was lost, or a rival came between.
    #[error("the object store gave no clear answer for {0}")]
    Unclear(Key),
    /// A later incarnation of this broker has claimed the store.
    #[error("incarnation {found} of this broker has claimed the object store; this is {ours}")]
    Fenced { found: u32, ours: u32 },
    /// What the WAL holds cannot be read back.
    #[error("read the WAL for shipping: {0:?}")]
    Local(SpanError),
    /// What the store holds is not what was put.
    #[error("{0} is corrupt: {1}")]
    Corrupt(Key, &'static str),
}

/// What is known of the store, and the means to change it.
pub(crate) struct Shipper {
    store: Arc<dyn ObjectStore>,
    keys: Keys,
    owner: Owner,
    write_ids: WriteIds,
    /// Of the next segment. Dense: it moves on only when the one before is known to exist.
    next_seq: u64,
    manifests: HashMap<TopicPartitionId, (Arc<Manifest>, Version)>,
    /// Partitions in each object, as far as anybody asked.
    directories: HashMap<ObjectId, Vec<TopicPartitionId>>,
}

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

impl Shipper {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, keys: Keys, owner: Owner, write_ids: WriteIds) -> Self {
        Self { store, keys, owner, write_ids, next_seq: 0, manifests: HashMap::new(), directories: HashMap::new() }
    }

    /// Does one task.
    pub(crate) fn perform(&mut self, task: &ShipTask) -> Result<ShipDone, ShipError> {
        match task {
            ShipTask::Claim => self.claim().map(|()| ShipDone::Claimed),
            ShipTask::Segment(plan) => self.ship(plan),
            ShipTask::Load(id) => {
                let manifest = self.load(*id)?.map(|(manifest, _)| manifest);
                Ok(ShipDone::Manifests { manifests: vec![(*id, manifest)], unnamed: Vec::new(), is_segment: false })
            }
            ShipTask::Trim(id, log_start) => self.trim(*id, *log_start),
            ShipTask::Forget(id) => self.forget(*id),
            ShipTask::Delete(object) => {
                self.store.delete(&self.keys.segment(*object))?;
                self.directories.remove(object);
                Ok(ShipDone::Deleted(*object))
            }
        }
    }

    /// The greatest incarnation that the store knows of this broker.
    pub(crate) fn known_incarnation(&self) -> Result<u32, ShipError> {
        Ok(self.read_epoch()?.map_or(0, |(epoch, _)| epoch.incarnation))
    }

    fn read_epoch(&self) -> Result<Option<(EpochObject, Version)>, ShipError> {
        let key = self.keys.epoch();
        match self.store.get(&key) {
            Ok(object) => {
                let epoch = EpochObject::decode(&object.bytes).map_err(|malformed| ShipError::Corrupt(key, malformed.0))?;
                Ok(Some((epoch, object.version)))
            }
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes the broker's epoch object, then ends the segments of every incarnation before.
    fn claim(&self) -> Result<(), ShipError> {
        let key = self.keys.epoch();
        let ours = self.owner.incarnation.0;
        let (mut epoch, version) = match self.read_epoch()? {
            None => (EpochObject { incarnation: ours, unfenced: Vec::new() }, None),
            Some((epoch, _)) if epoch.incarnation > ours => return Err(ShipError::Fenced { found: epoch.incarnation, ours }),
            Some((epoch, version)) if epoch.incarnation == ours => (epoch, Some(version)),
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
            self.fence(Incarnation(incarnation))?;
        }
        self.put(&key, Some(&version), epoch.encode()).map(drop)
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
        let first = self.keys.segment(ObjectId { incarnation, seq: 0, broker: self.owner.broker });
        let prefix = Prefix::folder(&first);
        let (mut after, mut next) = (None, 0);
        loop {
            let listed = self.store.list(&prefix, after.as_ref(), 1000)?;
            let Some(last) = listed.last() else { return Ok(next) };
            next = last.key.name().parse::<u64>().map_or(next, |seq| seq + u64::from(last.size > 0));
            after = Some(last.key.clone());
        }
    }

    fn put(&self, key: &Key, expected: Option<&Version>, bytes: Vec<u8>) -> Result<Version, ShipError> {
        let mut body = Body::empty();
        body.push(bytes.into());
        let write_id = self.write_ids.next();
        let outcome = match expected {
            Some(expected) => put_if_match_settled(&*self.store, key, body, expected, write_id),
            None => put_if_absent_settled(&*self.store, key, body, write_id),
        };
        match outcome {
            Ok(version) => Ok(version),
            Err(PutError::Lost { .. } | PutError::Unknown) => Err(ShipError::Unclear(key.clone())),
            Err(PutError::Other(error)) => Err(error.into()),
        }
    }

    fn ship(&mut self, plan: &ShipPlan) -> Result<ShipDone, ShipError> {
        let sections = plan.sections.iter().map(|section| input(plan, section)).collect::<Result<Vec<_>, _>>().map_err(ShipError::Local)?;
        let refs = self.put_segment(&sections)?;
        let (mut manifests, mut unnamed) = (Vec::new(), Vec::new());
        for (section, (id, reference)) in plan.sections.iter().zip(refs) {
            let mut gone = Vec::new();
            let manifest = self.swap(id, |manifest| gone = extend(manifest, section, reference))?;
            manifests.push((id, Some(manifest)));
            unnamed.extend(self.unnamed(id, &gone)?);
        }
        Ok(ShipDone::Manifests { manifests, unnamed, is_segment: true })
    }

    fn put_segment(&mut self, sections: &[SectionInput]) -> Result<Vec<(TopicPartitionId, SegmentRef)>, ShipError> {
        loop {
            let object = ObjectId { broker: self.owner.broker, incarnation: self.owner.incarnation, seq: self.next_seq };
            let built = segment::build(object, sections);
            let mut body = Body::empty();
            for piece in built.pieces {
                body.push(piece);
            }
            let key = self.keys.segment(object);
            match put_if_absent_settled(&*self.store, &key, body, self.write_ids.next()) {
                Ok(_) => {
                    self.next_seq += 1;
                    self.directories.insert(object, built.refs.iter().map(|(id, _)| *id).collect());
                    return Ok(built.refs);
                }
                Err(PutError::Lost { .. }) => {
                    let (found, ours) = (self.known_incarnation()?, self.owner.incarnation.0);
                    if found > ours {
                        return Err(ShipError::Fenced { found, ours });
                    }
                    // An earlier attempt of ours, whose answer was lost.
                    self.next_seq += 1;
                }
                Err(PutError::Unknown) => return Err(ShipError::Unclear(key)),
                Err(PutError::Other(error)) => return Err(error.into()),
            }
        }
    }

    /// The manifest as the store has it, read once.
    fn load(&mut self, id: TopicPartitionId) -> Result<Option<(Arc<Manifest>, Version)>, ShipError> {
        if let Some(known) = self.manifests.get(&id) {
            return Ok(Some(known.clone()));
        }
        let Some((manifest, version)) = read_manifest(&*self.store, &self.keys, id)? else { return Ok(None) };
        let known = (Arc::new(manifest), version);
        self.manifests.insert(id, known.clone());
        Ok(Some(known))
    }

    /// Replaces a manifest with what `change` makes of it.
    fn swap(&mut self, id: TopicPartitionId, change: impl FnOnce(&mut Manifest)) -> Result<Arc<Manifest>, ShipError> {
        let known = self.load(id)?;
        let (mut manifest, version) = match known {
            Some((manifest, version)) => (Manifest::clone(&manifest), Some(version)),
            None => (Manifest::new(self.owner), None),
        };
        let (found, ours) = (manifest.owner.incarnation.0, self.owner.incarnation.0);
        if manifest.owner.broker != self.owner.broker || found > ours {
            return Err(ShipError::Fenced { found, ours });
        }
        manifest.owner = self.owner;
        change(&mut manifest);
        self.manifests.remove(&id);
        let version = self.put(&self.keys.manifest(id), version.as_ref(), manifest.encode())?;
        let manifest = Arc::new(manifest);
        self.manifests.insert(id, (manifest.clone(), version));
        Ok(manifest)
    }

    fn trim(&mut self, id: TopicPartitionId, log_start: Offset) -> Result<ShipDone, ShipError> {
        let mut gone = Vec::new();
        let manifest = self.swap(id, |manifest| gone = manifest.trim(log_start))?;
        let unnamed = self.unnamed(id, &gone)?;
        Ok(ShipDone::Manifests { manifests: vec![(id, Some(manifest))], unnamed, is_segment: false })
    }

    fn forget(&mut self, id: TopicPartitionId) -> Result<ShipDone, ShipError> {
        let Some((manifest, _)) = self.load(id)? else { return Ok(ShipDone::Forgotten(id, Vec::new())) };
        self.store.delete(&self.keys.manifest(id))?;
        self.manifests.remove(&id);
        Ok(ShipDone::Forgotten(id, self.unnamed(id, &manifest.segments)?))
    }

    /// Which objects behind `gone` no other partition's manifest names.
    fn unnamed(&mut self, id: TopicPartitionId, gone: &[SegmentRef]) -> Result<Vec<ObjectId>, ShipError> {
        let mut unnamed = Vec::new();
        for object in gone.iter().map(|segment| segment.object).collect::<BTreeSet<_>>() {
            let mut is_named = false;
            for other in self.directory(object)?.into_iter().filter(|other| *other != id) {
                let manifest = self.load(other)?;
                is_named |= manifest.is_some_and(|(manifest, _)| manifest.segments.iter().any(|segment| segment.object == object));
            }
            if !is_named {
                unnamed.push(object);
            }
        }
        Ok(unnamed)
    }

    /// The partitions in an object; none where it is gone.
    fn directory(&mut self, object: ObjectId) -> Result<Vec<TopicPartitionId>, ShipError> {
        if let Some(known) = self.directories.get(&object) {
            return Ok(known.clone());
        }
        let key = self.keys.segment(object);
        let Some(head) = self.store.head(&key)? else { return Ok(Vec::new()) };
        let corrupt = |malformed: Malformed| ShipError::Corrupt(key.clone(), malformed.0);
        let end = head.size.checked_sub(segment::TRAILER_BYTES).ok_or(corrupt(Malformed("it is too short")))?;
        let at = segment::decode_trailer(&self.store.get_range(&key, end..head.size)?).map_err(corrupt)?;
        let directory = self.store.get_range(&key, at.min(end)..end)?;
        let directory = segment::decode_directory(object, &directory).map_err(corrupt)?;
        let ids: Vec<_> = directory.into_iter().map(|(id, _)| id).collect();
        self.directories.insert(object, ids.clone());
        Ok(ids)
    }
}

/// A partition's manifest, if it has one.
pub(crate) fn read_manifest(store: &dyn ObjectStore, keys: &Keys, id: TopicPartitionId) -> Result<Option<(Manifest, Version)>, ShipError> {
    let key = keys.manifest(id);
    match store.get(&key) {
        Ok(object) => {
            let manifest = Manifest::decode(&object.bytes).map_err(|malformed| ShipError::Corrupt(key, malformed.0))?;
            Ok(Some((manifest, object.version)))
        }
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Names a new segment and gives those that are named no more. After a crash the manifest may reach further than the log
/// knew: then only what is new counts.
fn extend(manifest: &mut Manifest, section: &PlannedSection, reference: SegmentRef) -> Vec<SegmentRef> {
    manifest.log_start = manifest.log_start.max(section.log_start);
    manifest.epochs = section.epochs.clone();
    let end = manifest.end();
    if manifest.segments.is_empty() || reference.base > end {
        // What is missing in between lies below the log start.
        let gone = std::mem::take(&mut manifest.segments);
        manifest.segments.push(reference);
        return gone;
    }
    if reference.end > end {
        manifest.segments.push(SegmentRef { base: end, ..reference });
    }
    Vec::new()
}

fn input(plan: &ShipPlan, section: &PlannedSection) -> Result<SectionInput, SpanError> {
    let missing: Vec<_> =
        section.entries.iter().zip(&section.in_memory).filter(|(_, bytes)| bytes.is_none()).map(|(entry, _)| *entry).collect();
    let mut read = spans::read(&plan.files, &missing)?.into_iter();
    let batches = section.entries.iter().zip(&section.in_memory).map(|(entry, bytes)| {
        let bytes = bytes.clone().unwrap_or_else(|| read.next().expect("one is read for each that is missing"));
        (entry.base, entry.last_delta, entry.max_timestamp, bytes)
    });
    Ok(SectionInput { id: section.id, batches: batches.collect(), state: section.state.clone() })
}
