//! Parts of segments that no manifest names yet: in this process as they are put, after its end found again in the row.
//!
//! The roster ([`crate::roster`]) says from which object on the row must be looked at. A part counts where it follows what the
//! manifest names; what overlaps is there twice, and the same.

use std::collections::BTreeMap;

use store::{Key, Listed, ObjectStore, StoreError};
use units::{Incarnation, Offset};

use super::{ShipError, Shipper, claim::PAGE_KEYS, read_directory_of, roster_of};
use crate::{
    TopicPartitionId,
    at_once::at_once,
    engine::ship::ShipDone,
    keys::Keys,
    manifest::{Manifest, ObjectId, SegmentRef},
    partition::epochs::Epochs,
};

/// A part of a segment on its way into its partition's manifest.
#[derive(Clone, Debug)]
pub(crate) struct Naming {
    pub(crate) reference: SegmentRef,
    pub(crate) log_start: Offset,
    /// Where they are known: the manifest's stay, else.
    pub(crate) epochs: Option<Epochs>,
}

impl Naming {
    /// A part that was found in the row.
    pub(crate) fn found(reference: SegmentRef) -> Self {
        Self { reference, log_start: Offset::ZERO, epochs: None }
    }
}

/// Names a new segment and gives those that are named no more. After a crash the manifest may reach further than the log
/// knew: then only what is new counts.
pub(crate) fn extend(manifest: &mut Manifest, naming: &Naming) -> Vec<SegmentRef> {
    let Naming { reference, log_start, ref epochs } = *naming;
    manifest.log_start = manifest.log_start.max(log_start);
    if let Some(epochs) = epochs {
        manifest.epochs = epochs.clone();
    }
    let end = manifest.end();
    if manifest.segments.is_empty() || reference.base > end {
        // What is missing in between lies below the log start.
        let gone = std::mem::take(&mut manifest.segments);
        manifest.chunks.clear();
        manifest.segments.push(reference);
        return gone;
    }
    if reference.end > end {
        manifest.segments.push(SegmentRef { base: end, ..reference });
    }
    Vec::new()
}

/// Parts of segments in the row that manifests may not name yet, in order.
#[derive(Debug, Default)]
pub(crate) struct Parts(BTreeMap<TopicPartitionId, Vec<SegmentRef>>);

impl Parts {
    pub(crate) fn of(&self, id: TopicPartitionId) -> &[SegmentRef] {
        self.0.get(&id).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = TopicPartitionId> {
        self.0.keys().copied()
    }

    /// `manifest` with the parts of its partition behind it.
    pub(crate) fn over(&self, id: TopicPartitionId, manifest: Option<Manifest>, empty: impl FnOnce() -> Manifest) -> Option<Manifest> {
        let parts = self.of(id);
        if parts.is_empty() {
            return manifest;
        }
        let mut manifest = manifest.unwrap_or_else(empty);
        let reach = manifest.reach();
        for part in parts.iter().filter(|part| part.end > reach) {
            extend(&mut manifest, &Naming::found(*part));
        }
        Some(manifest)
    }
}

/// Looks through the row of a broker's objects, from where its roster says, up to incarnation `below`.
///
/// # Errors
/// Where the store cannot be asked, or an object of the row is damaged: what lies behind it in some partition could not be told
/// from what follows a deletion.
pub(crate) fn pending_parts(store: &dyn ObjectStore, keys: &Keys, below: Incarnation, requests_max: usize) -> Result<Parts, ShipError> {
    let (incarnation, seq) = roster_of(store, keys)?.map_or((Incarnation(0), 0), |roster| roster.named_from);
    let mut after = before(keys, incarnation, seq);
    let mut parts = Parts::default();
    loop {
        let listed = store.list(&keys.segments(), after.as_ref(), PAGE_KEYS)?;
        let is_ours = |listed: &Listed| keys.object(&listed.key).is_some_and(|object| object.incarnation >= below);
        let is_last = listed.len() < PAGE_KEYS || listed.iter().any(is_ours);
        let before = listed.split(is_ours).next().unwrap_or_default();
        for (id, reference) in at_once(before, requests_max, |listed| parts_of(store, keys, listed))?.into_iter().flatten() {
            parts.0.entry(id).or_default().push(reference);
        }
        if is_last {
            return Ok(parts);
        }
        after = listed.into_iter().next_back().map(|last| last.key);
    }
}

/// The parts of partitions in one object of the row; of a fence, none.
fn parts_of(store: &dyn ObjectStore, keys: &Keys, listed: &Listed) -> Result<Vec<(TopicPartitionId, SegmentRef)>, ShipError> {
    let Some(object) = keys.object(&listed.key).filter(|_| listed.size > 0) else { return Ok(Vec::new()) };
    let mut parts = match read_directory_of(store, &listed.key, object, listed.size) {
        // Deleted since it was listed: it was of no use.
        Err(ShipError::Store(StoreError::NotFound { .. })) => return Ok(Vec::new()),
        directory => directory?.parts,
    };
    parts.retain(|(_, reference)| reference.section_bytes > 0);
    Ok(parts)
}

/// The key after which a listing begins that is to begin with this object.
fn before(keys: &Keys, incarnation: Incarnation, seq: u64) -> Option<Key> {
    let object = |incarnation, seq| ObjectId { broker: keys.broker(), incarnation, seq };
    match (incarnation.0, seq) {
        (0, 0) => None,
        (earlier, 0) => Some(keys.segment(object(Incarnation(earlier - 1), u64::MAX))),
        (_, seq) => Some(keys.segment(object(incarnation, seq - 1))),
    }
}

impl Shipper {
    /// Names what earlier incarnations have put and not named, for the partitions in `alive`. Nothing else is done before.
    pub(super) fn catch_up(&mut self, alive: &[TopicPartitionId]) -> Result<ShipDone, ShipError> {
        if !self.is_scanned {
            let parts = self.found_parts()?;
            for id in parts.ids().filter(|id| alive.binary_search(id).is_ok()) {
                self.pending.insert(id, parts.of(id).iter().map(|part| Naming::found(*part)).collect());
            }
            self.is_scanned = true;
        }
        let (mut manifests, mut aside) = (Vec::new(), Vec::new());
        for id in self.pending.keys().copied().collect::<Vec<_>>() {
            match self.name_found(id) {
                Ok(()) => manifests.push((id, self.effective(id)?)),
                Err(error) if error.is_lasting() => aside.push((id, error.to_string())),
                Err(error) => return Err(error),
            }
        }
        Ok(ShipDone::CaughtUp { manifests, aside })
    }

    /// Names what was found of one partition, where that is more than its manifest names already.
    fn name_found(&mut self, id: TopicPartitionId) -> Result<(), ShipError> {
        let reach = self.load(id)?.map_or(Offset::ZERO, |(manifest, _)| manifest.reach());
        if let Some(pending) = self.pending.get_mut(&id) {
            pending.retain(|naming| naming.reference.end > reach);
        }
        if self.pending.get(&id).is_some_and(|pending| !pending.is_empty()) {
            self.swap(id, |_| {})?;
        } else {
            self.pending.remove(&id);
        }
        Ok(())
    }
}
