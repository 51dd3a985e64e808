//! DECIMAL as Flink has it: division (`LogicalTypeMerging.findDivisionDecimalType`), from text and floating numbers by their digits, and back.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array};
use arrow::compute::kernels::arity::try_binary;
use arrow::datatypes::{DataType, Decimal128Type, Float32Type, Float64Type, i256};
use arrow::error::ArrowError;

use super::failed;

/// `left / right`, rounded half away from zero to the scale of `output`.
pub(super) fn divide(left: &ArrayRef, right: &ArrayRef, output: &DataType) -> Result<ArrayRef, ArrowError> {
    let scale = |data_type: &DataType| match data_type {
        DataType::Decimal128(_, scale) => i32::from(*scale),
        other => unreachable!("the planner divides decimals here, not {other}"),
    };
    let shift = scale(output) + scale(right.data_type()) - scale(left.data_type());
    let factor = i256::from_i128(10).checked_pow(shift.unsigned_abs()).ok_or_else(|| failed("the scale is too large"))?;
    let quotient: Decimal128Array =
        try_binary(left.as_primitive::<Decimal128Type>(), right.as_primitive::<Decimal128Type>(), |left, right| {
            if right == 0 {
                return Err(ArrowError::DivideByZero);
            }
            let (left, right) = (i256::from_i128(left), i256::from_i128(right));
            let (left, right) = if shift >= 0 { (left.checked_mul(factor), Some(right)) } else { (Some(left), right.checked_mul(factor)) };
            left.zip(right).and_then(|(left, right)| half_up(left, right)).ok_or_else(|| failed("the quotient does not fit its type"))
        })?;
    checked(Arc::new(quotient.with_data_type(output.clone())))
}

fn half_up(left: i256, right: i256) -> Option<i128> {
    let quotient = left.checked_div(right)?;
    let rest = left.checked_rem(right)?;
    let twice = rest.wrapping_abs().checked_mul(i256::from_i128(2))?;
    let away = if left.is_negative() == right.is_negative() { i256::ONE } else { i256::MINUS_ONE };
    let rounded = if twice >= right.wrapping_abs() { quotient.checked_add(away)? } else { quotient };
    rounded.to_i128()
}

/// Digits with sign, point and exponent as an unscaled value, rounded half away from zero; `None` where it is no number or does not fit.
pub(super) fn parse(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (is_negative, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => (true, mantissa),
        None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let shift = i64::from(exponent) - i64::try_from(fraction.len()).ok()? + i64::from(scale);
    let rounded = shifted(digits.trim_start_matches('0'), shift)?;
    (rounded < 10_i128.pow(u32::from(precision))).then_some(if is_negative { -rounded } else { rounded })
}

/// The number of these digits, times a power of ten.
fn shifted(digits: &str, shift: i64) -> Option<i128> {
    if digits.is_empty() {
        return Some(0);
    }
    if shift >= 0 {
        return digits.parse::<i128>().ok()?.checked_mul(10_i128.checked_pow(u32::try_from(shift).ok()?)?);
    }
    let kept = match usize::try_from(shift.unsigned_abs()).ok().and_then(|cut| digits.len().checked_sub(cut)) {
        Some(kept) => kept,
        None => return Some(0),
    };
    let whole: i128 = if kept == 0 { 0 } else { digits[..kept].parse().ok()? };
    Some(whole + i128::from(digits.as_bytes()[kept] >= b'5'))
}

/// FLOAT and DOUBLE by the digits that are printed, as with Java's `BigDecimal.valueOf`: 1.005 to two digits is 1.01.
pub(super) fn from_floating(argument: &ArrayRef, output: &DataType, safe: bool) -> Result<ArrayRef, ArrowError> {
    let DataType::Decimal128(precision, scale) = output else { unreachable!("the planner gives a decimal type here") };
    let doubles = arrow::compute::cast(argument, &DataType::Float64)?;
    let decimals = doubles.as_primitive::<Float64Type>().iter().map(|value| match value {
        None => Ok(None),
        Some(value) => match parse(&format!("{value:e}"), *precision, *scale) {
            None if !safe => Err(failed(format!("{value} does not fit {}", crate::types::name(output)))),
            decimal => Ok(decimal),
        },
    });
    let decimals = decimals.collect::<Result<Decimal128Array, ArrowError>>()?;
    Ok(Arc::new(decimals.with_data_type(output.clone())))
}

/// The nearest DOUBLE or FLOAT.
pub(super) fn to_floating(argument: &ArrayRef, output: &DataType) -> Result<ArrayRef, ArrowError> {
    let DataType::Decimal128(_, scale) = argument.data_type() else { unreachable!("the planner gives decimals here") };
    let scale = usize::try_from(*scale).unwrap_or(0);
    let decimals = argument.as_primitive::<Decimal128Type>();
    #[expect(clippy::cast_possible_truncation, reason = "FLOAT is the FLOAT nearest to the DOUBLE, as in Flink")]
    Ok(match output {
        DataType::Float32 => Arc::new(decimals.unary::<_, Float32Type>(|value| double(value, scale) as f32)),
        _ => Arc::new(decimals.unary::<_, Float64Type>(|value| double(value, scale))),
    })
}

fn double(value: i128, scale: usize) -> f64 {
    const POWERS: [f64; 23] =
        [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22];
    match POWERS.get(scale) {
        // Both are doubles exactly, so that the quotient is rounded once.
        #[expect(clippy::cast_precision_loss, reason = "2^53 at most")]
        Some(power) if value.unsigned_abs() <= 1 << 53 => value as f64 / power,
        _ => text(value, scale).parse().expect("digits are a number"),
    }
}

/// `-12.34`.
pub(crate) fn text(value: i128, scale: usize) -> String {
    let digits = format!("{:0width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if value < 0 { "-" } else { "" };
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// The decimals, none of which has more digits than its type; sums and products of the library may.
pub(super) fn checked(decimals: ArrayRef) -> Result<ArrayRef, ArrowError> {
    let DataType::Decimal128(precision, _) = decimals.data_type() else { unreachable!("the planner gives decimals here") };
    match decimals.as_primitive::<Decimal128Type>().validate_decimal_precision(*precision) {
        Ok(()) => Ok(decimals),
        Err(_) => Err(failed(format!("the number has more than {precision} digits"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_rounded_half_away_from_zero_or_refused() {
        for (text, expected) in [
            ("1.005", Some(101)),
            ("-1.005", Some(-101)),
            ("1.0049", Some(100)),
            ("+.5", Some(50)),
            ("5.", Some(500)),
            ("1e3", Some(100_000)),
            ("12345e-5", Some(12)),
            ("1e-999999999", Some(0)),
            ("0e999999999", Some(0)),
            ("99999.994", Some(9_999_999)),
            ("99999.995", None),
            ("1e5", None),
            ("1e999999999", None),
            ("1e99999999999", None),
            ("", None),
            (".", None),
            ("1x", None),
            ("NaN", None),
        ] {
            assert_eq!(parse(text, 7, 2), expected, "{text}");
        }
        let longest = "9".repeat(38);
        assert_eq!(parse(&longest, 38, 0), longest.parse().ok());
        assert_eq!(parse(&format!("{longest}9"), 38, 0), None);
    }

    #[test]
    fn a_decimal_is_the_double_that_is_written_with_its_digits() {
        for (value, scale) in
            [(1_i128, 1), (-12_345, 2), (i128::from(i64::MAX), 18), (10_i128.pow(37) + 1, 37), (123_456_789_012_345_678, 30)]
        {
            assert_eq!(Some(double(value, scale)), text(value, scale).parse().ok());
        }
    }

    fn quotient(left: i128, right: i128) -> Result<i128, ArrowError> {
        let decimal = |value, precision, scale| -> ArrayRef {
            Arc::new(Decimal128Array::from(vec![value]).with_precision_and_scale(precision, scale).expect("a valid decimal"))
        };
        let array = divide(&decimal(left, 10, 2), &decimal(right, 5, 1), &DataType::Decimal128(17, 8))?;
        Ok(array.as_primitive::<Decimal128Type>().value(0))
    }

    #[test]
    fn quotients_are_rounded_half_away_from_zero() {
        assert_eq!(quotient(200, 30).ok(), Some(66_666_667));
        assert_eq!(quotient(-200, 30).ok(), Some(-66_666_667));
        assert_eq!(quotient(200, -30).ok(), Some(-66_666_667));
        assert_eq!(quotient(100, 30).ok(), Some(33_333_333));
        assert_eq!(quotient(1, 1_000_000_000).ok(), Some(0));
    }

    #[test]
    fn zero_divides_nothing() {
        assert!(matches!(quotient(1, 0), Err(ArrowError::DivideByZero)));
    }
}
