//! Which types go together: Flink's rules where they lose nothing, an error where a user must say what is meant.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion_common::ScalarValue;

use super::{Kind, Scalar};
use crate::kernel::Kernel;

/// The type in which two values can be compared or unified: numbers widen, dates become timestamps, NULL becomes anything.
pub(crate) fn common_type(left: &DataType, right: &DataType) -> Option<DataType> {
    use DataType::{Date32, Float32, Float64, Null, Timestamp};
    match (left, right) {
        (left, right) if left == right => Some(left.clone()),
        (Null, other) | (other, Null) => Some(other.clone()),
        (left, right) if left.is_numeric() && right.is_numeric() => match (left, right) {
            (Float64, _) | (_, Float64) => Some(Float64),
            (Float32, other) | (other, Float32) => Some(if other.is_integer() { Float32 } else { Float64 }),
            (left, right) if left.is_integer() && right.is_integer() => {
                Some(if digits(left) >= digits(right) { left.clone() } else { right.clone() })
            }
            (left, right) => {
                let ((left_precision, left_scale), (right_precision, right_scale)) = (decimal(left)?, decimal(right)?);
                let scale = left_scale.max(right_scale);
                let whole = (left_precision - left_scale).max(right_precision - right_scale);
                decimal_type(whole + scale, scale)
            }
        },
        (Timestamp(left, left_zone), Timestamp(right, right_zone)) if left_zone == right_zone => {
            Some(Timestamp(finer(*left, *right), left_zone.clone()))
        }
        (Date32, Timestamp(unit, zone)) | (Timestamp(unit, zone), Date32) => Some(Timestamp(*unit, zone.clone())),
        _ => None,
    }
}

/// Whether a value of one type goes into a column of another without being asked: only if nothing can be lost (FLIP-41's implicit casts,
/// without those that round or overflow).
pub(crate) fn implicit(from: &DataType, to: &DataType) -> bool {
    use DataType::{Date32, Float32, Float64, Null, Timestamp};
    match (from, to) {
        (from, to) if from == to => true,
        (Null, _) => true,
        (from, Float64) if from.is_numeric() => true,
        (from, Float32) => from.is_integer() && digits(from) <= 5,
        (from, to) if from.is_integer() && to.is_integer() => digits(from) <= digits(to),
        (from, DataType::Decimal128(to_precision, to_scale)) if from.is_integer() || matches!(from, DataType::Decimal128(..)) => {
            decimal(from).is_some_and(|(precision, scale)| {
                let (to_precision, to_scale) = (i16::from(*to_precision), i16::from(*to_scale));
                scale <= to_scale && precision - scale <= to_precision - to_scale
            })
        }
        (Timestamp(from, _), Timestamp(to, _)) => finer(*from, *to) == *to,
        (Date32, Timestamp(..)) => true,
        _ => false,
    }
}

/// Whether every value of one type has one in the other, so that a cast cannot fail.
pub(super) fn always_fits(from: &DataType, to: &DataType) -> bool {
    implicit(from, to) && !matches!(to, DataType::Timestamp(..)) || *to == DataType::Utf8 && *from != DataType::Binary
}

/// The value in a type that [`implicit`] or [`common_type`] allows.
pub(crate) fn widen(scalar: Scalar, to: &DataType) -> Scalar {
    if scalar.data_type == *to {
        return scalar;
    }
    if scalar.as_literal().is_some_and(ScalarValue::is_null) {
        return Scalar::null(to);
    }
    Scalar { nullable: scalar.nullable, data_type: to.clone(), kind: Kind::Cast { operand: Box::new(scalar), safe: false, implicit: true } }
}

/// Both in their common type. A string constant beside a date or time is read as one.
pub(crate) fn unify(left: Scalar, right: Scalar) -> Result<(Scalar, Scalar), (DataType, DataType)> {
    let data_type = common_type(&left.data_type, &right.data_type)
        .or_else(|| moment(&left, &right.data_type))
        .or_else(|| moment(&right, &left.data_type));
    match data_type {
        Some(data_type) => Ok((widen(left, &data_type), widen(right, &data_type))),
        None => Err((left.data_type, right.data_type)),
    }
}

fn moment(text: &Scalar, other: &DataType) -> Option<DataType> {
    let is_constant = text.data_type == DataType::Utf8 && text.as_literal().is_some();
    (is_constant && matches!(other, DataType::Timestamp(..) | DataType::Date32 | DataType::Time32(_))).then(|| other.clone())
}

/// CAST and TRY_CAST as Flink does them; `None` where Flink has no such cast or ours would answer differently.
pub(crate) fn cast(operand: Scalar, to: &DataType, safe: bool) -> Option<Scalar> {
    use DataType::{Binary, Boolean, Date32, Time32, Timestamp, Utf8};
    let from = operand.data_type.clone();
    if from == *to {
        return Some(operand);
    }
    if from == DataType::Null {
        return Some(Scalar::null(to));
    }
    let allowed = match (&from, to) {
        (from, to) if from.is_numeric() && to.is_numeric() => true,
        (from, Utf8) => from.is_numeric() || matches!(from, Boolean | Date32 | Time32(_) | Timestamp(..) | Binary),
        (Utf8, to) => to.is_numeric() || matches!(to, Boolean | Date32 | Time32(_) | Timestamp(..) | Binary),
        (from, Boolean) => from.is_integer(),
        (Boolean, to) => to.is_integer(),
        (Date32 | Timestamp(..), Timestamp(..)) | (Timestamp(..), Date32 | Time32(_)) => true,
        _ => false,
    };
    let coarser = matches!((&from, to), (Timestamp(from, _), Timestamp(to, _)) if finer(*from, *to) != *to);
    match (&from, to) {
        _ if !allowed => None,
        (Boolean | DataType::Float32 | DataType::Float64 | Timestamp(..) | Time32(_), Utf8) => {
            Some(Scalar::call(Kernel::ToText, vec![operand], Utf8))
        }
        _ if coarser => Some(Scalar::call(Kernel::Coarsen, vec![operand], to.clone())),
        _ => Some(Scalar {
            nullable: operand.nullable || safe,
            data_type: to.clone(),
            kind: Kind::Cast { operand: Box::new(operand), safe, implicit: false },
        }),
    }
}

/// Precision and scale of a number that is not floating.
pub(crate) fn decimal(data_type: &DataType) -> Option<(i16, i16)> {
    match data_type {
        DataType::Decimal128(precision, scale) => Some((i16::from(*precision), i16::from(*scale))),
        integer if integer.is_integer() => Some((digits(integer), 0)),
        _ => None,
    }
}

/// The type, if it has at most 38 digits.
pub(crate) fn decimal_type(precision: i16, scale: i16) -> Option<DataType> {
    (precision <= 38 && (0..=precision).contains(&scale))
        .then(|| DataType::Decimal128(u8::try_from(precision).expect("at most 38"), i8::try_from(scale).expect("at most 38")))
}

/// Flink's `LogicalTypeMerging.adjustPrecisionScale`: at most 38 digits, of which those after the point go first, down to 6.
pub(crate) fn adjusted(precision: i16, scale: i16) -> DataType {
    let (precision, scale) = if precision <= 38 { (precision, scale) } else { (38, (38 - (precision - scale)).max(scale.min(6))) };
    decimal_type(precision, scale).expect("adjusted to 38 digits")
}

fn digits(integer: &DataType) -> i16 {
    match integer {
        DataType::Int8 => 3,
        DataType::Int16 => 5,
        DataType::Int32 => 10,
        _ => 19,
    }
}

fn finer(left: TimeUnit, right: TimeUnit) -> TimeUnit {
    if crate::types::digits(left) >= crate::types::digits(right) { left } else { right }
}
