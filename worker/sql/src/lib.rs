//! Streaming SQL: a query text and the schemas of its tables become a checked dataflow [`Plan`], or a [`PlanError`] with line, column and
//! advice. Pure: no I/O, no clock, no async.
//!
//! ```text
//! text ─ text::parse ─▶ statements ─ query ─▶ relations ─ build ─▶ plan
//!        bounded tokens             names, types, windows   ids, needed columns, stages
//! ```
//!
//! # The language
//! Flink SQL: several `INSERT INTO topic [(columns)] SELECT …`, `CREATE VIEW`, `CREATE TABLE … WITH ('connector' = 'filesystem', …)` for a
//! file that is read once, `WITH`, `UNION ALL`, `TUMBLE` and `HOP` as `TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))`,
//! `GROUP BY keys, window_start, window_end`, `HAVING`, aggregates with `FILTER`, windows over windows by `window_time`. Names are
//! case-sensitive; a name that is not a plain word stands in backticks. Functions: see `lower/functions.rs`.
//!
//! # Where answers differ from Flink's, none is a wrong number
//! * Integer overflow, a CAST of a value that does not fit, a DECIMAL of more than 38 digits, and division of an integer or DECIMAL by zero
//!   fail for the row, which then goes to the dead letters. Flink wraps the first two, makes the third NULL, fails the job on the last.
//!   `TRY_CAST` gives NULL.
//! * `SUM` of an integer type is BIGINT, of FLOAT is DOUBLE; Flink keeps the type and overflows. `AVG` of an integer type, which in Flink
//!   drops the fraction, is refused with advice. `AVG` and `SUM` of DECIMAL have Flink's types.
//! * Types meet where nothing is lost, and as in Flink where exact numbers meet FLOAT or DOUBLE: no implicit casts between STRING and
//!   numbers, none that narrow into a sink's column. A constant text beside a date or time is read as one.
//! * NaN equals itself and is greater than every number. -0.0 equals 0.0.
//! * The session time zone is UTC.
//! * `CEIL(ts TO MONTH)` of a moment on the first day of a month is the next month (QUARTER and YEAR alike); Flink leaves out the hours.
//! * A text that a function or `||` makes has at most 1 MiB.
//! * `REGEXP…`, `SIMILAR TO`, `LIKE` with a pattern that is not constant, DATE_FORMAT patterns beyond `yyyy MM dd HH mm ss SSS`, and `CAST`
//!   to what would cut or fill (CHAR(n), VARCHAR(n), BINARY(n), TIMESTAMP(1)) are refused.
//!
//! # What cannot be streamed, or not yet, and is refused with a place and advice
//! Joins and subqueries in expressions; GROUP BY without a window; ORDER BY, LIMIT, DISTINCT, UNION without ALL; OVER, SESSION, CUMULATE,
//! MATCH_RECOGNIZE; COUNT(DISTINCT); functions whose answer depends on when they run; writing what is read.
//!
//! # What keeps state
//! Ids of operators ([`NodeId`]) are hashes of meaning. Aliases, views, the order of statements and everything above an aggregate can change
//! without changing it, so its state is kept; filters and projections are not moved across an aggregate for that reason.

mod build;
mod catalog;
mod error;
mod expression;
mod hash;
mod kernel;
mod limits;
mod lower;
mod plan;
mod planning;
mod query;
mod relation;
mod scalar;
mod text;
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
pub use planning::plan;
