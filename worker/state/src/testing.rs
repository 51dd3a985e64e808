//! What the tests of this crate share: a small operator, rows of it, a model to compare with, and a source of chance.

use crate::{
    CommitMark, DELETE, HashPartition, Life, OperatorDelta, OperatorId, OperatorSchema, Position, Progress, UPSERT, Upstream, state_columns,
};
use arrow::{
    array::{Array, AsArray, Int8Array, Int64Array, RecordBatch, StringArray, UInt64Array},
    datatypes::{DataType, Field, Int8Type, Int64Type, UInt64Type},
};
use std::{collections::BTreeMap, sync::Arc};
use store::Key;
use units::{Offset, ProducerEpoch, ProducerId};

pub(crate) const OPERATOR: OperatorId = OperatorId(0xc0ffee);

/// Counts by (slice end, name); rows die with their slice.
pub(crate) fn schema() -> OperatorSchema {
    schema_of(OPERATOR)
}

pub(crate) fn schema_of(operator: OperatorId) -> OperatorSchema {
    let own = [
        Field::new("slice_end", DataType::Int64, false),
        Field::new("name", DataType::Utf8, true),
        Field::new("count", DataType::Int64, true),
    ];
    OperatorSchema::new(operator, state_columns(own), vec![2, 3], Some(2)).unwrap()
}

pub(crate) fn schemas() -> Arc<BTreeMap<OperatorId, OperatorSchema>> {
    Arc::new([(OPERATOR, schema())].into())
}

/// Key and count; `None` deletes.
pub(crate) type Change = (i64, String, Option<i64>);
/// The state as it should be: (hash, slice end, name) and count.
pub(crate) type Model = BTreeMap<(u64, i64, String), i64>;

/// Few hashes, so that different keys share them.
pub(crate) fn hash_of(slice_end: i64, name: &str) -> u64 {
    let sum = name.bytes().fold(slice_end as u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    (sum % 13) * (u64::MAX / 13)
}

pub(crate) fn rows(changes: &[Change]) -> RecordBatch {
    let hashes = changes.iter().map(|(slice_end, name, _)| hash_of(*slice_end, name));
    let ops = changes.iter().map(|(_, _, count)| if count.is_some() { UPSERT } else { DELETE });
    let columns: Vec<Arc<dyn Array>> = vec![
        Arc::new(UInt64Array::from_iter_values(hashes)),
        Arc::new(Int8Array::from_iter_values(ops)),
        Arc::new(Int64Array::from_iter_values(changes.iter().map(|change| change.0))),
        Arc::new(StringArray::from_iter(changes.iter().map(|change| (!change.1.is_empty()).then_some(&change.1)))),
        Arc::new(Int64Array::from_iter(changes.iter().map(|change| change.2))),
    ];
    RecordBatch::try_new(schema().columns().clone(), columns).unwrap()
}

pub(crate) fn delta(changes: &[Change], horizon_ms: i64) -> OperatorDelta {
    OperatorDelta { operator: OPERATOR, progress: Progress { horizon_ms, note: format!("{horizon_ms}").into() }, rows: rows(changes) }
}

pub(crate) fn apply(model: &mut Model, changes: &[Change], horizon_ms: i64) {
    for (slice_end, name, count) in changes {
        let key = (hash_of(*slice_end, name), *slice_end, name.clone());
        match count {
            Some(count) => model.insert(key, *count),
            None => model.remove(&key),
        };
    }
    model.retain(|(_, slice_end, _), _| *slice_end >= horizon_ms);
}

/// The rows of sorted batches as a model; asserts that they are in order, live and each key once.
pub(crate) fn as_model<E: std::fmt::Debug>(batches: impl IntoIterator<Item = Result<RecordBatch, E>>) -> Model {
    let (mut model, mut last) = (Model::new(), 0);
    for batch in batches {
        let batch = batch.unwrap();
        for row in 0..batch.num_rows() {
            let hash = batch.column(0).as_primitive::<UInt64Type>().value(row);
            assert!(last <= hash, "rows come in the order of their hashes");
            last = hash;
            assert_eq!(batch.column(1).as_primitive::<Int8Type>().value(row), UPSERT);
            let slice_end = batch.column(2).as_primitive::<Int64Type>().value(row);
            let names = batch.column(3).as_string::<i32>();
            let name = if names.is_null(row) { "" } else { names.value(row) };
            let count = batch.column(4).as_primitive::<Int64Type>().value(row);
            assert_eq!(model.insert((hash, slice_end, name.into()), count), None, "each key comes once");
        }
    }
    model
}

pub(crate) fn life(number: i64) -> Life {
    Life { producer_id: ProducerId(number), epoch: ProducerEpoch(0) }
}

pub(crate) fn mark(producer: i64, number: u64) -> CommitMark {
    CommitMark { life: life(producer), number }
}

pub(crate) fn position(next: i64) -> Position {
    let upstream = Upstream { name: "flights".into(), partition: 0 };
    Position { upstream, next: Offset(next), watermark: next * 10, idle: false }
}

pub(crate) fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

pub(crate) const K: HashPartition = HashPartition(3);

/// Chance from a seed (splitmix64).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }

    pub(crate) fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }

    /// Some changes of a few keys in slices from `horizon` on.
    pub(crate) fn changes(&mut self, count: u64, horizon_ms: i64) -> Vec<Change> {
        let change = |chance: &mut Self| {
            let slice_end = horizon_ms.max(0) + chance.below(5) as i64 * 10;
            let name = ["", "a", "b", "long name of a key", "ü"][chance.below(5) as usize];
            (slice_end, name.to_owned(), (!chance.one_in(4)).then(|| chance.below(1000) as i64))
        };
        (0..count).map(|_| change(self)).collect()
    }
}

/// How many seeds a simulation runs: `SW_SEEDS`, or so many.
pub(crate) fn seeds(default: u64) -> u64 {
    std::env::var("SW_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(default)
}
