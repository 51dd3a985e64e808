//! Division of DECIMAL with the precision and scale of Flink (`LogicalTypeMerging.findDivisionDecimalType`).

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array};
use arrow::compute::kernels::arity::try_binary;
use arrow::datatypes::{DataType, Decimal128Type, i256};
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
    let quotient = quotient.with_data_type(output.clone());
    let DataType::Decimal128(precision, _) = output else { unreachable!("checked above") };
    quotient.validate_decimal_precision(*precision)?;
    Ok(Arc::new(quotient))
}

fn half_up(left: i256, right: i256) -> Option<i128> {
    let quotient = left.checked_div(right)?;
    let rest = left.checked_rem(right)?;
    let twice = rest.wrapping_abs().checked_mul(i256::from_i128(2))?;
    let away = if left.is_negative() == right.is_negative() { i256::ONE } else { i256::MINUS_ONE };
    let rounded = if twice >= right.wrapping_abs() { quotient.checked_add(away)? } else { quotient };
    rounded.to_i128()
}

#[cfg(test)]
mod tests {
    use super::*;

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
