//! Does what shipping asks for: claims, segments, manifests. Plain blocking code over the object store.

mod claim;
mod cleanup;
mod input;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use store::{Body, Key, ObjectStore, PutError, StoreError, Version, WriteIds, put_if_absent_settled, put_if_match_settled};
use units::Offset;

use crate::{
    TopicPartitionId,
    codec::Malformed,
    engine::{
        plan::{PlannedSection, ShipPlan},
        ship::{ShipDone, ShipTask},
    },
    keys::Keys,
    manifest::{Manifest, ObjectId, Owner, SegmentRef},
    partition::epochs::Epochs,
    rules::Rules,
    segment::{self, Directory, SectionInput},
};
pub(crate) use claim::known_incarnation;
use cleanup::Suspects;
pub(crate) use cleanup::Unnamed;

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
    /// Another process runs as this very incarnation.
    #[error(
        "another process writes to the object store as incarnation {0} of this broker: its volume is a copy of this one; stop one of the two"
    )]
    Rival(u32),
    /// The store holds records that this volume has never seen.
    #[error(
        "the object store holds {partition} up to offset {store}, this volume only up to {volume}: the volume is older than the store; start from the newest one"
    )]
    VolumeIsOlder { partition: TopicPartitionId, store: Offset, volume: Offset },
    /// A batch that the WAL holds cannot be read back.
    #[error("read the WAL for shipping: {0}")]
    Local(std::io::Error),
    /// A batch that only the WAL holds does not verify.
    #[error(
        "offset {offset} of {partition} in {place} does not verify; nothing behind it is shipped, and the WAL grows, until the volume is restored or the partition's records up to it are deleted"
    )]
    Damaged { partition: TopicPartitionId, offset: Offset, place: String },
    /// What the store holds is not what was put.
    #[error("{0} is corrupt: {1}")]
    Corrupt(Key, &'static str),
}

impl ShipError {
    /// Whether asking again does not help: something is damaged.
    fn is_lasting(&self) -> bool {
        match self {
            Self::Corrupt(..) => true,
            Self::Store(error) => !error.is_transient(),
            _ => false,
        }
    }

    /// Whether this incarnation may write no more.
    pub(crate) fn is_fatal(&self) -> bool {
        matches!(self, Self::Fenced { .. } | Self::Rival(_) | Self::VolumeIsOlder { .. })
    }
}

/// What is known of the store, and the means to change it.
pub(crate) struct Shipper {
    store: Arc<dyn ObjectStore>,
    keys: Keys,
    owner: Owner,
    write_ids: WriteIds,
    rules: Rules,
    /// Of the next segment. Dense: it moves on only when the one before is known to exist.
    next_seq: u64,
    manifests: HashMap<TopicPartitionId, (Arc<Manifest>, Version)>,
    /// Partitions that were found to have no manifest. A put that finds one all the same asks again.
    without_manifest: HashSet<TopicPartitionId>,
    /// Partitions in each object, as far as anybody asked.
    directories: HashMap<ObjectId, Vec<TopicPartitionId>>,
    /// What the last segment put holds of partitions whose manifests do not name it yet.
    naming: VecDeque<Naming>,
    suspects: Suspects,
    /// Up to where segments of earlier incarnations have been judged.
    swept_to: Option<Key>,
}

/// A part of a segment on its way into its partition's manifest.
#[derive(Clone, Debug)]
struct Naming {
    id: TopicPartitionId,
    reference: SegmentRef,
    log_start: Offset,
    epochs: Epochs,
    recovered_end: Offset,
}

impl Naming {
    fn of(section: &PlannedSection, reference: SegmentRef) -> Self {
        let PlannedSection { id, log_start, ref epochs, recovered_end, .. } = *section;
        Self { id, reference, log_start, epochs: epochs.clone(), recovered_end }
    }
}

impl Shipper {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, keys: Keys, owner: Owner, write_ids: WriteIds, rules: Rules) -> Self {
        Self {
            store,
            keys,
            owner,
            write_ids,
            rules,
            next_seq: 0,
            manifests: HashMap::new(),
            without_manifest: HashSet::new(),
            directories: HashMap::new(),
            naming: VecDeque::new(),
            suspects: Suspects::new(),
            swept_to: None,
        }
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
            ShipTask::Sweep => self.sweep(),
            ShipTask::Judge { object, own } => self.judge_owning(*object, own),
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

    /// Puts a segment and names it in the manifests. Where that ends halfway, the next call goes on with the same segment: it is
    /// not put again, and a new one waits until it is named everywhere.
    fn ship(&mut self, plan: &ShipPlan) -> Result<ShipDone, ShipError> {
        let is_put = self.naming.is_empty();
        if is_put {
            let refs = self.put_segment(&input::inputs(plan)?, plan.covers)?;
            self.naming = plan.sections.iter().zip(refs).map(|(section, (_, reference))| Naming::of(section, reference)).collect();
        }
        let (mut manifests, mut gone) = (Vec::new(), Vec::new());
        while let Some(naming) = self.naming.front().cloned() {
            match self.name(&naming, &mut gone) {
                Ok(manifest) => manifests.push((naming.id, Some(manifest))),
                Err(error) if manifests.is_empty() && !is_put || error.is_fatal() => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "a segment is not named in all manifests yet; that is tried again");
                    break;
                }
            }
            self.naming.pop_front();
        }
        let unnamed = self.unnamed(&gone, None);
        Ok(ShipDone::Manifests { manifests, unnamed, is_segment: is_put })
    }

    fn name(&mut self, naming: &Naming, gone: &mut Vec<SegmentRef>) -> Result<Arc<Manifest>, ShipError> {
        let known = self.load(naming.id)?;
        let last = known.as_ref().and_then(|(manifest, _)| manifest.segments.last());
        if let Some(last) = last.filter(|last| last.object.incarnation < self.owner.incarnation && last.end > naming.recovered_end) {
            let (store, volume) = (last.end, naming.recovered_end);
            return Err(ShipError::VolumeIsOlder { partition: naming.id, store, volume });
        }
        self.swap(naming.id, |manifest| gone.extend(extend(manifest, naming)))
    }

    fn put_segment(&mut self, sections: &[SectionInput], covers: u64) -> Result<Vec<(TopicPartitionId, SegmentRef)>, ShipError> {
        loop {
            let object = ObjectId { broker: self.owner.broker, incarnation: self.owner.incarnation, seq: self.next_seq };
            let built = segment::build(object, sections, covers);
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
                Err(PutError::Lost { write_id, .. }) => {
                    let (found, ours) = (known_incarnation(&*self.store, &self.keys)?, self.owner.incarnation.0);
                    if found > ours {
                        return Err(ShipError::Fenced { found, ours });
                    }
                    if write_id.is_some_and(|write_id| !self.write_ids.gave(write_id)) {
                        return Err(ShipError::Rival(ours));
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
        if self.without_manifest.contains(&id) {
            return Ok(None);
        }
        let Some((manifest, version)) = read_manifest(&*self.store, &self.keys, id)? else {
            self.without_manifest.insert(id);
            return Ok(None);
        };
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
        self.without_manifest.remove(&id);
        let version = self.put(&self.keys.manifest(id), version.as_ref(), manifest.encode())?;
        let manifest = Arc::new(manifest);
        self.manifests.insert(id, (manifest.clone(), version));
        Ok(manifest)
    }

    fn trim(&mut self, id: TopicPartitionId, log_start: Offset) -> Result<ShipDone, ShipError> {
        let mut gone = Vec::new();
        let manifest = self.swap(id, |manifest| gone = manifest.trim(log_start))?;
        let unnamed = self.unnamed(&gone, None);
        Ok(ShipDone::Manifests { manifests: vec![(id, Some(manifest))], unnamed, is_segment: false })
    }

    fn forget(&mut self, id: TopicPartitionId) -> Result<ShipDone, ShipError> {
        self.naming.retain(|naming| naming.id != id);
        let Some((manifest, _)) = self.load(id)? else { return Ok(ShipDone::Forgotten(id, Vec::new())) };
        self.store.delete(&self.keys.manifest(id))?;
        self.manifests.remove(&id);
        self.without_manifest.insert(id);
        Ok(ShipDone::Forgotten(id, self.unnamed(&manifest.segments, Some(id))))
    }

    /// The partitions in an object; `None` where it is gone.
    fn directory(&mut self, object: ObjectId) -> Result<Option<Vec<TopicPartitionId>>, ShipError> {
        if let Some(known) = self.directories.get(&object) {
            return Ok(Some(known.clone()));
        }
        let Some(directory) = read_directory(&*self.store, &self.keys, object)? else { return Ok(None) };
        let ids: Vec<_> = directory.parts.into_iter().map(|(id, _)| id).collect();
        self.directories.insert(object, ids.clone());
        Ok(Some(ids))
    }
}

/// What an object says that it holds; `None` where it is gone.
pub(crate) fn read_directory(store: &dyn ObjectStore, keys: &Keys, object: ObjectId) -> Result<Option<Directory>, ShipError> {
    let key = keys.segment(object);
    let Some(head) = store.head(&key)? else { return Ok(None) };
    let corrupt = |malformed: Malformed| ShipError::Corrupt(key.clone(), malformed.0);
    let end = head.size.checked_sub(segment::TRAILER_BYTES).ok_or(corrupt(Malformed("it is too short")))?;
    let at = segment::decode_trailer(&store.get_range(&key, end..head.size)?).map_err(corrupt)?;
    let directory = store.get_range(&key, at.min(end)..end)?;
    segment::decode_directory(object, &directory).map(Some).map_err(corrupt)
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
fn extend(manifest: &mut Manifest, naming: &Naming) -> Vec<SegmentRef> {
    let Naming { reference, log_start, ref epochs, .. } = *naming;
    manifest.log_start = manifest.log_start.max(log_start);
    manifest.epochs = epochs.clone();
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

#[cfg(test)]
mod tests;
