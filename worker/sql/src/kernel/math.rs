//! Functions of numbers.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, PrimitiveArray};
use arrow::compute::kernels::arity::{binary as zip, try_unary};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow::error::ArrowError;

use super::{Kernel, failed};

/// Functions of one DOUBLE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Unary {
    Sqrt,
    Exp,
    Ln,
    Log10,
    Log2,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Degrees,
    Radians,
}

pub(super) fn unary(function: Unary, argument: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let compute: fn(f64) -> f64 = match function {
        Unary::Sqrt => f64::sqrt,
        Unary::Exp => f64::exp,
        Unary::Ln => f64::ln,
        Unary::Log10 => f64::log10,
        Unary::Log2 => f64::log2,
        Unary::Sin => f64::sin,
        Unary::Cos => f64::cos,
        Unary::Tan => f64::tan,
        Unary::Asin => f64::asin,
        Unary::Acos => f64::acos,
        Unary::Atan => f64::atan,
        Unary::Degrees => f64::to_degrees,
        Unary::Radians => f64::to_radians,
    };
    Ok(Arc::new(argument.as_primitive::<Float64Type>().unary::<_, Float64Type>(compute)))
}

pub(super) fn binary(left: &ArrayRef, right: &ArrayRef, compute: fn(f64, f64) -> f64) -> Result<ArrayRef, ArrowError> {
    let result: Float64Array = zip(left.as_primitive::<Float64Type>(), right.as_primitive::<Float64Type>(), compute)?;
    Ok(Arc::new(result))
}

/// Floating numbers in the one form of each that the kernels order as we say: they tell -0.0 from 0.0, and a NaN with a sign, which 0 / 0 is
/// on some machines, is less than everything to them. Other types are as they are.
pub(super) fn comparable(numbers: &ArrayRef) -> ArrayRef {
    match numbers.data_type() {
        DataType::Float64 => Arc::new(numbers.as_primitive::<Float64Type>().unary::<_, Float64Type>(comparable_f64)),
        DataType::Float32 => Arc::new(numbers.as_primitive::<Float32Type>().unary::<_, Float32Type>(comparable_f32)),
        _ => Arc::clone(numbers),
    }
}

pub(crate) fn comparable_f64(value: f64) -> f64 {
    if value.is_nan() { f64::NAN } else { value + 0.0 }
}

pub(crate) fn comparable_f32(value: f32) -> f32 {
    if value.is_nan() { f32::NAN } else { value + 0.0 }
}

/// Functions that keep the type of their argument.
pub(super) fn number(kernel: &Kernel, argument: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match argument.data_type() {
        DataType::Float64 => Ok(float::<Float64Type>(kernel, argument, |value| value, |value| value)),
        #[expect(clippy::cast_possible_truncation, reason = "the value came from a FLOAT")]
        DataType::Float32 => Ok(float::<Float32Type>(kernel, argument, f64::from, |value| value as f32)),
        DataType::Int8 => integer::<Int8Type>(kernel, argument, i8::checked_abs, i8::signum),
        DataType::Int16 => integer::<Int16Type>(kernel, argument, i16::checked_abs, i16::signum),
        DataType::Int32 => integer::<Int32Type>(kernel, argument, i32::checked_abs, i32::signum),
        DataType::Int64 => integer::<Int64Type>(kernel, argument, i64::checked_abs, i64::signum),
        DataType::Decimal128(_, _) if *kernel == Kernel::Abs => {
            let absolute = try_unary::<_, _, Decimal128Type>(argument.as_primitive::<Decimal128Type>(), |value| {
                value.checked_abs().ok_or_else(|| failed("the number is too small"))
            })?;
            Ok(Arc::new(absolute.with_data_type(argument.data_type().clone())))
        }
        other => unreachable!("the planner gives {kernel:?} no {other}"),
    }
}

fn float<T: ArrowPrimitiveType>(
    kernel: &Kernel,
    argument: &ArrayRef,
    widen: fn(T::Native) -> f64,
    narrow: fn(f64) -> T::Native,
) -> ArrayRef {
    let compute = |value: f64| match kernel {
        Kernel::Abs => value.abs(),
        Kernel::Floor => value.floor(),
        Kernel::Ceil => value.ceil(),
        Kernel::Round(digits) => round(value, *digits),
        Kernel::Sign if value == 0.0 || value.is_nan() => value,
        Kernel::Sign => value.signum(),
        other => unreachable!("{other:?} is not a function of one number"),
    };
    Arc::new(argument.as_primitive::<T>().unary::<_, T>(|value| narrow(compute(widen(value)))))
}

fn integer<T: ArrowPrimitiveType>(
    kernel: &Kernel,
    argument: &ArrayRef,
    absolute: fn(T::Native) -> Option<T::Native>,
    sign: fn(T::Native) -> T::Native,
) -> Result<ArrayRef, ArrowError> {
    let numbers = argument.as_primitive::<T>();
    let result: PrimitiveArray<T> = match kernel {
        Kernel::Abs => try_unary::<_, _, T>(numbers, |value| absolute(value).ok_or_else(|| failed("the number is too small")))?,
        Kernel::Sign => numbers.unary(sign),
        _ => return Ok(Arc::clone(argument)),
    };
    Ok(Arc::new(result))
}

/// Half away from zero, on the digits that are printed: 1.005 to two digits is 1.01, as with Java's `BigDecimal.valueOf`, which has no -0.0.
fn round(value: f64, digits: u32) -> f64 {
    if !value.is_finite() || value.fract() == 0.0 {
        return value + 0.0;
    }
    let text = value.abs().to_string();
    let Some((whole, fraction)) = text.split_once('.') else { return value };
    let digits = digits as usize;
    if fraction.len() <= digits {
        return value;
    }
    let mut kept: Vec<u8> = whole.bytes().chain(fraction.bytes().take(digits)).collect();
    if fraction.as_bytes()[digits] >= b'5' {
        increment(&mut kept);
    }
    let point = kept.len() - digits;
    let rounded = format!("{}.{}", String::from_utf8_lossy(&kept[..point]), String::from_utf8_lossy(&kept[point..]));
    rounded.parse::<f64>().map_or(value, |rounded| rounded.copysign(value) + 0.0)
}

fn increment(digits: &mut Vec<u8>) {
    for digit in digits.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return;
        }
        *digit = b'0';
    }
    digits.insert(0, b'1');
}

#[cfg(test)]
mod tests {
    use super::round;

    #[test]
    fn rounding_goes_by_the_digits_a_person_sees() {
        for (value, digits, expected) in [
            (1.005, 2, 1.01),
            (-1.005, 2, -1.01),
            (2.5, 0, 3.0),
            (-2.5, 0, -3.0),
            (9.996, 2, 10.0),
            (0.1, 3, 0.1),
            (1e300, 2, 1e300),
            (1e-7, 3, 0.0),
            (123.456, 1, 123.5),
        ] {
            assert_eq!(round(value, digits), expected, "{value} to {digits}");
        }
        assert!(round(f64::NAN, 2).is_nan());
        assert!([-0.0, -0.4].into_iter().all(|value| round(value, 0).is_sign_positive()));
    }
}
