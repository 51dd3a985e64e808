//! Groups per key and window, and what is computed of them.

use arrow::datatypes::DataType;

use super::Window;
use crate::expression::Expression;

/// Groups rows by key and window and computes aggregates. Its input's rows come through an [`Exchange`] by the hash of the keys.
///
/// The output's columns are the keys, then the aggregates, then `window_start`, `window_end` (`Timestamp(Millisecond)`, no zone; start
/// inclusive, end exclusive), `window_time` (end - 1 ms; the zone of the input's event time). A window is complete, and its rows come out,
/// when the watermark reaches `window_end` - 1 ms; a row that arrives after the last of its windows is complete is late.
#[derive(Clone, Debug)]
pub struct WindowAggregate {
    /// How rows find their windows.
    pub windows: WindowInput,
    /// Over the input's columns; may be empty (one group per window, which exists once a row fell into it).
    pub keys: Vec<Expression>,
    /// Over the input's columns; may be empty (distinct keys per window).
    pub aggregates: Vec<Aggregate>,
}

/// How rows find their windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WindowInput {
    /// By their event time. A row whose time is NULL is a bad row.
    EventTime {
        /// Input column, `Timestamp(Millisecond, _)`.
        time: usize,
        /// Which windows there are.
        window: Window,
    },
    /// They carry it: each row belongs to the one window it says. NULLs cannot be there.
    Attached {
        /// Input column with the window's start, `Timestamp(Millisecond, None)`.
        start: usize,
        /// Input column with the window's end (exclusive), `Timestamp(Millisecond, None)`.
        end: usize,
        /// Which windows the rows were assigned to, so that slices are known.
        window: Window,
    },
}

impl WindowInput {
    /// Which windows there are.
    #[must_use]
    pub fn window(&self) -> Window {
        match self {
            Self::EventTime { window, .. } | Self::Attached { window, .. } => *window,
        }
    }
}

/// One aggregate of a [`WindowAggregate`]. NULL arguments are left out, as in the SQL standard.
#[derive(Clone, Debug)]
pub struct Aggregate {
    /// What is computed.
    pub function: AggregateFunction,
    /// Absent for `COUNT(*)` only. Already cast to the type that is accumulated: see [`AggregateFunction`].
    pub argument: Option<Expression>,
    /// `FILTER (WHERE …)`: only rows for which it is true count.
    pub filter: Option<Expression>,
    /// The type of the result.
    pub output: DataType,
}

/// The aggregates there are. A group without any non-NULL argument gives 0 for the counts and NULL for the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AggregateFunction {
    /// Rows: `Int64`, never NULL.
    CountStar,
    /// Rows whose argument (any type) is not NULL: `Int64`, never NULL.
    Count,
    /// `Int64` -> `Int64` (overflow is an error), `Float64` -> `Float64`, `Decimal128(p, s)` -> `Decimal128(38, s)`.
    Sum,
    /// `Float64` -> `Float64`; `Decimal128(p, s)` -> `Decimal128(38, max(s, 6))`, rounded half away from zero.
    Avg,
    /// Any type but `Binary` -> the same.
    Min,
    /// Any type but `Binary` -> the same.
    Max,
}

impl AggregateFunction {
    /// The name in SQL.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::CountStar | Self::Count => "COUNT",
            Self::Sum => "SUM",
            Self::Avg => "AVG",
            Self::Min => "MIN",
            Self::Max => "MAX",
        }
    }
}
