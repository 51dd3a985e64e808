//! Folding: of many changes to a key, the last; and everything in the order in which runs lie.

use crate::{OperatorDelta, OperatorSchema, Progress, schema::rows_bytes};
use arrow::{array::RecordBatch, compute::interleave_record_batch};

/// Fold again when what came in is larger than this and than what is folded already: amortised, each byte is sorted a few
/// times, and memory stays near twice what the distinct keys take.
const FOLD_BYTES_MIN: u64 = 8 << 20;

/// Changes of one operator's state in one hash partition since its last manifest.
#[derive(Clone, Debug)]
pub(crate) struct Fold {
    schema: OperatorSchema,
    progress: Progress,
    /// Sorted, each key once.
    folded: RecordBatch,
    folded_bytes: u64,
    /// In the order in which they came.
    recent: Vec<RecordBatch>,
    recent_bytes: u64,
}

impl Fold {
    pub(crate) fn new(schema: &OperatorSchema) -> Self {
        let (schema, folded) = (schema.clone(), schema.empty());
        Self { schema, progress: Progress::default(), folded, folded_bytes: 0, recent: Vec::new(), recent_bytes: 0 }
    }

    /// Takes in what a later commit changed.
    ///
    /// # Panics
    /// Where the rows are not of the operator's columns: flow made them, or they passed decoding.
    pub(crate) fn push(&mut self, delta: OperatorDelta) {
        assert_eq!(delta.operator, self.schema.operator(), "a delta goes to its own operator");
        self.schema.check(&delta.rows).expect("a delta has the operator's columns");
        self.progress.advance(&delta.progress);
        if delta.rows.num_rows() == 0 {
            return;
        }
        self.recent_bytes += rows_bytes(&delta.rows);
        self.recent.push(delta.rows);
        if self.recent_bytes > FOLD_BYTES_MIN.max(self.folded_bytes) {
            self.settle();
        }
    }

    /// Takes in everything that `later` has taken in.
    pub(crate) fn append(&mut self, later: Self) {
        self.progress.advance(&later.progress);
        self.recent_bytes += later.folded_bytes + later.recent_bytes;
        self.recent.push(later.folded);
        self.recent.extend(later.recent);
    }

    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    pub(crate) fn schema(&self) -> &OperatorSchema {
        &self.schema
    }

    /// Everything taken in, sorted, each key once. Deletions are in it: they hide what earlier runs hold.
    pub(crate) fn sorted(&mut self) -> RecordBatch {
        self.settle();
        self.folded.clone()
    }

    fn settle(&mut self) {
        if self.recent.is_empty() {
            return;
        }
        let mut batches = vec![std::mem::replace(&mut self.folded, self.schema.empty())];
        batches.append(&mut self.recent);
        self.folded = sort_last_wins(&self.schema, &batches);
        self.folded_bytes = rows_bytes(&self.folded);
        self.recent_bytes = 0;
    }
}

/// The rows of `batches` by (hash, key); of several with one key that of the last batch, and in it the last.
pub(crate) fn sort_last_wins(schema: &OperatorSchema, batches: &[RecordBatch]) -> RecordBatch {
    let keys: Vec<_> = batches.iter().map(|batch| schema.keys(batch)).collect();
    let mut places: Vec<(u64, u32, u32)> = Vec::with_capacity(batches.iter().map(RecordBatch::num_rows).sum());
    for (batch, rows) in batches.iter().enumerate() {
        let hashes = schema.hashes(rows).values().iter().enumerate();
        places.extend(hashes.map(|(row, hash)| (*hash, batch as u32, row as u32)));
    }
    let key = |place: &(u64, u32, u32)| keys[place.1 as usize].row(place.2 as usize);
    places.sort_unstable_by(|one, other| {
        let by_key = one.0.cmp(&other.0).then_with(|| key(one).cmp(&key(other)));
        by_key.then_with(|| (other.1, other.2).cmp(&(one.1, one.2)))
    });
    places.dedup_by(|later, kept| later.0 == kept.0 && key(later) == key(kept));
    let places: Vec<(usize, usize)> = places.iter().map(|place| (place.1 as usize, place.2 as usize)).collect();
    gather(schema, batches, &places)
}

/// The rows at `places` (batch, row) of `batches`, in that order.
pub(crate) fn gather(schema: &OperatorSchema, batches: &[RecordBatch], places: &[(usize, usize)]) -> RecordBatch {
    if places.is_empty() {
        return schema.empty();
    }
    let batches: Vec<&RecordBatch> = batches.iter().collect();
    interleave_record_batch(&batches, places).expect("batches of one operator have the same columns")
}
