//! Does what shipping asks for: claims, segments, manifests. Plain blocking code over the object store.
//!
//! Everything that a broker ships lies in one dense row of objects per incarnation, each of which says itself which partitions
//! it holds. So a new segment costs one put, however many partitions have a part in it: the parts are *pending* until their
//! partition's manifest is replaced for enough of them, and whoever comes after a crash finds them in the row ([`pending`]).

mod claim;
mod cleanup;
mod input;
mod merge;
mod names;
mod pending;
mod tail;
mod taken;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use store::{Body, Key, ObjectStore, ProbeError, PutError, StoreError, Version, WriteIds, put_if_absent_settled, put_if_match_settled};
use units::Offset;

use crate::{
    LogConfig, StoreState, TopicPartitionId, chunk,
    codec::Malformed,
    engine::{
        plan::{PlannedSection, ShipPlan},
        ship::{ShipDone, ShipTask},
    },
    keys::Keys,
    manifest::{Manifest, ObjectId, Owner, SegmentRef},
    rules::Rules,
    segment::{self, Directory, SectionInput},
};
pub(crate) use claim::known_incarnation;
use cleanup::Suspects;
pub(crate) use cleanup::Unnamed;
pub(crate) use names::{read_name, roster_of};
use pending::{Naming, extend};
pub(crate) use pending::{Parts, pending_parts};
use tail::SectionTail;
pub(crate) use tail::segment_state;
pub(crate) use taken::insist;

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
    /// The store does not keep the promise that fencing is built on.
    #[error("{0}; nothing is entrusted to it, and what is acknowledged stays on the volume")]
    DoesNotArbitrate(String),
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

    /// What this says of the store; `None` where it says nothing.
    pub(crate) fn state(&self) -> Option<StoreState> {
        match self {
            Self::DoesNotArbitrate(broken) => Some(StoreState::RefusedNoConditionalWrites(broken.clone())),
            Self::Store(error) if is_denied(error) => Some(StoreState::AccessDenied(error.to_string())),
            Self::Store(error) if error.is_transient() => Some(StoreState::Unreachable(error.to_string())),
            Self::Store(StoreError::Failed { .. }) | Self::Unclear(_) => Some(StoreState::Unreachable(self.to_string())),
            _ => None,
        }
    }
}

/// Whether the store refuses the credentials: it says so as the operating system would.
fn is_denied(error: &StoreError) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied) {
            return true;
        }
        cause = error.source();
    }
    false
}

impl From<ProbeError> for ShipError {
    fn from(error: ProbeError) -> Self {
        match error {
            ProbeError::Store(error) => Self::Store(error),
            refused => Self::DoesNotArbitrate(refused.to_string()),
        }
    }
}

/// When manifests are replaced, and how much they and their producers keep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    pub(crate) parts_max: usize,
    pub(crate) bytes_max: u64,
    pub(crate) references_max: usize,
    pub(crate) is_probed: bool,
    pub(crate) requests_max: usize,
    pub(crate) producer_expiration: Duration,
    pub(crate) producers_max: usize,
}

impl Policy {
    pub(crate) fn of(config: &LogConfig) -> Self {
        Self {
            parts_max: config.manifest_parts_max,
            bytes_max: config.manifest_bytes_max,
            references_max: config.manifest_references_max,
            is_probed: config.probe_store,
            requests_max: config.restore_requests_max,
            producer_expiration: config.producer_expiration,
            producers_max: config.producers_per_partition_max,
        }
    }
}

/// Manifests that one task replaces at most beside what it is about, so that many partitions that are due do not hold up shipping.
const SWAPS_AT_ONCE: usize = 64;
/// Directories of objects that are remembered.
const DIRECTORIES_KEPT: usize = 128;

/// What is known of the store, and the means to change it.
pub(crate) struct Shipper {
    store: Arc<dyn ObjectStore>,
    keys: Keys,
    owner: Owner,
    write_ids: WriteIds,
    rules: Rules,
    policy: Policy,
    is_probed: bool,
    /// Of the next segment. Dense: it moves on only when the one before is known to exist.
    next_seq: u64,
    /// The most that a segment of this incarnation has said to cover.
    covers: u64,
    /// Manifests as the store has them.
    manifests: HashMap<TopicPartitionId, (Arc<Manifest>, Version)>,
    /// Partitions with a manifest that was put without a clear answer: it may be on its way still, until another is put.
    unclear: HashSet<TopicPartitionId>,
    /// Partitions that were found to have no manifest. A put that finds one all the same asks again.
    without_manifest: HashSet<TopicPartitionId>,
    /// Parts of segments that are put and that their partitions' manifests do not name yet, in order.
    pending: BTreeMap<TopicPartitionId, Vec<Naming>>,
    /// Log starts that manifests do not say yet.
    starts: HashMap<TopicPartitionId, Offset>,
    /// What is known of each partition's producers at the end of its last section.
    tails: HashMap<TopicPartitionId, SectionTail>,
    /// Partitions in each object with the ends of their parts, as far as anybody asked.
    directories: HashMap<ObjectId, Vec<(TopicPartitionId, Offset)>>,
    suspects: Suspects,
    /// The newest object of the row, to be deleted once it is that no more: a successor finds the end of the row by it.
    kept: Option<ObjectId>,
    /// Up to where segments of earlier incarnations have been judged.
    swept_to: Option<Key>,
    is_scanned: bool,
    names: HashMap<String, Version>,
}

impl Shipper {
    pub(crate) fn new(
        store: Arc<dyn ObjectStore>,
        keys: Keys,
        owner: Owner,
        write_ids: WriteIds,
        (rules, policy): (Rules, Policy),
    ) -> Self {
        Self {
            store,
            keys,
            owner,
            write_ids,
            rules,
            policy,
            is_probed: !policy.is_probed,
            next_seq: 0,
            covers: 0,
            manifests: HashMap::new(),
            unclear: HashSet::new(),
            without_manifest: HashSet::new(),
            pending: BTreeMap::new(),
            starts: HashMap::new(),
            tails: HashMap::new(),
            directories: HashMap::new(),
            suspects: Suspects::new(),
            kept: None,
            swept_to: None,
            is_scanned: false,
            names: HashMap::new(),
        }
    }

    /// Does one task.
    pub(crate) fn perform(&mut self, task: &ShipTask) -> Result<ShipDone, ShipError> {
        match task {
            ShipTask::Claim => self.claim().map(|()| ShipDone::Claimed),
            ShipTask::CatchUp(alive) => self.catch_up(alive),
            ShipTask::Names(names) => self.put_names(names),
            ShipTask::Segment(plan) => self.ship(plan),
            ShipTask::Load(id) => or_aside(*id, self.load_effective(*id)),
            ShipTask::Trim(id, log_start) => or_aside(*id, self.trim(*id, *log_start)),
            ShipTask::Merge(id, references) => self.merge(*id, references),
            ShipTask::Forget(id) => self.forget(*id),
            ShipTask::Delete(object) => self.delete(*object),
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

    /// Puts a segment. Its parts are pending then, and named where their time has come; what fails of that is tried again with
    /// the next.
    fn ship(&mut self, plan: &ShipPlan) -> Result<ShipDone, ShipError> {
        for section in &plan.sections {
            match self.prepare(section) {
                Err(error) if error.is_lasting() => return Ok(ShipDone::SetAside(section.id, error.to_string())),
                prepared => prepared?,
            }
        }
        let (inputs, tails) = self.sections(plan)?;
        let refs = self.put_segment(&inputs, plan.covers)?;
        self.tails.extend(tails);
        for (section, (id, reference)) in plan.sections.iter().zip(refs) {
            let epochs = self.tails.get(&id).map(|tail| tail.epochs.clone());
            self.pending.entry(id).or_default().push(Naming { reference, log_start: section.log_start, epochs });
        }
        // All of them are known: from here on nothing but a rival can fail.
        let manifests = plan.sections.iter().map(|section| Ok((section.id, self.effective(section.id)?)));
        let manifests = manifests.collect::<Result<Vec<_>, ShipError>>()?;
        self.name_due(plan.sections.iter().map(|section| section.id))?;
        Ok(ShipDone::Manifests { manifests, unnamed: self.unnamed(&[], None), is_segment: true })
    }

    /// Reads what must be known of a partition before a part of it is put.
    fn prepare(&mut self, section: &PlannedSection) -> Result<(), ShipError> {
        let known = self.effective(section.id)?;
        let last = known.as_ref().and_then(|manifest| manifest.segments.last());
        if let Some(last) = last.filter(|last| last.object.incarnation < self.owner.incarnation && last.end > section.recovered_end) {
            let (store, volume) = (last.end, section.recovered_end);
            return Err(ShipError::VolumeIsOlder { partition: section.id, store, volume });
        }
        self.load_tail(section.id, known.as_deref())
    }

    /// Names the pending parts of those of `ids` that have enough of them.
    fn name_due(&mut self, ids: impl Iterator<Item = TopicPartitionId>) -> Result<(), ShipError> {
        let due: Vec<_> = ids.filter(|id| self.is_due(*id)).take(SWAPS_AT_ONCE).collect();
        for id in due {
            match self.swap(id, |_| {}) {
                Err(error) if error.is_fatal() => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "what was put is not named in its manifest yet; that is tried again with the next segment");
                    break;
                }
                Ok(_) => {}
            }
        }
        Ok(())
    }

    /// Whether a partition has so much pending that its manifest is worth a put. Partitions that began together part here.
    fn is_due(&self, id: TopicPartitionId) -> bool {
        let Some(pending) = self.pending.get(&id) else { return false };
        let bytes: u64 = pending.iter().map(|naming| naming.reference.data_bytes).sum();
        let spread = id.partition.0.unsigned_abs() as usize % (self.policy.parts_max / 4 + 1);
        pending.len() + spread >= self.policy.parts_max || bytes >= self.policy.bytes_max
    }

    fn put_segment(&mut self, sections: &[SectionInput], covers: u64) -> Result<Vec<(TopicPartitionId, SegmentRef)>, ShipError> {
        self.covers = self.covers.max(covers);
        let (object, refs) = self.put_next(|object| {
            let built = segment::build(object, sections, covers);
            (built.pieces.into_iter().collect(), built.refs)
        })?;
        self.remember_directory(object, refs.iter().map(|(id, reference)| (*id, reference.end)).collect());
        Ok(refs)
    }

    /// Puts the next object of the row: `build` says what it is, by its name.
    fn put_next<T>(&mut self, build: impl Fn(ObjectId) -> (Body, T)) -> Result<(ObjectId, T), ShipError> {
        loop {
            let object = ObjectId { broker: self.owner.broker, incarnation: self.owner.incarnation, seq: self.next_seq };
            let (body, built) = build(object);
            let key = self.keys.segment(object);
            match put_if_absent_settled(&*self.store, &key, body, self.write_ids.next()) {
                Ok(_) => {
                    self.next_seq += 1;
                    self.delete_kept();
                    return Ok((object, built));
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

    /// The manifest with all that is pending.
    fn effective(&mut self, id: TopicPartitionId) -> Result<Option<Arc<Manifest>>, ShipError> {
        let known = self.load(id)?.map(|(manifest, _)| manifest);
        let start = self.starts.get(&id).copied().filter(|start| known.as_ref().is_some_and(|known| known.behind(*start) > 0));
        let pending = self.pending.get(&id).filter(|pending| !pending.is_empty());
        if pending.is_none() && start.is_none() {
            return Ok(known);
        }
        let mut manifest = known.map_or_else(|| Manifest::new(self.owner), |known| Manifest::clone(&known));
        for naming in pending.into_iter().flatten() {
            extend(&mut manifest, naming);
        }
        if let Some(start) = start {
            manifest.trim(start);
        }
        Ok(Some(Arc::new(manifest)))
    }

    fn load_effective(&mut self, id: TopicPartitionId) -> Result<ShipDone, ShipError> {
        let manifests = vec![(id, self.effective(id)?)];
        Ok(ShipDone::Manifests { manifests, unnamed: Vec::new(), is_segment: false })
    }

    /// Replaces a manifest with what `change` makes of it and of all that is pending.
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
        let mut gone = Vec::new();
        let chunks_before: Vec<_> = manifest.chunks.iter().map(|chunk| chunk.object).collect();
        for naming in self.pending.get(&id).into_iter().flatten() {
            gone.extend(extend(&mut manifest, naming));
        }
        // What the log start has passed goes with any put; once in a chunk it would be named for as long as this process lives, and by no other.
        let start = self.starts.get(&id).copied().unwrap_or_default().max(manifest.log_start);
        gone.extend(manifest.trim(start));
        change(&mut manifest);
        self.move_into_chunks(id, &mut manifest)?;
        self.manifests.remove(&id);
        self.without_manifest.remove(&id);
        self.unclear.insert(id);
        let version = self.put(&self.keys.manifest(id), version.as_ref(), manifest.encode())?;
        self.unclear.remove(&id);
        let manifest = Arc::new(manifest);
        self.manifests.insert(id, (manifest.clone(), version));
        self.pending.remove(&id);
        self.starts.remove(&id);
        self.suspects.extend(gone.iter().map(|segment| segment.object));
        self.suspects.extend(chunks_before.into_iter().filter(|object| !manifest.names(*object)));
        Ok(manifest)
    }

    /// Keeps a manifest small.
    fn move_into_chunks(&mut self, id: TopicPartitionId, manifest: &mut Manifest) -> Result<(), ShipError> {
        while let Some(references) = chunk::excess(manifest, self.policy.references_max).map(<[SegmentRef]>::to_vec) {
            let covers = self.covers;
            let (object, chunk) = self.put_next(|object| {
                let (bytes, chunk) = chunk::build(object, id, &references, covers);
                (Body::from(bytes), chunk)
            })?;
            // No part of a partition: nobody finds it in the row.
            self.remember_directory(object, vec![(id, Offset::ZERO)]);
            manifest.chunks.push(chunk);
        }
        Ok(())
    }

    /// What lies below `log_start` is not read any more. The manifest is replaced for it only where that frees enough.
    fn trim(&mut self, id: TopicPartitionId, log_start: Offset) -> Result<ShipDone, ShipError> {
        let known = self.load(id)?.map(|(manifest, _)| manifest);
        if let Some(pending) = self.pending.get_mut(&id) {
            let gone: Vec<_> = pending.extract_if(.., |naming| naming.reference.end <= log_start).collect();
            if pending.is_empty() {
                self.pending.remove(&id);
            }
            if !gone.is_empty() {
                // Whoever finds them in the row must not name them: see `judge`.
                self.starts.insert(id, log_start);
                self.suspects.extend(gone.iter().map(|naming| naming.reference.object));
            }
        }
        if let Some(known) = known {
            let behind = &known.segments[..known.behind(log_start)];
            let bytes: u64 = behind.iter().map(|segment| segment.data_bytes).sum();
            let is_all = behind.len() == known.segments.len() && !self.pending.contains_key(&id);
            if !behind.is_empty() && (behind.len() * 2 >= self.policy.parts_max || bytes >= self.policy.bytes_max || is_all) {
                let mut gone = Vec::new();
                self.swap(id, |manifest| gone = manifest.trim(log_start))?;
                self.suspects.extend(gone.iter().map(|segment| segment.object));
            } else {
                self.starts.insert(id, log_start);
            }
        }
        let manifests = vec![(id, self.effective(id)?)];
        Ok(ShipDone::Manifests { manifests, unnamed: self.unnamed(&[], None), is_segment: false })
    }

    fn forget(&mut self, id: TopicPartitionId) -> Result<ShipDone, ShipError> {
        let pending = self.pending.remove(&id).unwrap_or_default();
        self.suspects.extend(pending.iter().map(|naming| naming.reference.object));
        self.starts.remove(&id);
        self.tails.remove(&id);
        let known = match self.load(id) {
            // What it named stays until a sweep finds it; the partition must not keep all others waiting.
            Err(error) if error.is_lasting() => None,
            known => known?,
        };
        self.store.delete(&self.keys.manifest(id))?;
        self.manifests.remove(&id);
        self.without_manifest.insert(id);
        let gone = known.as_ref().map(|(manifest, _)| manifest.segments.clone()).unwrap_or_default();
        self.suspects.extend(known_chunks(known.as_ref()));
        Ok(ShipDone::Forgotten(id, self.unnamed(&gone, Some(id))))
    }

    fn delete(&mut self, object: ObjectId) -> Result<ShipDone, ShipError> {
        let is_newest = object.incarnation == self.owner.incarnation && object.seq + 1 == self.next_seq;
        if is_newest && self.rules.newest_is_kept {
            self.kept = Some(object);
        } else {
            self.store.delete(&self.keys.segment(object))?;
        }
        self.directories.remove(&object);
        Ok(ShipDone::Deleted(object))
    }

    /// What was the end of the row is that no more. Where this fails, the sweep of a later start finds it.
    fn delete_kept(&mut self) {
        if let Some(object) = self.kept.take()
            && let Err(error) = self.store.delete(&self.keys.segment(object))
        {
            tracing::debug!(%error, "an object of no use is left for a later sweep");
        }
    }

    fn remember_directory(&mut self, object: ObjectId, parts: Vec<(TopicPartitionId, Offset)>) {
        if self.directories.len() >= DIRECTORIES_KEPT {
            self.directories.clear();
        }
        self.directories.insert(object, parts);
    }

    /// The partitions in an object, each with the end of its part if there is one; `None` where it is gone.
    fn directory(&mut self, object: ObjectId) -> Result<Option<Vec<(TopicPartitionId, Offset)>>, ShipError> {
        if let Some(known) = self.directories.get(&object) {
            return Ok(Some(known.clone()));
        }
        let Some(directory) = read_directory(&*self.store, &self.keys, object)? else { return Ok(None) };
        let end = |reference: &SegmentRef| if reference.section_bytes > 0 { reference.end } else { Offset::ZERO };
        let parts: Vec<_> = directory.parts.into_iter().map(|(id, reference)| (id, end(&reference))).collect();
        self.remember_directory(object, parts.clone());
        Ok(Some(parts))
    }
}

fn known_chunks(known: Option<&(Arc<Manifest>, Version)>) -> Vec<ObjectId> {
    known.map(|(manifest, _)| manifest.chunks.iter().map(|chunk| chunk.object).collect()).unwrap_or_default()
}

/// What is damaged of one partition keeps no other waiting.
fn or_aside(id: TopicPartitionId, done: Result<ShipDone, ShipError>) -> Result<ShipDone, ShipError> {
    match done {
        Err(error) if error.is_lasting() => Ok(ShipDone::SetAside(id, error.to_string())),
        done => done,
    }
}

/// What an object says that it holds; `None` where it is gone.
pub(crate) fn read_directory(store: &dyn ObjectStore, keys: &Keys, object: ObjectId) -> Result<Option<Directory>, ShipError> {
    let key = keys.segment(object);
    let Some(head) = store.head(&key)? else { return Ok(None) };
    read_directory_of(store, &key, object, head.size).map(Some)
}

fn read_directory_of(store: &dyn ObjectStore, key: &Key, object: ObjectId, size: u64) -> Result<Directory, ShipError> {
    let corrupt = |malformed: Malformed| ShipError::Corrupt(key.clone(), malformed.0);
    let end = size.checked_sub(segment::TRAILER_BYTES).ok_or(corrupt(Malformed("it is too short")))?;
    let at = segment::decode_trailer(&store.get_range(key, end..size)?).map_err(corrupt)?;
    let directory = store.get_range(key, at.min(end)..end)?;
    segment::decode_directory(object, &directory).map_err(corrupt)
}

/// A partition's manifest as the store has it, if it has one.
pub(crate) fn read_manifest(store: &dyn ObjectStore, keys: &Keys, id: TopicPartitionId) -> Result<Option<(Manifest, Version)>, ShipError> {
    let key = keys.manifest(id);
    let object = match store.get(&key) {
        Ok(object) => object,
        Err(StoreError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let corrupt = |malformed: Malformed| ShipError::Corrupt(key.clone(), malformed.0);
    let manifest = Manifest::decode(&object.bytes).map_err(corrupt)?;
    let mut chunks = Vec::with_capacity(manifest.chunks.len());
    for chunk in &manifest.chunks {
        let key = keys.segment(chunk.object);
        let bytes = store.get_range(&key, chunk.at..chunk.at + u64::from(chunk.bytes))?;
        chunks.push(chunk::decode(&bytes).map_err(|malformed| ShipError::Corrupt(key, malformed.0))?);
    }
    Ok(Some((manifest.with_chunks(chunks).map_err(corrupt)?, object.version)))
}

#[cfg(test)]
mod tests;
