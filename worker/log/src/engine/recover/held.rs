//! What the object store holds, for a recovery that finds the volume damaged.

use std::{cell::OnceCell, collections::BTreeMap, ops::Range, sync::Arc};

use bytes::Bytes;
use store::ObjectStore;
use units::{Incarnation, Offset};

use crate::{
    Isolation, Read, TopicPartitionId,
    cold::Cold,
    keys::Keys,
    manifest::{Manifest, ObjectId, Owner},
    partition::Partition,
    shipper::{self, Parts, ShipError},
};

/// Bytes of batches that are read from the store at once.
const READ_BYTES: usize = 4 << 20;

/// The store, as recovery asks it.
pub(crate) struct Held {
    store: Arc<dyn ObjectStore>,
    keys: Keys,
    /// What was put and not named, once anybody has asked.
    parts: OnceCell<Parts>,
}

/// Manifests of all partitions that have one.
pub(super) type Manifests = BTreeMap<TopicPartitionId, Arc<Manifest>>;

impl Held {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, keys: Keys) -> Self {
        Self { store, keys, parts: OnceCell::new() }
    }

    fn manifest(&self, id: TopicPartitionId) -> Result<Option<Arc<Manifest>>, ShipError> {
        let parts = match self.parts.get() {
            Some(parts) => parts,
            None => {
                let parts = shipper::pending_parts(&*self.store, &self.keys, Incarnation(u32::MAX), 1)?;
                self.parts.get_or_init(|| parts)
            }
        };
        let named = shipper::read_manifest(&*self.store, &self.keys, id)?.map(|(manifest, _)| manifest);
        let named = named.filter(|manifest| manifest.owner.broker == self.keys.broker());
        let owner = Owner { broker: self.keys.broker(), incarnation: Incarnation(0) };
        Ok(parts.over(id, named, || Manifest::new(owner)).map(Arc::new))
    }

    /// The manifest of `id`, if it holds all of `range`.
    pub(super) fn range(&self, id: TopicPartitionId, range: Range<Offset>) -> Result<Option<Arc<Manifest>>, ShipError> {
        let holds = |manifest: &Arc<Manifest>| {
            manifest.segments.first().is_some_and(|first| first.base <= range.start) && manifest.end() >= range.end
        };
        Ok(self.manifest(id)?.filter(holds))
    }

    pub(super) fn manifests<'a>(&self, ids: impl Iterator<Item = &'a TopicPartitionId>) -> Result<Manifests, ShipError> {
        let mut manifests = Manifests::new();
        for id in ids {
            manifests.extend(self.manifest(*id)?.map(|manifest| (*id, manifest)));
        }
        Ok(manifests)
    }

    /// Through which WAL group the store holds every batch that `incarnation` wrote, as far as `manifests` name it; 0 where that
    /// cannot be shown.
    ///
    /// The newest segment that any manifest names says so, and it is so once all partitions in it name it: the segments before
    /// it were named everywhere before it was put.
    pub(super) fn covers(
        &self,
        incarnation: Incarnation,
        manifests: &Manifests,
        is_alive: impl Fn(&TopicPartitionId) -> bool,
    ) -> Result<u64, ShipError> {
        let named = manifests.values().filter_map(|manifest| manifest.segments.last()).map(|segment| segment.object);
        let Some(newest) = named.filter(|object: &ObjectId| object.incarnation == incarnation).max() else { return Ok(0) };
        let Some(directory) = shipper::read_directory(&*self.store, &self.keys, newest)? else { return Ok(0) };
        let is_named = |id: &TopicPartitionId, end: Offset| manifests.get(id).is_some_and(|manifest| manifest.end() >= end);
        let is_whole = directory.parts.iter().all(|(id, part)| !is_alive(id) || is_named(id, part.end));
        Ok(if is_whole { directory.covers } else { 0 })
    }

    /// The batches of `id` from the end of `partition` on, as far as the store has them, one read at a time.
    pub(super) fn batches(&self, id: TopicPartitionId, manifest: &Manifest, from: Offset) -> Result<Vec<Bytes>, crate::ReadError> {
        let read = Read { from, bytes_max: READ_BYTES, whole_first_batch: true, isolation: Isolation::ReadUncommitted };
        let cold = Cold::new(self.store.clone(), self.keys.clone());
        Ok(cold.read(id, manifest, &read, manifest.end())?.0)
    }
}

/// Takes over that `manifest` holds the partition up to its end.
pub(super) fn note_shipped(partition: &mut Partition, manifest: Arc<Manifest>) {
    partition.shipped_to = manifest.end();
    partition.manifest = Some(manifest);
    partition.is_manifest_known = true;
}
