//! Checkpoints of one pod: which deltas are in no manifest yet, what a checkpoint takes, and what it makes superfluous.
//!
//! Decides only. Sealing and collecting are jobs that some thread runs against the store; when a checkpoint is due, and in which
//! commit its manifests go out, is decided where commits are.

use crate::{
    Claim, CommitMark, HashPartition, Life, Manifest, ManifestRecord, ManifestRef, OperatorDelta, OperatorId, OperatorSchema, Position,
    RestoredState, SealError, SealJob, SealLimits, Sealed, StateNames, Upstream,
    collect::{CollectJob, Collected, Collector, Owned},
    fold::Fold,
    seal::SealPart,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, Instant},
};
use store::Key;
use units::Offset;

/// Bytes of deltas after which a checkpoint is due, however small the state is.
pub const CHECKPOINT_BYTES_MIN: u64 = 64 << 20;

/// Whether a pod's deltas are worth a checkpoint: 64 MiB of them, or a quarter of its state if that is more. Time plays no
/// part: deltas are durable already, and age costs only the replay that the bytes bound.
#[must_use]
pub fn checkpoint_is_due(delta_bytes: u64, state_bytes: u64) -> bool {
    delta_bytes >= CHECKPOINT_BYTES_MIN.max(state_bytes / 4)
}

/// What a pod keeps in mind about its checkpoints.
pub struct Checkpoints {
    names: StateNames,
    life: Life,
    schemas: Arc<BTreeMap<OperatorId, OperatorSchema>>,
    limits: SealLimits,
    next_object: Arc<AtomicU64>,
    hashes: BTreeMap<HashPartition, Hash>,
    is_sealing: bool,
    collector: Collector,
}

/// A hash partition that the pod owns.
struct Hash {
    claim: Claim,
    current: Option<Arc<Manifest>>,
    current_at: Option<ManifestRef>,
    last: Option<CommitMark>,
    positions: BTreeMap<Upstream, Position>,
    /// What no manifest holds, and no checkpoint under way.
    recent: BTreeMap<OperatorId, Fold>,
    checkpoint: Stage,
}

enum Stage {
    Idle,
    /// A job is at work on these.
    Sealing(BTreeMap<OperatorId, Fold>),
    /// The manifest is in the store, and waits for a commit to name it.
    Sealed(ManifestRef, Arc<Manifest>),
}

/// A hash partition to be checkpointed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckpointDue {
    /// Which.
    pub hash: HashPartition,
    /// Offset in its state partition just after the last delta that was given to [`Checkpoints::committed`].
    pub floor: Offset,
}

impl Checkpoints {
    /// Checkpoints of the pod with this life. What a manifest no longer names is deleted after `grace` (10 minutes would do:
    /// longer than anybody reads a manifest without pinning it).
    #[must_use]
    pub fn new(
        names: StateNames,
        life: Life,
        schemas: Arc<BTreeMap<OperatorId, OperatorSchema>>,
        limits: SealLimits,
        grace: Duration,
    ) -> Self {
        let collector = Collector::new(names.clone(), life, grace);
        let (next_object, hashes) = (Arc::default(), BTreeMap::new());
        Self { names, life, schemas, limits, next_object, hashes, is_sealing: false, collector }
    }

    /// The pod owns this hash partition from now on: its claim was read back.
    pub fn adopt(&mut self, restored: RestoredState) {
        let RestoredState { readback, manifest, folds } = restored;
        let positions = readback.positions.into_iter().map(|position| (position.upstream.clone(), position)).collect();
        let hash = Hash {
            claim: readback.claim,
            current: manifest,
            current_at: readback.manifest.map(|record| record.manifest),
            last: readback.last,
            positions,
            recent: folds,
            checkpoint: Stage::Idle,
        };
        self.hashes.insert(readback.hash, hash);
        self.collector.sweep();
    }

    /// The pod no longer owns this hash partition. What a job under way leaves of it is an orphan that the next owner removes.
    pub fn release(&mut self, hash: HashPartition) {
        self.hashes.remove(&hash);
    }

    /// The pod owns nothing any more.
    pub fn reset(&mut self) {
        self.hashes.clear();
    }

    /// A commit that changed this hash partition is known committed. An operator may come up several times.
    ///
    /// # Panics
    /// Where the pod does not own the hash partition, or the rows are not of their operator's columns.
    pub fn committed(&mut self, hash: HashPartition, commit: CommitMark, positions: &[Position], operators: Vec<OperatorDelta>) {
        let schemas = self.schemas.clone();
        let of = self.hashes.get_mut(&hash).expect("a pod commits to what it owns");
        of.last = Some(commit);
        for position in positions {
            of.positions.insert(position.upstream.clone(), position.clone());
        }
        for delta in operators {
            let new = || Fold::new(schemas.get(&delta.operator).expect("an operator that changes state is in the plan"));
            of.recent.entry(delta.operator).or_insert_with(new).push(delta);
        }
    }

    /// A checkpoint of these, to be run and answered by [`Checkpoints::sealed`]; `None` where none of them is owned, or a
    /// checkpoint is under way. With `merge`, runs that have outgrown their elders are merged on the way; a pod that is about to
    /// stop has no time for that.
    pub fn seal(&mut self, due: &[CheckpointDue], merge: bool) -> Option<SealJob> {
        if self.is_sealing {
            return None;
        }
        let wasteful = self.wasteful();
        let mut parts = Vec::new();
        for due in due {
            let Some(hash) = self.hashes.get_mut(&due.hash) else { continue };
            let (Stage::Idle, Some(covers)) = (&hash.checkpoint, hash.last) else { continue };
            let folds = std::mem::take(&mut hash.recent);
            parts.push(SealPart {
                hash: due.hash,
                claim: hash.claim,
                covers,
                floor: due.floor,
                positions: hash.positions.values().cloned().collect(),
                previous: hash.current.clone(),
                folds: folds.clone(),
            });
            hash.checkpoint = Stage::Sealing(folds);
        }
        self.is_sealing = !parts.is_empty();
        self.is_sealing.then(|| SealJob {
            names: self.names.clone(),
            life: self.life,
            next_object: self.next_object.clone(),
            schemas: self.schemas.clone(),
            limits: self.limits.clone(),
            wasteful,
            merge,
            parts,
        })
    }

    /// The job that [`Checkpoints::seal`] gave has ended: its manifests wait to be committed. After an error the deltas wait for
    /// another checkpoint.
    pub fn sealed(&mut self, sealed: Result<Sealed, &SealError>) {
        self.is_sealing = false;
        if let Ok(sealed) = sealed {
            for (at, manifest) in sealed.manifests {
                // One that was released meanwhile is not being sealed any more, even if it was adopted again.
                let is_of = |hash: &&mut Hash| matches!(hash.checkpoint, Stage::Sealing(_));
                if let Some(hash) = self.hashes.get_mut(&manifest.hash).filter(is_of) {
                    hash.checkpoint = Stage::Sealed(at, manifest);
                }
            }
            self.collector.put(sealed.objects);
        }
        for hash in self.hashes.values_mut() {
            hash.take_back();
        }
    }

    /// What the next commit shall write into this state partition to name its new manifest; `None` where there is none.
    #[must_use]
    pub fn manifest_record(&self, hash: HashPartition) -> Option<ManifestRecord> {
        match &self.hashes.get(&hash)?.checkpoint {
            Stage::Sealed(at, manifest) => Some(ManifestRecord {
                covers: manifest.covers,
                floor: manifest.floor,
                manifest: at.clone(),
                positions: manifest.positions.clone(),
            }),
            Stage::Idle | Stage::Sealing(_) => None,
        }
    }

    /// The commit with that record is known committed: what the manifest before it named may go.
    pub fn manifest_committed(&mut self, hash: HashPartition, now: Instant) {
        let Some(of) = self.hashes.get_mut(&hash) else { return };
        if !matches!(of.checkpoint, Stage::Sealed(..)) {
            return;
        }
        let before = of.names();
        if let Stage::Sealed(at, manifest) = std::mem::replace(&mut of.checkpoint, Stage::Idle) {
            (of.current, of.current_at) = (Some(manifest), Some(at));
        }
        let after = of.names();
        self.collector.replaced(before.difference(&after).cloned(), now);
    }

    /// Bytes of the runs of all hash partitions that the pod owns.
    #[must_use]
    pub fn state_bytes(&self) -> u64 {
        self.hashes.values().filter_map(|hash| hash.current.as_ref()).map(|manifest| manifest.bytes()).sum()
    }

    /// The next thing to remove from the store, to be run and answered by [`Checkpoints::collected`]; `None` for now.
    pub fn collect(&mut self, now: Instant) -> Option<CollectJob> {
        let owned = self.owned();
        self.collector.next(now, owned)
    }

    #[cfg(test)]
    pub(crate) fn break_rules(&mut self, rules: crate::collect::Rules) {
        self.collector.break_rules(rules);
    }

    /// The job that [`Checkpoints::collect`] gave has ended.
    pub fn collected(&mut self, collected: Collected, now: Instant) {
        self.collector.done(collected, now);
    }

    /// Claims, and every object that a manifest names which is committed or waits for a commit.
    fn owned(&self) -> Owned {
        let claims = self.hashes.iter().map(|(hash, of)| (*hash, of.claim)).collect();
        let mut named: BTreeSet<Key> = self.hashes.values().flat_map(Hash::names).collect();
        for hash in self.hashes.values() {
            if let Stage::Sealed(at, manifest) = &hash.checkpoint {
                named.extend(names(at, manifest));
            }
        }
        Owned { claims, named }
    }

    /// Objects less than half of which any manifest of the pod still names.
    fn wasteful(&self) -> BTreeSet<Key> {
        let mut live: BTreeMap<&Key, (u64, u64)> = BTreeMap::new();
        for manifest in self.hashes.values().filter_map(|hash| hash.current.as_deref()) {
            for part in manifest.operators.iter().flat_map(|operator| &operator.runs).flat_map(|run| &run.parts) {
                let object = &manifest.objects[part.object as usize];
                live.entry(&object.key).or_insert((object.size, 0)).1 += part.bytes;
            }
        }
        live.into_iter().filter(|(_, (size, live))| live * 2 < *size).map(|(key, _)| key.clone()).collect()
    }
}

impl Hash {
    /// Every object that the current manifest needs, and the one that it lies in.
    fn names(&self) -> BTreeSet<Key> {
        let both = self.current_at.as_ref().zip(self.current.as_deref());
        both.map(|(at, manifest)| names(at, manifest).collect()).unwrap_or_default()
    }

    /// Deltas that a failed job did not bring into the store come before those that came since.
    fn take_back(&mut self) {
        let Stage::Sealing(older) = &mut self.checkpoint else { return };
        let mut older = std::mem::take(older);
        self.checkpoint = Stage::Idle;
        for (operator, recent) in std::mem::take(&mut self.recent) {
            match older.get_mut(&operator) {
                Some(fold) => fold.append(recent),
                None => {
                    older.insert(operator, recent);
                }
            }
        }
        self.recent = older;
    }
}

fn names<'a>(at: &'a ManifestRef, manifest: &'a Manifest) -> impl Iterator<Item = Key> + 'a {
    std::iter::once(&at.object).chain(manifest.objects()).cloned()
}

#[cfg(test)]
mod tests;
