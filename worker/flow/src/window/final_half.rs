//! The second half of a window aggregate, behind the exchange: sums up what arrives per hash partition, pane and key, and gives out a
//! window's rows when the watermark completes it.
//!
//! Hash partitions are independent of one another, so that each can be restored, moved and fenced by itself. What a delta tells of one:
//!
//! | row | `op` | `pane_end` | `watermark` | keys, aggregates |
//! |---|---|---|---|---|
//! | a group as it is now | 1 | end of its pane | null | its values |
//! | a group whose windows have all fired | -1 | end of its pane | null | keys, and nulls |
//! | how far the partition is | 1 | `i64::MAX` | its watermark | nulls |
//!
//! Replaying all deltas of a partition in order, or their fold by (`key_hash`, `pane_end`, keys), into a new operator gives the same
//! results and the same late rows as if it had never been away. The progress row is written when windows could have fired, whether or not
//! this partition had rows in them: otherwise a late row would be taken for a new one after a restore.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, Int8Array, Int64Array, RecordBatch, TimestampMillisecondArray, UInt64Array},
    compute::{concat_batches, filter_record_batch},
    datatypes::{Int8Type, Int64Type, SchemaRef, UInt32Type, UInt64Type},
    error::ArrowError,
};
use sql::Node;

use super::{
    groups::{Groups, Incoming},
    layout::{DELTA_HEAD, DELTA_PANE, Layout, LayoutError, PARTIAL_HEAD, Specification},
    pane::{GREATEST_TIME_MS, Pieces},
    state::{StateError, check_columns, numbers},
};
use crate::{
    batch::batch_of,
    column::{Column, nulls_of},
    format::row_as_json,
    hash::{first_hash, hash_partition},
};

/// Most rows of one batch that is given out.
const OUTPUT_ROWS: usize = 8192;
/// `pane_end` of the row that tells the watermark: after every pane, so that it never expires.
const PROGRESS_PANE: i64 = i64::MAX;

/// `op` of a row that is the group's state from here on.
const UPSERT: i8 = 1;
/// `op` of a row whose group has no state from here on.
const DELETE: i8 = -1;

/// How the deltas of an operator are told apart and when they die.
#[derive(Clone, Debug)]
pub struct DeltaShape {
    /// All columns; the first is `key_hash`, the second `op`.
    pub columns: SchemaRef,
    /// Columns that tell groups apart.
    pub key: Vec<usize>,
    /// Column with the end of the pane in milliseconds: rows below [`FinalAggregate::horizon`] are of no more use.
    pub expires: usize,
}

/// What a watermark brought about.
#[derive(Debug, Default)]
pub struct Fired {
    /// The completed windows' rows, by window end, key hash and key, with the columns of the node's output.
    pub batches: Vec<RecordBatch>,
    /// Groups whose result its type does not hold; they are in no batch.
    pub failed: Vec<FailedGroup>,
}

/// A group of a window with a sum or mean that its type does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedGroup {
    /// The row as JSON, with null for what could not be computed.
    pub row: Vec<u8>,
    /// Why, for a person.
    pub reason: String,
}

#[derive(Debug)]
struct Partition {
    watermark: i64,
    /// The watermark that the last delta told.
    told_watermark: i64,
    /// End of the last window that has fired.
    fired: i64,
    panes: BTreeMap<i64, Groups>,
    /// Panes merged in blocks, by number: those that a window was merged from and another may be. No part of the state.
    blocks: BTreeMap<i64, Groups>,
    /// Panes whose windows have all fired since the last delta, where a delta has told of some of their groups.
    gone: Vec<(i64, Groups)>,
}

/// Keeps and completes windows; see the module.
#[derive(Debug)]
pub struct FinalAggregate {
    layout: Layout,
    max_parallelism: u32,
    partitions: BTreeMap<u32, Partition>,
    changes: u64,
    scratch: Vec<u32>,
}

impl FinalAggregate {
    /// The second half of a node, which is a window aggregate, for hash partitions of `max_parallelism`; none is owned yet.
    ///
    /// # Errors
    /// [`LayoutError`], which the planner excludes.
    pub fn new(node: &Node, max_parallelism: u32) -> Result<Self, LayoutError> {
        Self::of(&Specification::of(node)?, max_parallelism)
    }

    pub(crate) fn of(asked: &Specification, max_parallelism: u32) -> Result<Self, LayoutError> {
        let layout = Layout::of(asked)?;
        Ok(Self { layout, max_parallelism, partitions: BTreeMap::new(), changes: 0, scratch: Vec::new() })
    }

    /// The columns of partial batches, as [`super::PartialAggregate`] makes them.
    #[must_use]
    pub fn partial_schema(&self) -> &SchemaRef {
        &self.layout.partial
    }

    /// The columns of what is given out.
    #[must_use]
    pub fn output_schema(&self) -> &SchemaRef {
        &self.layout.output
    }

    /// The shape of the deltas.
    #[must_use]
    pub fn delta_shape(&self) -> DeltaShape {
        let key = std::iter::once(DELTA_PANE).chain(DELTA_HEAD..DELTA_HEAD + self.layout.key_types.len()).collect();
        DeltaShape { columns: Arc::clone(&self.layout.delta), key, expires: DELTA_PANE }
    }

    /// Takes hash partition `k`, empty and with a watermark of -∞, forgetting what was held of it.
    pub fn own(&mut self, k: u32) {
        assert!(k < self.max_parallelism, "hash partition {k} of {}", self.max_parallelism);
        self.partitions.insert(k, Partition::new());
    }

    /// Gives hash partition `k` up, with all that is held of it.
    pub fn disown(&mut self, k: u32) {
        self.partitions.remove(&k);
    }

    /// The hash partitions that are owned, ascending.
    pub fn owned(&self) -> impl Iterator<Item = u32> {
        self.partitions.keys().copied()
    }

    /// The watermark of hash partition `k` in milliseconds, `i64::MIN` for -∞; nothing where it is not owned.
    #[must_use]
    pub fn watermark(&self, k: u32) -> Option<i64> {
        self.partitions.get(&k).map(|partition| partition.watermark)
    }

    /// Panes of hash partition `k` that end before this are of no more use; see [`DeltaShape::expires`].
    #[must_use]
    pub fn horizon(&self, k: u32) -> Option<i64> {
        self.partitions.get(&k).map(|partition| self.layout.panes.horizon(partition.told_watermark))
    }

    /// How many groups are held, a key once for each of its panes.
    #[must_use]
    pub fn group_count(&self) -> usize {
        self.partitions.values().flat_map(|partition| partition.panes.values()).map(Groups::len).sum()
    }

    /// How many groups deltas have had to tell of since the beginning, one once for each delta: the difference of two reads says how much
    /// the next delta has grown.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Bytes of memory that the groups take.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let panes = self.partitions.values().flat_map(|partition| {
            let gone = partition.gone.iter().map(|(_, groups)| groups);
            partition.panes.values().chain(partition.blocks.values()).chain(gone)
        });
        panes.map(Groups::size_bytes).sum()
    }

    /// Takes a partial batch of rows of owned hash partitions. Returns how many input rows were late: all windows they belong to had
    /// already fired, so that they count nowhere.
    ///
    /// # Errors
    /// The batch is not what [`super::PartialAggregate`] makes, or has a row of a hash partition that is not owned; nothing of it was taken.
    pub fn on_partial(&mut self, batch: &RecordBatch) -> Result<u64, StateError> {
        check_columns(batch, &self.layout.partial)?;
        let incoming = self.incoming(batch, PARTIAL_HEAD, |_| true)?;
        let panes = numbers::<Int64Type>(batch.column(1))?.values();
        let rows = numbers::<UInt32Type>(batch.column(2))?.values();
        check_panes(panes.iter())?;
        let ks: Vec<u32> = incoming.hashes.iter().map(|hash| hash_partition(*hash, self.max_parallelism)).collect();
        if let Some(k) = ks.iter().find(|k| !self.partitions.contains_key(k)) {
            return Err(StateError::NotOwned(*k));
        }
        let mut late = 0;
        let order = by_partition_and_pane(&ks, panes, self.max_parallelism);
        let place = |row: &u32| (ks[*row as usize], panes[*row as usize]);
        for members in order.chunk_by(|left, right| place(left) == place(right)) {
            let (k, pane) = place(&members[0]);
            let partition = self.partitions.get_mut(&k).expect("checked above");
            if self.layout.panes.last_window_end(pane) <= partition.fired {
                late += members.iter().map(|row| u64::from(rows[*row as usize])).sum::<u64>();
                continue;
            }
            if let Some(block) = partition.blocks.get_mut(&self.layout.panes.block_of(pane)) {
                block.add(&incoming, members, &mut self.scratch);
            }
            let groups = partition.panes.entry(pane).or_insert_with(|| Groups::new(&self.layout));
            self.changes += groups.absorb(&incoming, members, &mut self.scratch) as u64;
        }
        Ok(late)
    }

    /// The values of a batch whose own columns begin at `head`; states are read for the rows that `has_state` says have one.
    fn incoming(&self, batch: &RecordBatch, head: usize, has_state: impl Fn(usize) -> bool) -> Result<Incoming, StateError> {
        let hashes = numbers::<UInt64Type>(batch.column(0))?.values().to_vec();
        let keys_end = head + self.layout.key_types.len();
        let keys = batch.columns()[head..keys_end].iter().map(Column::from_array).collect::<Result<Vec<_>, _>>()?;
        let mut accumulators = Vec::with_capacity(self.layout.aggregates.len());
        let mut at = keys_end;
        for (kind, width) in self.layout.aggregates.iter().zip(&self.layout.state_widths) {
            let columns: Vec<ArrayRef> = batch.columns()[at..at + width].to_vec();
            accumulators.push(kind.restore_where(&columns, &has_state)?);
            at += width;
        }
        Ok(Incoming { hashes, keys, accumulators })
    }

    /// The watermark of every owned hash partition is `watermark_ms` (or stays where it was, if further): gives out the windows that end
    /// at most a millisecond after it. `i64::MAX` is the end of a bounded input and completes everything.
    ///
    /// # Errors
    /// Rows that cannot be one batch: a column of more than 2 GiB.
    pub fn on_watermark(&mut self, watermark_ms: i64) -> Result<Fired, ArrowError> {
        self.advance(&self.partitions.keys().copied().collect(), watermark_ms)
    }

    /// As [`FinalAggregate::on_watermark`], for hash partition `k` alone, which is owned.
    ///
    /// # Errors
    /// Rows that cannot be one batch: a column of more than 2 GiB.
    pub fn on_watermark_of(&mut self, k: u32, watermark_ms: i64) -> Result<Fired, ArrowError> {
        self.advance(&BTreeSet::from([k]), watermark_ms)
    }

    fn advance(&mut self, ks: &BTreeSet<u32>, watermark_ms: i64) -> Result<Fired, ArrowError> {
        let Self { layout, partitions, scratch, .. } = self;
        let mut fired = Fired::default();
        let mut moved: Vec<&mut Partition> =
            partitions.iter_mut().filter(|(k, _)| ks.contains(k)).map(|(_, partition)| partition).collect();
        moved.iter_mut().for_each(|partition| partition.watermark = partition.watermark.max(watermark_ms));
        loop {
            let due = moved.iter().filter_map(|partition| partition.due(layout)).min();
            let Some(window_end) = due else { break };
            let mut pieces = Vec::new();
            for partition in moved.iter_mut().filter(|partition| partition.due(layout) == Some(window_end)) {
                pieces.push(partition.fire(window_end, layout, scratch, &mut fired.failed)?);
            }
            let rows = concat_batches(&layout.output, &pieces)?;
            let starts = (0..rows.num_rows()).step_by(OUTPUT_ROWS);
            fired.batches.extend(starts.map(|start| rows.slice(start, OUTPUT_ROWS.min(rows.num_rows() - start))));
        }
        for partition in moved {
            partition.fired = partition.fired.max(layout.panes.fired_through(partition.watermark));
        }
        Ok(fired)
    }

    /// What changed in hash partition `k` since the last call, in the columns of [`FinalAggregate::delta_shape`]; nothing where nothing
    /// did that a restore would need.
    ///
    /// # Errors
    /// Rows that cannot be one batch: a column of more than 2 GiB.
    pub fn take_delta(&mut self, k: u32) -> Result<Option<RecordBatch>, ArrowError> {
        let layout = &self.layout;
        let Some(partition) = self.partitions.get_mut(&k) else { return Ok(None) };
        let mut pieces = Vec::new();
        for (pane, groups) in std::mem::take(&mut partition.gone) {
            let told = groups.told();
            if !told.is_empty() {
                pieces.push(delta_rows(layout, &groups, &told, pane, DELETE)?);
            }
        }
        for (pane, groups) in &mut partition.panes {
            let changed = groups.take_changed();
            if !changed.is_empty() {
                pieces.push(delta_rows(layout, groups, &changed, *pane, UPSERT)?);
            }
        }
        let told_fired = layout.panes.fired_through(partition.told_watermark);
        let is_ahead = partition.watermark != partition.told_watermark;
        if is_ahead && (!pieces.is_empty() || layout.panes.fired_through(partition.watermark) != told_fired) {
            pieces.push(progress_row(layout, first_hash(k, self.max_parallelism), partition.watermark)?);
            partition.told_watermark = partition.watermark;
        }
        if pieces.is_empty() { Ok(None) } else { concat_batches(&layout.delta, &pieces).map(Some) }
    }

    /// Takes a delta of hash partition `k`, which is owned, or a fold of several; in the order in which they were taken, before any
    /// partial batch.
    ///
    /// # Errors
    /// The batch is not a delta of this operator and hash partition; what was restored before must be dropped.
    pub fn restore(&mut self, k: u32, delta: &RecordBatch) -> Result<(), StateError> {
        check_columns(delta, &self.layout.delta)?;
        let ops = numbers::<Int8Type>(delta.column(1))?.values();
        let panes = numbers::<Int64Type>(delta.column(DELTA_PANE))?.values();
        let is_upsert = |row: usize| ops[row] == UPSERT && panes[row] != PROGRESS_PANE;
        let incoming = self.incoming(delta, DELTA_HEAD, is_upsert)?;
        check_panes(panes.iter().filter(|pane| **pane != PROGRESS_PANE))?;
        if incoming.hashes.iter().any(|hash| hash_partition(*hash, self.max_parallelism) != k) {
            return Err(StateError::Value("a row belongs to another hash partition"));
        }
        let watermarks = delta.column(3).as_primitive::<Int64Type>();
        let Self { layout, partitions, scratch, .. } = self;
        let partition = partitions.get_mut(&k).ok_or(StateError::NotOwned(k))?;
        let mut order: Vec<(i64, u32)> = panes.iter().copied().zip(0_u32..).collect();
        order.sort_unstable();
        for run in order.chunk_by(|left, right| (left.0, ops[left.1 as usize]) == (right.0, ops[right.1 as usize])) {
            let pane = run[0].0;
            let rows: Vec<u32> = run.iter().map(|(_, row)| *row).collect();
            if pane == PROGRESS_PANE {
                let reached = rows.iter().filter(|row| watermarks.is_valid(**row as usize)).map(|row| watermarks.value(*row as usize));
                partition.watermark = reached.fold(partition.watermark, i64::max);
            } else if is_upsert(rows[0] as usize) {
                let groups = partition.panes.entry(pane).or_insert_with(|| Groups::new(layout));
                // A key that a batch has twice is as its last row says.
                rows.iter().for_each(|row| groups.replace(&incoming, &[*row], scratch));
            } else if let Some(groups) = partition.panes.get_mut(&pane) {
                groups.remove(&incoming, &rows);
            }
        }
        partition.told_watermark = partition.watermark;
        partition.fired = layout.panes.fired_through(partition.watermark);
        let fired = partition.fired;
        partition.panes.retain(|pane, groups| groups.len() > 0 && layout.panes.last_window_end(*pane) > fired);
        Ok(())
    }
}

impl Partition {
    fn new() -> Self {
        Self {
            watermark: i64::MIN,
            told_watermark: i64::MIN,
            fired: i64::MIN,
            panes: BTreeMap::new(),
            blocks: BTreeMap::new(),
            gone: Vec::new(),
        }
    }

    /// End of the next window to fire, where the watermark has completed one that has rows.
    fn due(&self, layout: &Layout) -> Option<i64> {
        let (first, _) = self.panes.first_key_value()?;
        let window_end = layout.panes.next_window_end(*first, self.fired);
        (window_end <= layout.panes.fired_through(self.watermark)).then_some(window_end)
    }

    /// All panes of a window together.
    fn merged(&mut self, window_end: i64, layout: &Layout, scratch: &mut Vec<u32>) -> Groups {
        let Pieces { head, blocks, tail } = layout.panes.pieces(window_end);
        let mut merged = Groups::new(layout);
        let Self { panes, blocks: kept, .. } = self;
        panes.range(head).for_each(|(_, groups)| merged.merge(groups, scratch));
        for block in blocks {
            let groups = kept.entry(block).or_insert_with(|| {
                let mut groups = Groups::new(layout);
                panes.range(layout.panes.of_block(block)).for_each(|(_, pane)| groups.merge(pane, scratch));
                groups
            });
            merged.merge(groups, scratch);
        }
        panes.range(tail).for_each(|(_, groups)| merged.merge(groups, scratch));
        merged
    }

    /// The rows of one window; what no later window needs is forgotten.
    fn fire(
        &mut self,
        window_end: i64,
        layout: &Layout,
        scratch: &mut Vec<u32>,
        failed: &mut Vec<FailedGroup>,
    ) -> Result<RecordBatch, ArrowError> {
        let rows = if layout.panes.are_windows() {
            window_rows(&self.panes[&window_end], window_end, layout, failed)?
        } else {
            window_rows(&self.merged(window_end, layout, scratch), window_end, layout, failed)?
        };
        self.fired = window_end;
        self.blocks = self.blocks.split_off(&layout.panes.first_block_after(window_end));
        while let Some(entry) = self.panes.first_entry() {
            if layout.panes.last_window_end(*entry.key()) > window_end {
                break;
            }
            self.gone.push(entry.remove_entry());
        }
        Ok(rows)
    }
}

/// The groups of a window as rows of the output: keys, aggregates, `window_start`, `window_end`, `window_time`.
fn window_rows(groups: &Groups, window_end: i64, layout: &Layout, failed: &mut Vec<FailedGroup>) -> Result<RecordBatch, ArrowError> {
    let order = groups.in_order();
    let mut columns = groups.key_arrays(&order, layout)?;
    let mut out_of_range = Vec::new();
    for (accumulator, kind) in groups.accumulators().iter().zip(layout.aggregates.iter()) {
        columns.push(accumulator.evaluate(&order, kind, &mut out_of_range)?);
    }
    for (time, field) in
        [window_end - layout.panes.size_ms(), window_end, window_end - 1].into_iter().zip(&layout.output.fields()[columns.len()..])
    {
        let times = TimestampMillisecondArray::from_value(time, order.len());
        columns.push(Arc::new(times.with_data_type(field.data_type().clone())));
    }
    if out_of_range.is_empty() {
        return batch_of(&layout.output, columns, order.len());
    }
    let nullable: Vec<_> = layout.output.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    let rows = batch_of(&Arc::new(arrow::datatypes::Schema::new(nullable)), columns, order.len())?;
    out_of_range.sort_unstable();
    out_of_range.dedup();
    failed.extend(out_of_range.iter().map(|row| FailedGroup {
        row: row_as_json(&rows, *row),
        reason: "a sum or mean of the group is out of the range of its type".to_owned(),
    }));
    let keep: BooleanArray = (0..order.len()).map(|row| Some(out_of_range.binary_search(&row).is_err())).collect();
    let kept = filter_record_batch(&rows, &keep)?;
    batch_of(&layout.output, kept.columns().to_vec(), kept.num_rows())
}

fn delta_rows(layout: &Layout, groups: &Groups, rows: &[u32], pane: i64, op: i8) -> Result<RecordBatch, ArrowError> {
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| groups.hash(*row)).collect::<UInt64Array>()),
        Arc::new(Int8Array::from_value(op, rows.len())),
        Arc::new(Int64Array::from_value(pane, rows.len())),
        Arc::new(Int64Array::new_null(rows.len())),
    ];
    columns.extend(groups.key_arrays(rows, layout)?);
    if op == UPSERT {
        for (accumulator, kind) in groups.accumulators().iter().zip(layout.aggregates.iter()) {
            columns.extend(accumulator.state(rows, kind)?);
        }
    } else {
        columns.extend(layout.delta.fields()[columns.len()..].iter().map(|field| nulls_of(field.data_type(), rows.len())));
    }
    batch_of(&layout.delta, columns, rows.len())
}

fn progress_row(layout: &Layout, hash: u64, watermark: i64) -> Result<RecordBatch, ArrowError> {
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(UInt64Array::from_value(hash, 1)),
        Arc::new(Int8Array::from_value(UPSERT, 1)),
        Arc::new(Int64Array::from_value(PROGRESS_PANE, 1)),
        Arc::new(Int64Array::from_value(watermark, 1)),
    ];
    columns.extend(layout.delta.fields()[columns.len()..].iter().map(|field| nulls_of(field.data_type(), 1)));
    batch_of(&layout.delta, columns, 1)
}

/// The rows by hash partition, then pane: counted into place, and sorted only where a hash partition has rows of several panes.
fn by_partition_and_pane(ks: &[u32], panes: &[i64], max_parallelism: u32) -> Vec<u32> {
    let mut starts = vec![0_u32; max_parallelism as usize + 1];
    ks.iter().for_each(|k| starts[*k as usize + 1] += 1);
    (1..starts.len()).for_each(|k| starts[k] += starts[k - 1]);
    let mut next = starts.clone();
    let mut order = vec![0_u32; ks.len()];
    for (row, k) in (0_u32..).zip(ks) {
        let place = &mut next[*k as usize];
        order[*place as usize] = row;
        *place += 1;
    }
    for bounds in starts.windows(2) {
        let rows = &mut order[bounds[0] as usize..bounds[1] as usize];
        if rows.windows(2).any(|pair| panes[pair[0] as usize] != panes[pair[1] as usize]) {
            rows.sort_unstable_by_key(|row| (panes[*row as usize], *row));
        }
    }
    order
}

fn check_panes<'a>(mut panes: impl Iterator<Item = &'a i64>) -> Result<(), StateError> {
    let legal = -2 * GREATEST_TIME_MS..=2 * GREATEST_TIME_MS;
    if panes.all(|pane| legal.contains(pane)) { Ok(()) } else { Err(StateError::Value("a pane is out of range")) }
}
