//! What a step is, apart from names, order of writing and everything else in the query: a hash of its rows and one of each column.

use crate::catalog::{Column, Format, Table};
use crate::hash::{StableHash, StableHasher};
use crate::lower::AggregateCall;
use crate::plan::{NodeId, SourceFrom, Window, WindowInput};
use crate::scalar::Scalar;
use crate::types;

/// Hashes of a step. Projecting changes columns and keeps rows; filtering changes rows and keeps columns.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) id: NodeId,
    rows: StableHash,
    columns: Vec<StableHash>,
}

impl Identity {
    fn new(kind: &str, rows: StableHash, columns: Vec<StableHash>) -> Self {
        let id = StableHasher::new(kind).hash(rows).hashes(columns.iter().copied()).finish();
        Self { id: NodeId(id), rows, columns }
    }

    /// What is read: the topic or file, not how it is declared, so that a new column or another watermark delay keeps state.
    pub(super) fn source(from: &SourceFrom) -> Self {
        let rows = match from {
            SourceFrom::Topic(table) => StableHasher::new("topic").text(table.topic.as_str()).finish(),
            SourceFrom::File(table) => StableHasher::new("file")
                .text(&table.path)
                .number(format_number(table.format))
                .number(i64::from(table.csv.header))
                .number(i64::from(table.csv.delimiter))
                .finish(),
        };
        let column = |column: &Column| {
            StableHasher::new("column")
                .hash(rows)
                .text(&column.name)
                .text(&types::name(&column.data_type))
                .number(column.from as i64)
                .finish()
        };
        Self { id: NodeId(rows), rows, columns: from.columns().iter().map(column).collect() }
    }

    pub(super) fn filter(&self, predicate: &Scalar) -> Self {
        let rows = StableHasher::new("filter").hash(self.rows).hash(self.scalar(predicate)).finish();
        Self::new("filter", rows, self.columns.clone())
    }

    pub(super) fn project(&self, expressions: &[Scalar]) -> Self {
        Self::new("project", self.rows, expressions.iter().map(|expression| self.scalar(expression)).collect())
    }

    pub(super) fn assign(&self, time: usize, window: Window) -> Self {
        let hasher = |kind: &str| window_parts(StableHasher::new(kind).hash(self.columns[time]), window);
        let rows = hasher("assign").hash(self.rows).finish();
        let window_columns = ["window_start", "window_end", "window_time"].map(|name| hasher(name).finish());
        Self::new("assign", rows, self.columns.iter().copied().chain(window_columns).collect())
    }

    pub(super) fn union<'a>(inputs: impl Iterator<Item = &'a Self>) -> Self {
        let inputs: Vec<&Self> = inputs.collect();
        let rows = StableHasher::new("union").hashes(inputs.iter().map(|input| input.rows)).finish();
        let column = |index: usize| StableHasher::new("union").hashes(inputs.iter().map(|input| input.columns[index])).finish();
        Self::new("union", rows, (0..inputs[0].columns.len()).map(column).collect())
    }

    pub(super) fn aggregate(&self, windows: WindowInput, keys: &[Scalar], aggregates: &[AggregateCall]) -> Self {
        let hasher = StableHasher::new("aggregate").hash(self.rows);
        let hasher = match windows {
            WindowInput::EventTime { time, .. } => hasher.text("by time").hash(self.columns[time]),
            WindowInput::Attached { start, end, .. } => hasher.text("attached").hash(self.columns[start]).hash(self.columns[end]),
        };
        let hasher = window_parts(hasher, windows.window()).hashes(keys.iter().map(|key| self.scalar(key)));
        let id = hasher.hashes(aggregates.iter().map(|call| self.call(call))).finish();
        let column = |index: usize| StableHasher::new("column").hash(id).number(index as i64).finish();
        Self { id: NodeId(id), rows: id, columns: (0..keys.len() + aggregates.len() + 3).map(column).collect() }
    }

    /// `earlier` sinks of the same topic tell two equal inserts apart.
    pub(super) fn sink(&self, table: &Table, earlier: usize) -> Self {
        let rows = StableHasher::new("sink").text(table.topic.as_str()).number(earlier as i64).hash(self.rows).finish();
        Self::new("sink", rows, self.columns.clone())
    }

    fn call(&self, call: &AggregateCall) -> StableHash {
        let part = |scalar: &Option<Scalar>| scalar.as_ref().map(|scalar| self.scalar(scalar)).into_iter().collect::<Vec<_>>();
        StableHasher::new(call.function.name())
            .text(&types::name(&call.output))
            .hashes(part(&call.argument).into_iter())
            .hashes(part(&call.filter).into_iter())
            .finish()
    }

    fn scalar(&self, scalar: &Scalar) -> StableHash {
        scalar.hash(&|index| self.columns[index])
    }
}

fn window_parts(hasher: StableHasher, window: Window) -> StableHasher {
    hasher.number(window.size_ms).number(window.slide_ms).number(window.offset_ms)
}

/// Everything that is declared of a source or sink, for the hash of the whole plan.
pub(super) fn declaration(columns: &[Column], format: Format, key: &[usize]) -> StableHash {
    let hasher = StableHasher::new("declaration").number(format_number(format));
    let column = |column: &Column| {
        let parts = StableHasher::new("column").text(&column.name).text(&types::name(&column.data_type));
        parts.number(i64::from(column.nullable)).number(column.from as i64).finish()
    };
    let key = key.iter().map(|index| StableHasher::new("key").number(*index as i64).finish()).collect::<Vec<_>>();
    hasher.hashes(columns.iter().map(column).collect::<Vec<_>>().into_iter()).hashes(key.into_iter()).finish()
}

fn format_number(format: Format) -> i64 {
    match format {
        Format::Json => 0,
        Format::Csv => 1,
    }
}
