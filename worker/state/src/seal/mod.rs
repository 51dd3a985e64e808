//! Sealing: folded deltas become runs in the object store, runs that have outgrown their elders are merged with them, and each
//! hash partition gets a manifest. A job is made by [`crate::Checkpoints`] and runs on whatever thread has the time.

mod draft;
mod sink;

use crate::{
    Claim, CommitMark, HashPartition, Life, Manifest, ManifestRef, OperatorId, OperatorSchema, Position, Progress, SealError, StateNames,
    compaction::{RunSize, merges},
    fold::Fold,
    manifest::{Holders, ManifestHead, OperatorState, Run},
    merge::{Keep, Merge, SortedRows},
    object::ObjectReader,
    schema::rows_bytes,
};
use arrow::array::RecordBatch;
use draft::{DraftManifest, DraftOperator, DraftRun};
use sink::Sink;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::AtomicU64},
};
use store::{Key, ObjectStore, WriteIds};
use units::Offset;

/// Sizes that a checkpoint keeps to.
#[derive(Clone, Debug)]
pub struct SealLimits {
    /// An object is closed when it has reached this; one block may pass it. A checkpoint holds this much in memory.
    pub object_bytes: u64,
    /// Decompressed bytes of a block: what a reader decodes at least.
    pub block_bytes: u64,
    /// Most bytes of one read of a run that is merged.
    pub read_bytes: u64,
}

impl Default for SealLimits {
    fn default() -> Self {
        Self { object_bytes: 64 << 20, block_bytes: 256 << 10, read_bytes: 1 << 20 }
    }
}

/// A checkpoint to be taken: blocking work, without any hold on the pod that asked for it.
pub struct SealJob {
    pub(crate) names: StateNames,
    pub(crate) life: Life,
    pub(crate) next_object: Arc<AtomicU64>,
    pub(crate) schemas: Arc<BTreeMap<OperatorId, OperatorSchema>>,
    pub(crate) limits: SealLimits,
    /// Objects of which most is dead.
    pub(crate) wasteful: BTreeSet<Key>,
    pub(crate) merge: bool,
    pub(crate) parts: Vec<SealPart>,
}

/// What a checkpoint does for one hash partition.
pub(crate) struct SealPart {
    pub(crate) hash: HashPartition,
    pub(crate) claim: Claim,
    pub(crate) covers: CommitMark,
    pub(crate) floor: Offset,
    pub(crate) positions: Vec<Position>,
    pub(crate) previous: Option<Arc<Manifest>>,
    pub(crate) folds: BTreeMap<OperatorId, Fold>,
}

/// A checkpoint that is in the store, and that nothing names yet.
#[derive(Debug)]
pub struct Sealed {
    pub(crate) manifests: Vec<(ManifestRef, Arc<Manifest>)>,
    /// The objects that were put, with who has something in them.
    pub(crate) objects: BTreeMap<Key, Holders>,
}

impl SealJob {
    /// Writes objects until everything is in the store. Blocks; memory is bounded by [`SealLimits::object_bytes`] and one block
    /// of each run that is merged.
    ///
    /// # Errors
    /// Where runs could not be read or an object could not be put. Nothing names what was put until then.
    pub fn run(mut self, store: &Arc<dyn ObjectStore>, write_ids: &WriteIds) -> Result<Sealed, SealError> {
        let parts = std::mem::take(&mut self.parts);
        let reader = ObjectReader::new(store.clone(), self.limits.read_bytes);
        let mut sink = Sink::new(&self, &**store, write_ids);
        let mut manifests = Vec::with_capacity(parts.len());
        for part in parts {
            manifests.push(Sealing { job: &self, reader: &reader, sink: &mut sink, hash: part.hash, claim: part.claim }.seal(part)?);
        }
        sink.finish(manifests)
    }

    /// The hash partitions that it seals.
    pub fn hashes(&self) -> impl Iterator<Item = HashPartition> {
        self.parts.iter().map(|part| part.hash)
    }
}

/// One hash partition under way.
struct Sealing<'a, 'b> {
    job: &'a SealJob,
    reader: &'a Arc<ObjectReader>,
    sink: &'a mut Sink<'b>,
    hash: HashPartition,
    claim: Claim,
}

/// The old state of an operator, and the manifest that it is of.
type Old<'a> = (&'a Manifest, &'a OperatorState);

impl Sealing<'_, '_> {
    fn seal(&mut self, part: SealPart) -> Result<DraftManifest, SealError> {
        let SealPart { hash, claim, covers, floor, positions, previous, mut folds } = part;
        let previous = previous.as_deref();
        let before = previous.iter().flat_map(|manifest| &manifest.operators).map(|state| state.operator);
        let operators: BTreeSet<OperatorId> = before.chain(folds.keys().copied()).collect();
        let mut drafts = Vec::with_capacity(operators.len());
        for operator in operators {
            let fold = folds.remove(&operator);
            let old = previous.and_then(|manifest| Some((manifest, manifest.operator(operator)?)));
            let schema = fold.as_ref().map(Fold::schema).or_else(|| self.job.schemas.get(&operator)).cloned();
            drafts.push(match (schema, old) {
                (Some(schema), old) => self.operator(&schema, old, fold)?,
                // Without its columns old state cannot be merged; it is carried on untouched.
                (None, Some((manifest, state))) => DraftOperator::carried(manifest, state),
                (None, None) => unreachable!("an operator comes from a fold or from the old manifest"),
            });
        }
        let layout = self.job.names.layout().into();
        Ok(DraftManifest { head: ManifestHead { layout, hash, claim, covers, floor, positions }, operators: drafts })
    }

    fn operator(&mut self, schema: &OperatorSchema, old: Option<Old<'_>>, fold: Option<Fold>) -> Result<DraftOperator, SealError> {
        let mut progress = old.map_or_else(Progress::default, |(_, state)| state.progress());
        let mut fold = fold;
        if let Some(fold) = &fold {
            progress.advance(fold.progress());
        }
        let new = fold.as_mut().map(Fold::sorted).filter(|rows| rows.num_rows() > 0);
        // A run of which every row has expired is left out; its rows are neither read nor written again.
        let live = |run: &&Run| !run.is_dead(progress.horizon_ms);
        let runs: Vec<(&Manifest, &Run)> =
            old.iter().flat_map(|(manifest, state)| state.runs.iter().filter(live).map(|run| (*manifest, run))).collect();
        let ages = Ages { runs, new };
        let mut draft = DraftOperator { operator: schema.operator(), schema: schema.fingerprint(), progress, runs: Vec::new() };
        let merges = if self.job.merge { merges(&ages.sizes(&self.job.wasteful)) } else { Vec::new() };
        let mut age = 0;
        while age < ages.count() {
            let merge = merges.iter().find(|range| range.start == age).cloned();
            let (from, end) = merge.as_ref().map_or((age, age + 1), |range| (range.start, range.end));
            age = end;
            match ages.runs.get(from) {
                Some((manifest, run)) if merge.is_none() => draft.runs.push(DraftRun::carried(manifest, run)),
                _ => {
                    let keep = Keep { horizon_ms: draft.progress.horizon_ms, deletions: from > 0 };
                    let rows = Merge::new(schema, ages.rows(from..end, self.reader, schema), keep, ROWS_MAX);
                    draft.runs.extend(self.sink.write_run(self.hash, self.claim, schema, rows)?);
                }
            }
        }
        Ok(draft)
    }
}

/// Most rows that a merge gives at a time.
const ROWS_MAX: usize = 8192;

/// What there is of an operator's state: runs, the oldest first, and behind them what was folded since.
struct Ages<'a> {
    runs: Vec<(&'a Manifest, &'a Run)>,
    new: Option<RecordBatch>,
}

impl Ages<'_> {
    fn count(&self) -> usize {
        self.runs.len() + usize::from(self.new.is_some())
    }

    fn sizes(&self, wasteful: &BTreeSet<Key>) -> Vec<RunSize> {
        let old = self.runs.iter().map(|(manifest, run)| RunSize {
            bytes: run.bytes(),
            is_wasteful: run.parts.iter().any(|part| wasteful.contains(&manifest.objects[part.object as usize].key)),
        });
        old.chain(self.new.iter().map(|rows| RunSize { bytes: rows_bytes(rows), is_wasteful: false })).collect()
    }

    /// The rows of each of these ages.
    fn rows(&self, ages: std::ops::Range<usize>, reader: &Arc<ObjectReader>, schema: &OperatorSchema) -> Vec<SortedRows<'static>> {
        let rows = |age: usize| match self.runs.get(age) {
            Some((manifest, run)) => reader.run(manifest, run, schema, &crate::ALL_HASHES),
            None => Box::new(self.new.clone().map(Ok).into_iter()),
        };
        ages.map(rows).collect()
    }
}
