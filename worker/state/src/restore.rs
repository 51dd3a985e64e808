//! Restoring: the last manifest and the deltas after it, as rows of each operator, for any range of hashes.

use crate::{
    HashPartition, HashRange, Manifest, OperatorDelta, OperatorId, OperatorSchema, Progress, ReadError, Restored,
    fold::Fold,
    manifest::OperatorState,
    merge::{Keep, Merge, SortedRows},
    object::ObjectReader,
};
use arrow::array::RecordBatch;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use store::ObjectStore;

/// The state of one hash partition as it is in the store and the log, before anybody has changed it.
#[derive(Clone, Debug)]
pub struct RestoredState {
    /// What was read back.
    pub(crate) readback: Restored,
    pub(crate) manifest: Option<Arc<Manifest>>,
    pub(crate) folds: BTreeMap<OperatorId, Fold>,
}

/// Reads the runs of a pod's hash partitions. Share one over all of them: they lie in the same objects. Cheap to clone.
#[derive(Clone)]
pub struct StateReader(Arc<ObjectReader>);

/// Rows of one operator, each key once, in the order of their hashes; read from the store as they are asked for.
pub struct OperatorRows(Merge<'static>);

/// Most bytes of one read while restoring.
const READ_BYTES: u64 = 4 << 20;
const ROWS_MAX: usize = 8192;

impl StateReader {
    /// A reader of what is in `store`.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self(ObjectReader::new(store, READ_BYTES))
    }
}

impl RestoredState {
    /// Fetches the manifest, and decodes and folds the deltas after it.
    ///
    /// # Errors
    /// Where the store has not got the manifest, or a delta is not of the columns that `schemas` say.
    pub fn load<S: ObjectStore + ?Sized>(
        store: &S,
        mut readback: Restored,
        schemas: &BTreeMap<OperatorId, OperatorSchema>,
    ) -> Result<Self, ReadError> {
        let manifest = readback.manifest.as_ref().map(|record| Manifest::load(store, &record.manifest)).transpose()?;
        if let Some(manifest) = manifest.as_ref().filter(|manifest| manifest.hash != readback.hash) {
            let what = format!("the manifest of hash partition {} is that of {}", readback.hash, manifest.hash);
            return Err(ReadError::damaged(place(readback.hash), what));
        }
        let mut folds = BTreeMap::new();
        for (_, delta) in std::mem::take(&mut readback.deltas) {
            for encoded in delta.operators {
                let damaged = |what: String| ReadError::damaged(place(readback.hash), what);
                let unknown = || damaged(format!("operator {} is not in the plan", encoded.operator));
                let schema = schemas.get(&encoded.operator).ok_or_else(unknown)?;
                let rows = encoded.rows(schema).map_err(|error| damaged(error.0))?;
                let delta = OperatorDelta { operator: encoded.operator, progress: encoded.progress, rows };
                folds.entry(delta.operator).or_insert_with(|| Fold::new(schema)).push(delta);
            }
        }
        Ok(Self { readback, manifest: manifest.map(Arc::new), folds })
    }

    /// What was read back.
    #[must_use]
    pub fn readback(&self) -> &Restored {
        &self.readback
    }

    /// The operators that have state, each with its latest progress.
    #[must_use]
    pub fn progress(&self) -> BTreeMap<OperatorId, Progress> {
        let mut progress = self.manifest.as_ref().map(|manifest| manifest.progress()).unwrap_or_default();
        for (operator, fold) in &self.folds {
            progress.entry(*operator).or_default().advance(fold.progress());
        }
        progress
    }

    /// The operators that have state and are not among `schemas`: a plan that does not know them would drop it.
    #[must_use]
    pub fn unknown_operators(&self, schemas: &BTreeMap<OperatorId, OperatorSchema>) -> BTreeSet<OperatorId> {
        let kept = self.manifest.iter().flat_map(|manifest| manifest.operators.iter().map(|state| state.operator));
        kept.chain(self.folds.keys().copied()).filter(|operator| !schemas.contains_key(operator)).collect()
    }

    /// The rows of an operator whose hash is in `range`: each key once, all of them upserts, none that has expired.
    pub fn rows(&mut self, reader: &StateReader, schema: &OperatorSchema, range: &HashRange) -> OperatorRows {
        let mut inputs: Vec<SortedRows<'static>> = Vec::new();
        let mut horizon_ms = i64::MIN;
        if let Some((manifest, state)) =
            self.manifest.as_deref().and_then(|manifest| Some((manifest, manifest.operator(schema.operator())?)))
        {
            horizon_ms = state.horizon_ms;
            inputs.extend(runs(&reader.0, manifest, state, schema, range));
        }
        if let Some(fold) = self.folds.get_mut(&schema.operator()) {
            horizon_ms = horizon_ms.max(fold.progress().horizon_ms);
            inputs.push(Box::new(std::iter::once(Ok(schema.within(&fold.sorted(), range)))));
        }
        OperatorRows(Merge::new(schema, inputs, Keep { horizon_ms, deletions: false }, ROWS_MAX))
    }
}

fn runs<'a>(
    reader: &'a Arc<ObjectReader>,
    manifest: &'a Manifest,
    state: &'a OperatorState,
    schema: &'a OperatorSchema,
    range: &'a HashRange,
) -> impl Iterator<Item = SortedRows<'static>> + 'a {
    state.runs.iter().map(|run| reader.run(manifest, run, schema, range))
}

fn place(hash: HashPartition) -> String {
    format!("the state partition of hash partition {hash}")
}

impl Iterator for OperatorRows {
    type Item = Result<RecordBatch, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}
