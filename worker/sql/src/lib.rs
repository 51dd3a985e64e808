//! Streaming SQL: a query text and the schemas of its tables become a checked dataflow plan, or an error with line, column and advice.
//!
//! Pure: no I/O, no clock, no async.

mod catalog;
mod error;
mod expression;
mod hash;
mod limits;
mod plan;
pub mod types;

pub use catalog::{Catalog, Column, ColumnFrom, EventTime, Format, InvalidTable, Table};
pub use error::{PlanError, Position};
pub use expression::{EvaluateError, Expression};
pub use hash::StableHash;
pub use limits::Limits;
pub use plan::{
    Aggregate, AggregateFunction, CsvOptions, Exchange, FileTable, Node, NodeId, Operator, Plan, PlanHash, Sink, Source, SourceFrom, Stage,
    Window, WindowAggregate, WindowInput,
};
