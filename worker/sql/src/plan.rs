//! The checked dataflow: a DAG of operators, cut into stages where rows change hands by key.
//!
//! A plan holds everything a pod needs to run and nothing of how it is run. Nodes stand in topological order: the inputs of a node are
//! always before it. Every stream in it is append-only.
//!
//! # Stages
//! A [`Stage`] begins at a *root*, which is a [`Source`] or a [`WindowAggregate`], and holds every stateless node that the root's rows
//! reach before the next aggregate. A batch that comes out of the root is driven through `nodes` in their order, in one call stack. A
//! [`Operator::Union`] may stand in several stages: in each it takes the rows of the inputs that are in that stage. An aggregate belongs to
//! the stage of which it is the root; the stages that feed it do its partial aggregation and send to its [`Exchange`].

use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use crate::catalog::Table;
use crate::expression::Expression;
use crate::hash::StableHash;

mod aggregate;
mod display;
mod source;
mod window;

pub use aggregate::{Aggregate, AggregateFunction, WindowAggregate, WindowInput};
pub use source::{CsvOptions, FileTable, Source, SourceFrom};
pub use window::Window;

/// What an operator is, whatever it is called and wherever it stands: a hash of the normalised sub-plan below and including it.
///
/// The same sub-plan has the same id whatever else is in the query, whatever columns and views are called, in every version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) StableHash);

impl NodeId {
    /// An id read back from a binary record.
    #[must_use]
    pub fn from_u64(number: u64) -> Self {
        Self(StableHash(number))
    }

    /// The id as a number, to keep it in binary records.
    #[must_use]
    pub fn as_u64(self) -> u64 {
        self.0.0
    }
}

/// 16 hex digits.
impl std::fmt::Display for NodeId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:016x}", self.0.0)
    }
}

/// A hash of a whole plan, or of what of it has state. Displayed as 16 hex digits.
pub type PlanHash = NodeId;

/// A query that can be run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// In topological order; positions in this list name nodes everywhere else.
    pub nodes: Vec<Node>,
    /// In topological order of their roots.
    pub stages: Vec<Stage>,
    /// One per [`WindowAggregate`], in the order of those nodes.
    pub exchanges: Vec<Exchange>,
    /// Changes when anything of the plan changes that can be seen in results.
    pub hash: PlanHash,
    /// Changes when an operator with state, or the way of rows into it, comes, goes or changes; two queries of the same state hash can
    /// take over each other's state and positions. What stands above the last aggregate is not in it.
    pub state_hash: PlanHash,
}

/// One operator.
#[derive(Clone, Debug)]
pub struct Node {
    /// See [`NodeId`].
    pub id: NodeId,
    /// What it does.
    pub operator: Operator,
    /// Positions of its inputs, all smaller than its own: none for a source, two or more for a union, else one.
    pub inputs: Vec<usize>,
    /// The columns of its output; names need not be unique. A sink's have the names of its table.
    pub schema: SchemaRef,
    /// Position in `schema` of the event time, `Timestamp(Millisecond, _)`, if the rows still have one.
    pub event_time: Option<usize>,
}

/// What a node does.
#[derive(Clone, Debug)]
pub enum Operator {
    /// Reads a topic or a file.
    Source(Source),
    /// Keeps the rows for which the predicate (a BOOLEAN) is true: neither false nor NULL.
    Filter {
        /// Over the input's columns.
        predicate: Expression,
    },
    /// Computes one column per expression over the input's columns.
    Project {
        /// In the order of the output's columns.
        expressions: Vec<Expression>,
    },
    /// Repeats each row for each window its time falls into (once for TUMBLE) and appends `window_start`, `window_end`
    /// (`Timestamp(Millisecond)`, no zone) and `window_time` (type of the time column; window end - 1 ms). Stateless. A row whose time is
    /// NULL cannot be placed and is a bad row.
    AssignWindow {
        /// Input column, `Timestamp(Millisecond, _)`.
        time: usize,
        /// Which windows there are.
        window: Window,
    },
    /// The rows of all inputs, which have the same types.
    Union,
    /// Groups by key and window.
    WindowAggregate(WindowAggregate),
    /// Writes a topic.
    Sink(Sink),
}

/// Writes a topic. Its input has one column per table column whose [`crate::ColumnFrom`] is `Value` or `Timestamp`, in the order of the
/// table and of exactly its types; a column that the INSERT does not name is NULL. Rows with NULL in a column that is `NOT NULL` are bad rows.
#[derive(Clone, Debug)]
pub struct Sink {
    /// What is written.
    pub table: Arc<Table>,
    /// Input columns that make the record's value, in the order of the table (key columns are among them).
    pub value: Vec<usize>,
    /// Names of the value's fields, one for each of `value`.
    pub names: Vec<String>,
    /// Whether each of `value` may be NULL by the table's declaration.
    pub nullable: Vec<bool>,
    /// Input columns that make the record's key, in the order of the key; empty = no key.
    pub key: Vec<usize>,
    /// Input column that is the record's timestamp, `Timestamp(Millisecond, _)`, if the table has such a column.
    pub timestamp: Option<usize>,
}

/// What runs in one call stack, from a root to sinks and exchanges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// A [`Source`] or [`WindowAggregate`] node.
    pub root: usize,
    /// The stateless nodes and sinks that the root's rows reach, in topological order, without the root.
    pub nodes: Vec<usize>,
    /// The aggregates (positions in [`Plan::exchanges`]) that rows of this stage go to.
    pub exchanges: Vec<usize>,
}

/// Where rows are handed over by the hash of the keys of a [`WindowAggregate`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The aggregate's node; its id names the exchange and its state.
    pub aggregate: usize,
    /// The stages (positions in [`Plan::stages`]) that feed it. Its watermark is the least of theirs.
    pub stages: Vec<usize>,
}

impl Plan {
    /// The sources with their positions, in order.
    pub fn sources(&self) -> impl Iterator<Item = (usize, &Source)> {
        self.nodes.iter().enumerate().filter_map(|(index, node)| match &node.operator {
            Operator::Source(source) => Some((index, source)),
            _ => None,
        })
    }

    /// The sinks with their positions, in order; one per INSERT.
    pub fn sinks(&self) -> impl Iterator<Item = (usize, &Sink)> {
        self.nodes.iter().enumerate().filter_map(|(index, node)| match &node.operator {
            Operator::Sink(sink) => Some((index, sink)),
            _ => None,
        })
    }

    /// The aggregates with their positions, in the order of [`Plan::exchanges`].
    pub fn aggregates(&self) -> impl Iterator<Item = (usize, &WindowAggregate)> {
        self.nodes.iter().enumerate().filter_map(|(index, node)| match &node.operator {
            Operator::WindowAggregate(aggregate) => Some((index, aggregate)),
            _ => None,
        })
    }

    /// The nodes with state: aggregates, and files (their position is state). What a change of the query would keep or drop.
    pub fn stateful(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.has_state())
    }
}

impl Node {
    /// Whether the operator keeps something between batches that must survive.
    #[must_use]
    pub fn has_state(&self) -> bool {
        matches!(self.operator, Operator::WindowAggregate(_) | Operator::Source(Source { from: SourceFrom::File(_), .. }))
    }

    /// A short name for status and logs: the kind and the first 8 hex digits of the id, e.g. `window-91ac03f2`.
    #[must_use]
    pub fn name(&self) -> String {
        let kind = match &self.operator {
            Operator::Source(Source { from: SourceFrom::Topic(_), .. }) => "source",
            Operator::Source(Source { from: SourceFrom::File(_), .. }) => "file",
            Operator::Filter { .. } => "filter",
            Operator::Project { .. } => "project",
            Operator::AssignWindow { .. } => "assign",
            Operator::Union => "union",
            Operator::WindowAggregate(_) => "window",
            Operator::Sink(_) => "sink",
        };
        format!("{kind}-{:08x}", self.id.as_u64() >> 32)
    }
}
