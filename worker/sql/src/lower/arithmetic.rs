//! `+ - * / %` with Flink's result types.

use arrow::datatypes::DataType;
use datafusion_common::ScalarValue;
use sqlparser::ast::{BinaryOperator, Expr, Value, ValueWithSpan};

use super::{Lowerer, literals};
use crate::error::PlanError;
use crate::kernel::Kernel;
use crate::scalar::{Arithmetic, Kind, Scalar, adjusted, common_type, decimal, decimal_type, fold, widen};
use crate::types;

impl Lowerer<'_> {
    pub(super) fn arithmetic(
        &self,
        operator: &BinaryOperator,
        left: Scalar,
        left_at: &Expr,
        right: Scalar,
        right_at: &Expr,
    ) -> Result<Scalar, PlanError> {
        let operator = match operator {
            BinaryOperator::Plus => Arithmetic::Plus,
            BinaryOperator::Minus => Arithmetic::Minus,
            BinaryOperator::Multiply => Arithmetic::Multiply,
            BinaryOperator::Divide => Arithmetic::Divide,
            BinaryOperator::Modulo => Arithmetic::Modulo,
            other => return Err(self.error(left_at, format!("operator {other} is not supported")).hint("there are + - * / % and ||")),
        };
        let is_moment = |data_type: &DataType| matches!(data_type, DataType::Timestamp(..) | DataType::Date32);
        if is_moment(&left.data_type) || is_moment(&right.data_type) {
            let error = self.error(
                left_at,
                format!("{} {} {} is not defined", types::name(&left.data_type), operator.sign(), types::name(&right.data_type)),
            );
            return Err(error.hint("write TIMESTAMPDIFF(SECOND, a, b) or ts + INTERVAL '1' HOUR"));
        }
        let combined = combine(operator, left, right).map_err(|message| {
            self.error(left_at, message).hint("make both sides numbers with CAST; CAST(… AS DOUBLE) where DECIMAL gets too long")
        })?;
        let at = if combined.children().iter().all(|child| child.as_literal().is_some()) { self.at(right_at) } else { self.at };
        fold(combined, at)
    }

    pub(super) fn negate(&self, operand: &Expr) -> Result<Scalar, PlanError> {
        if let Expr::Value(ValueWithSpan { value: Value::Number(text, _), .. }) = operand {
            return literals::number(&format!("-{text}")).map_err(|reason| self.error(operand, reason));
        }
        let scalar = self.lower(operand)?;
        let negative = match &scalar.data_type {
            integer if integer.is_integer() => {
                let zero = widen(Scalar::literal(ScalarValue::from(0_i32)), &scalar.data_type);
                combine(Arithmetic::Minus, fold(zero, self.at)?, scalar).map_err(|message| self.error(operand, message))?
            }
            number if number.is_numeric() => {
                Scalar { data_type: scalar.data_type.clone(), nullable: scalar.nullable, kind: Kind::Negate(Box::new(scalar)) }
            }
            other => {
                return Err(self
                    .error(operand, format!("- stands before a number, this is {}", types::name(other)))
                    .hint("write -CAST(… AS DOUBLE)"));
            }
        };
        fold(negative, self.at)
    }
}

/// The operation in the type Flink gives it.
pub(super) fn combine(operator: Arithmetic, left: Scalar, right: Scalar) -> Result<Scalar, String> {
    let refused = |left: &Scalar, right: &Scalar| {
        format!("{} {} {} is not defined", types::name(&left.data_type), operator.sign(), types::name(&right.data_type))
    };
    let is_number = |scalar: &Scalar| scalar.data_type.is_numeric() || scalar.data_type == DataType::Null;
    if !is_number(&left) || !is_number(&right) || (left.data_type == DataType::Null && right.data_type == DataType::Null) {
        return Err(refused(&left, &right));
    }
    let exact = |scalar: &Scalar| decimal(&scalar.data_type).is_some();
    let has_decimal = [&left, &right].iter().any(|scalar| matches!(scalar.data_type, DataType::Decimal128(..)));
    if has_decimal && exact(&left) && exact(&right) {
        return combine_decimals(operator, left, right);
    }
    let data_type = common_type(&left.data_type, &right.data_type).ok_or_else(|| refused(&left, &right))?;
    Ok(made(operator, widen(left, &data_type), widen(right, &data_type), data_type))
}

fn made(operator: Arithmetic, left: Scalar, right: Scalar, data_type: DataType) -> Scalar {
    let nullable = left.nullable || right.nullable;
    Scalar { kind: Kind::Arithmetic { operator, left: Box::new(left), right: Box::new(right) }, data_type, nullable }
}

/// Precision and scale as in Flink's `LogicalTypeMerging`.
fn combine_decimals(operator: Arithmetic, left: Scalar, right: Scalar) -> Result<Scalar, String> {
    let shape = |scalar: &Scalar| decimal(&scalar.data_type).expect("both are exact");
    let ((left_precision, left_scale), (right_precision, right_scale)) = (shape(&left), shape(&right));
    let scale = left_scale.max(right_scale);
    let (left_whole, right_whole) = (left_precision - left_scale, right_precision - right_scale);
    let data_type = match operator {
        Arithmetic::Plus | Arithmetic::Minus => adjusted(left_whole.max(right_whole) + scale + 1, scale),
        Arithmetic::Multiply => adjusted(left_precision + right_precision + 1, left_scale + right_scale),
        Arithmetic::Modulo => adjusted(left_whole.min(right_whole) + scale, scale),
        Arithmetic::Divide => {
            let scale = (left_scale + right_precision + 1).max(6);
            adjusted(left_whole + right_scale + scale, scale)
        }
    };
    let as_decimal = |scalar: Scalar| {
        let (precision, scale) = shape(&scalar);
        let data_type = decimal_type(precision, scale).expect("a number has at most 38 digits");
        widen(scalar, &data_type)
    };
    let too_long = matches!(operator, Arithmetic::Plus | Arithmetic::Minus) && decimal(&data_type).is_some_and(|(_, kept)| kept < scale)
        || operator == Arithmetic::Multiply && left_scale + right_scale > 38;
    if too_long {
        return Err(format!(
            "{} {} {} needs more than 38 digits",
            types::name(&left.data_type),
            operator.sign(),
            types::name(&right.data_type)
        ));
    }
    let (left, right) = (as_decimal(left), as_decimal(right));
    Ok(match operator {
        Arithmetic::Divide => Scalar::call(Kernel::Divide, vec![left, right], data_type),
        _ => made(operator, left, right, data_type),
    })
}
