//! The first half of a window aggregate, before the exchange: the rows of a batch become one row per pane and key.
//!
//! A batch is summed up by itself and nothing is kept from one to the next, so there is no state here. Where keys hardly repeat within a
//! batch the table is skipped for a while and every row is passed on as a group of its own, which is cheaper and as right.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, UInt32Array, UInt64Array},
    datatypes::{DataType, Field, TimestampMillisecondType},
};
use hashbrown::{HashTable, hash_table::Entry};
use sql::{Node, WindowInput};

use super::{
    layout::{Layout, LayoutError, Specification},
    pane::GREATEST_TIME_MS,
};
use crate::{
    batch::{Batch, RowsError, batch_of},
    column::{Column, Values},
    format::BadRow,
    hash::hash_columns,
};

/// Batches that pass without a table once one was hardly reduced.
const BATCHES_WITHOUT_TABLE: u32 = 63;
/// Texts of one group in state, all together: with room to spare in the 1 MiB that a topic takes in one record.
const TEXT_BYTES_MAX: usize = 512 << 10;
/// Below this many rows a batch says nothing about how keys repeat.
const TELLING_ROWS: usize = 256;

/// Sums up batches before the exchange; see the module.
#[derive(Debug)]
pub struct PartialAggregate {
    layout: Layout,
    asked: Specification,
    /// The longest text that state keeps as a key or a MIN or MAX.
    text_bytes_max: usize,
    without_table: u32,
    table: HashTable<u32>,
}

/// The rows of a batch with all that the aggregate asks of them.
struct Prepared {
    hashes: Vec<u64>,
    panes: Vec<i64>,
    key_arrays: Vec<ArrayRef>,
    keys: Vec<Column>,
    arguments: Vec<Option<Column>>,
    filters: Vec<Option<BooleanArray>>,
}

impl PartialAggregate {
    /// The first half of a node, which is a window aggregate.
    ///
    /// # Errors
    /// [`LayoutError`], which the planner excludes.
    pub fn new(node: &Node) -> Result<Self, LayoutError> {
        Self::of(Specification::of(node)?)
    }

    pub(crate) fn of(asked: Specification) -> Result<Self, LayoutError> {
        let layout = Layout::of(&asked)?;
        let is_text = |field: &&Arc<Field>| {
            // The wide half of a sum of floats is bounded by itself.
            matches!(field.data_type(), DataType::Utf8 | DataType::Binary) && !field.name().ends_with(".wide")
        };
        let texts = layout.partial.fields().iter().filter(is_text).count();
        Ok(Self { layout, asked, text_bytes_max: TEXT_BYTES_MAX / texts.max(1), without_table: 0, table: HashTable::new() })
    }

    /// Passes the next batches on without a table, as if keys hardly repeated.
    #[cfg(test)]
    pub(crate) fn skip_table(&mut self) {
        self.without_table = BATCHES_WITHOUT_TABLE;
    }

    /// The columns of partial batches: `key_hash` UInt64, `pane_end` Int64 (milliseconds), `rows` UInt32, the keys, the aggregates' state.
    #[must_use]
    pub fn schema(&self) -> &arrow::datatypes::SchemaRef {
        &self.layout.partial
    }

    /// Sums up a batch of the node's input; appends partial batches to `partials` and rows without an answer or an event time to `bad`.
    pub fn process(&mut self, batch: Batch, partials: &mut Vec<RecordBatch>, bad: &mut Vec<BadRow>) {
        let Some(placed) = self.place(batch, bad) else { return };
        placed.isolate(bad, partials, &mut |batch| self.sum_up(batch));
    }

    /// The rows that have a place in event time.
    fn place(&self, batch: Batch, bad: &mut Vec<BadRow>) -> Option<Batch> {
        let (times, what) = match self.asked.windows {
            WindowInput::EventTime { time, .. } => (batch.rows.column(time), "event time"),
            WindowInput::Attached { end, .. } => (batch.rows.column(end), "window end"),
        };
        let kept = rows_with_time(times, &batch.origin, what, bad);
        match kept.len() {
            0 => None,
            all if all == batch.rows.num_rows() => Some(batch),
            _ => Some(batch.take(&kept).expect("some rows of a batch fit where all did")),
        }
    }

    fn prepare(&self, batch: &RecordBatch) -> Result<Prepared, RowsError> {
        let unsupported = |error: crate::column::UnsupportedType| arrow::error::ArrowError::InvalidArgumentError(error.to_string());
        let column = |array: &ArrayRef| Column::from_array(array).map_err(unsupported);
        let key_arrays = self.asked.keys.iter().map(|key| key.evaluate(batch)).collect::<Result<Vec<_>, _>>()?;
        let keys = key_arrays.iter().map(column).collect::<Result<Vec<_>, _>>()?;
        let mut arguments = Vec::with_capacity(self.asked.aggregates.len());
        let mut filters = Vec::with_capacity(self.asked.aggregates.len());
        for aggregate in &self.asked.aggregates {
            let array = aggregate.argument.as_ref().map(|argument| argument.evaluate(batch)).transpose()?;
            arguments.push(array.as_ref().map(column).transpose()?);
            let filter = aggregate.filter.as_ref().map(|filter| filter.evaluate(batch)).transpose()?;
            filters.push(filter.map(|array| array.as_boolean().clone()));
        }
        let extremes = self.layout.aggregates.iter().zip(&arguments).filter(|(kind, _)| kind.keeps_argument());
        keys.iter().chain(extremes.filter_map(|(_, argument)| argument.as_ref())).try_for_each(|column| self.check_texts(column))?;
        let hashes = hash_columns(&keys, batch.num_rows());
        let panes = match self.asked.windows {
            WindowInput::EventTime { time, .. } => {
                times_of(batch.column(time)).iter().map(|time| self.layout.panes.end_of(*time)).collect()
            }
            WindowInput::Attached { end, .. } => times_of(batch.column(end)).to_vec(),
        };
        Ok(Prepared { hashes, panes, key_arrays, keys, arguments, filters })
    }

    /// No text of the column is longer than state keeps.
    fn check_texts(&self, column: &Column) -> Result<(), RowsError> {
        let Values::Bytes { offsets, data } = column.values() else { return Ok(()) };
        if data.len() <= self.text_bytes_max {
            return Ok(());
        }
        let bytes = offsets.windows(2).map(|bounds| bounds[1] - bounds[0]).max().unwrap_or(0);
        let bytes_max = self.text_bytes_max;
        if bytes > bytes_max { Err(RowsError::TooLong { bytes, bytes_max }) } else { Ok(()) }
    }

    fn sum_up(&mut self, batch: &Batch) -> Result<RecordBatch, RowsError> {
        let prepared = self.prepare(&batch.rows)?;
        let count = u32::try_from(batch.rows.num_rows()).expect("a batch has fewer than 2^32 rows");
        let rows: Vec<u32> = (0..count).collect();
        // The group of each row, and the first row of each group.
        let (groups, firsts) = if self.without_table > 0 {
            self.without_table -= 1;
            (rows.clone(), rows.clone())
        } else {
            let grouped = self.group(&prepared);
            if rows.len() >= TELLING_ROWS && grouped.1.len() * 2 > rows.len() {
                self.without_table = BATCHES_WITHOUT_TABLE;
            }
            grouped
        };
        self.assemble(&prepared, &rows, &groups, &firsts)
    }

    fn group(&mut self, prepared: &Prepared) -> (Vec<u32>, Vec<u32>) {
        let Prepared { hashes, panes, keys, .. } = prepared;
        let mut groups = Vec::with_capacity(hashes.len());
        let mut firsts: Vec<u32> = Vec::new();
        let lookup = |row: usize| hashes[row] ^ panes[row].cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.table.clear();
        for row in 0..hashes.len() {
            let is_group = |group: &u32, firsts: &[u32]| {
                let first = firsts[*group as usize] as usize;
                hashes[first] == hashes[row] && panes[first] == panes[row] && keys.iter().all(|key| key.equals(first, key, row))
            };
            let entry = self.table.entry(lookup(row), |group| is_group(group, &firsts), |group| lookup(firsts[*group as usize] as usize));
            let group = match entry {
                Entry::Occupied(entry) => *entry.get(),
                Entry::Vacant(entry) => {
                    let group = u32::try_from(firsts.len()).expect("fewer groups than rows");
                    entry.insert(group);
                    firsts.push(u32::try_from(row).expect("a batch has fewer than 2^32 rows"));
                    group
                }
            };
            groups.push(group);
        }
        (groups, firsts)
    }

    fn assemble(&self, prepared: &Prepared, rows: &[u32], groups: &[u32], firsts: &[u32]) -> Result<RecordBatch, RowsError> {
        let mut counts = vec![0_u32; firsts.len()];
        groups.iter().for_each(|group| counts[*group as usize] += 1);
        let first = |index: &u32| *index as usize;
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(firsts.iter().map(|index| prepared.hashes[first(index)]).collect::<UInt64Array>()),
            Arc::new(firsts.iter().map(|index| prepared.panes[first(index)]).collect::<Int64Array>()),
            Arc::new(UInt32Array::from(counts)),
        ];
        let indices = UInt32Array::from(firsts.to_vec());
        for array in &prepared.key_arrays {
            columns.push(if firsts.len() == rows.len() { Arc::clone(array) } else { arrow::compute::take(array, &indices, None)? });
        }
        let every: Vec<u32> = (0..u32::try_from(firsts.len()).expect("fewer groups than rows")).collect();
        let (mut kept_groups, mut kept_rows) = (Vec::new(), Vec::new());
        for (index, kind) in self.layout.aggregates.iter().enumerate() {
            let mut accumulator = kind.accumulator().expect("the layout was made of such aggregates");
            accumulator.resize(firsts.len());
            let argument = prepared.arguments[index].as_ref();
            match &prepared.filters[index] {
                None => accumulator.update(groups, rows, argument),
                Some(filter) => {
                    kept_groups.clear();
                    kept_rows.clear();
                    let is_kept = |row: u32| filter.is_valid(row as usize) && filter.value(row as usize);
                    for (group, row) in groups.iter().zip(rows).filter(|(_, row)| is_kept(**row)) {
                        kept_groups.push(*group);
                        kept_rows.push(*row);
                    }
                    accumulator.update(&kept_groups, &kept_rows, argument);
                }
            }
            columns.extend(accumulator.state(&every, kind)?);
        }
        Ok(batch_of(&self.layout.partial, columns, firsts.len())?)
    }
}

/// The values of a TIMESTAMP(3) column.
pub(crate) fn times_of(array: &ArrayRef) -> &[i64] {
    array.as_primitive::<TimestampMillisecondType>().values()
}

/// The rows whose time is there and in range; the others are bad.
pub(crate) fn rows_with_time(times: &ArrayRef, origin: &[u32], what: &str, bad: &mut Vec<BadRow>) -> Vec<u32> {
    let values = times_of(times);
    let is_placed = |row: usize| times.is_valid(row) && (-GREATEST_TIME_MS..=GREATEST_TIME_MS).contains(&values[row]);
    let mut kept = Vec::with_capacity(values.len());
    for (row, origin) in (0_u32..).zip(origin) {
        if is_placed(row as usize) {
            kept.push(row);
        } else {
            let problem = if times.is_valid(row as usize) { "is out of range" } else { "is NULL" };
            bad.push(BadRow { index: *origin, reason: format!("the {what} {problem}, so the row is in no window") });
        }
    }
    kept
}
