//! Scalar functions as Flink defines them, each over whole arrays.
//!
//! They are our own where Flink's answer differs from that of the expression library, or where the library would bring a type that no
//! table of ours has. Constant parameters are part of the kernel, so they are checked once, when the query is planned.

mod calendar;
mod cast;
mod decimal;
mod math;
mod parse;
mod text;
mod time;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

pub(crate) use calendar::{civil_date, timestamp_text};
pub(crate) use decimal::text as decimal_text;
pub(crate) use text::Side;
pub(crate) use time::{Part, Piece, date_format};

/// One text that a kernel makes is at most as long as a record may be; a row that would need more is a bad row. Without a bound, views over
/// views that double a text would fill the memory.
const TEXT_BYTES_MAX: usize = 1024 * 1024;

/// A function of arrays of equal length. Same hash, same function, in every version.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kernel {
    Upper,
    Lower,
    Reverse,
    CharLength,
    Trim {
        side: Side,
        character: char,
    },
    /// 1-based first character, number of characters.
    Substring {
        start: usize,
        length: Option<usize>,
    },
    Left(usize),
    Right(usize),
    Pad {
        side: Side,
        length: usize,
        with: String,
    },
    Repeat(usize),
    Replace,
    Position,
    /// What `||` of the tree is compiled to.
    Concat,
    ConcatWithSeparator,
    SplitIndex {
        delimiter: String,
        index: usize,
    },
    StartsWith,
    EndsWith,

    Abs,
    Sign,
    Floor,
    Ceil,
    /// Digits after the point, half away from zero, of the shortest decimal that reads back as the number.
    Round(u32),
    Unary(math::Unary),
    Power,
    Atan2,

    Extract(Part),
    FloorTo(Part),
    CeilTo(Part),
    AddInterval {
        months: i32,
        milliseconds: i64,
    },
    /// Whole units from the first argument to the second.
    Difference {
        unit_milliseconds: i64,
    },
    DateFormat(Vec<Piece>),
    /// Numbers since the epoch of so many milliseconds each.
    FromEpoch {
        unit_milliseconds: i64,
    },

    ToText,
    /// What CAST and TRY_CAST of the tree are compiled to; `safe` gives NULL where the other fails.
    Cast {
        safe: bool,
    },
    /// Floating numbers where they are compared.
    Comparable,
    /// Timestamps of less precision: towards the past.
    Coarsen,
    /// Decimal quotient of the output's type.
    Divide,

    NullIf,
    /// First that is not NULL; later arguments are evaluated only for rows that need them.
    Coalesce,
}

pub(crate) use math::{Unary, comparable_f32, comparable_f64};

impl Kernel {
    /// The name in SQL, with the constant parameters; unique per function, so it is also what ids are made of.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Unary(unary) => format!("{unary:?}").to_uppercase(),
            Self::Trim { side, character } => format!("TRIM_{side:?}_{character:?}").to_uppercase(),
            Self::Substring { start, length } => match length {
                Some(length) => format!("SUBSTRING[{start}, {length}]"),
                None => format!("SUBSTRING[{start}]"),
            },
            Self::Left(count) => format!("LEFT[{count}]"),
            Self::Right(count) => format!("RIGHT[{count}]"),
            Self::Repeat(count) => format!("REPEAT[{count}]"),
            Self::Pad { side, length, with } => format!("PAD_{side:?}[{length}, {with:?}]"),
            Self::Cast { safe } => if *safe { "TRY_CAST" } else { "CAST" }.to_owned(),
            Self::SplitIndex { delimiter, index } => format!("SPLIT_INDEX[{delimiter:?}, {index}]"),
            Self::Round(digits) => format!("ROUND[{digits}]"),
            Self::Extract(part) => format!("{part:?}").to_uppercase(),
            Self::FloorTo(part) => format!("FLOOR_TO_{part:?}").to_uppercase(),
            Self::CeilTo(part) => format!("CEIL_TO_{part:?}").to_uppercase(),
            Self::AddInterval { months, milliseconds } => format!("ADD[{months} months, {milliseconds} ms]"),
            Self::Difference { unit_milliseconds } => format!("TIMESTAMPDIFF[{unit_milliseconds} ms]"),
            Self::DateFormat(pieces) => format!("DATE_FORMAT{pieces:?}"),
            Self::FromEpoch { unit_milliseconds } => format!("TO_TIMESTAMP_LTZ[{unit_milliseconds} ms]"),
            Self::CharLength => "CHAR_LENGTH".to_owned(),
            Self::ConcatWithSeparator => "CONCAT_WS".to_owned(),
            other => format!("{other:?}").to_uppercase(),
        }
    }

    /// Whether some arguments have no answer.
    pub(crate) fn is_fallible(&self) -> bool {
        matches!(
            self,
            Self::Repeat(_)
                | Self::Pad { .. }
                | Self::Replace
                | Self::Concat
                | Self::ConcatWithSeparator
                | Self::Abs
                | Self::FloorTo(_)
                | Self::CeilTo(_)
                | Self::AddInterval { .. }
                | Self::Difference { .. }
                | Self::FromEpoch { .. }
                | Self::Divide
        )
    }

    /// One value per row; `output` is the type the planner chose.
    pub(crate) fn apply(&self, arguments: &[ArrayRef], output: &DataType) -> Result<ArrayRef, ArrowError> {
        match self {
            Self::Upper | Self::Lower | Self::Reverse | Self::CharLength | Self::Trim { .. } | Self::Substring { .. } | Self::Left(_) => {
                text::unary(self, &arguments[0])
            }
            Self::Right(_) | Self::Pad { .. } | Self::Repeat(_) | Self::SplitIndex { .. } => text::unary(self, &arguments[0]),
            Self::Replace | Self::Position | Self::Concat | Self::ConcatWithSeparator | Self::StartsWith | Self::EndsWith => {
                text::several(self, arguments)
            }
            Self::Abs | Self::Sign | Self::Floor | Self::Ceil | Self::Round(_) => math::number(self, &arguments[0]),
            Self::Unary(unary) => math::unary(*unary, &arguments[0]),
            Self::Power => math::binary(&arguments[0], &arguments[1], f64::powf),
            Self::Atan2 => math::binary(&arguments[0], &arguments[1], f64::atan2),
            Self::Extract(_) | Self::FloorTo(_) | Self::CeilTo(_) | Self::AddInterval { .. } | Self::DateFormat(_) => {
                time::unary(self, &arguments[0])
            }
            Self::Difference { unit_milliseconds } => time::difference(&arguments[0], &arguments[1], *unit_milliseconds),
            Self::FromEpoch { unit_milliseconds } => time::from_epoch(&arguments[0], *unit_milliseconds),
            Self::ToText => cast::to_text(&arguments[0]),
            Self::Comparable => Ok(math::comparable(&arguments[0])),
            Self::Cast { safe } => cast::convert(&arguments[0], output, *safe),
            Self::Coarsen => cast::coarsen(&arguments[0], output),
            Self::Divide => decimal::divide(&arguments[0], &arguments[1], output),
            Self::NullIf => {
                let equal = arrow::compute::kernels::cmp::eq(&math::comparable(&arguments[0]), &math::comparable(&arguments[1]))?;
                arrow::compute::nullif(&arguments[0], &equal)
            }
            Self::Coalesce => unreachable!("it is evaluated lazily by its own expression"),
        }
    }
}

fn failed(reason: impl Into<String>) -> ArrowError {
    ArrowError::ComputeError(reason.into())
}
