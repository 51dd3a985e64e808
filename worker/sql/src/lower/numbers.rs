//! Functions of numbers whose result has a type of its own.

use arrow::datatypes::DataType;
use sqlparser::ast::Expr;

use super::Lowerer;
use super::aggregates::double;
use crate::error::PlanError;
use crate::kernel::Kernel;
use crate::scalar::{Scalar, cast, decimal, decimal_type, fold};
use crate::types;

impl Lowerer<'_> {
    pub(super) fn number_function(&self, name: &str, operand: &Expr) -> Result<Scalar, PlanError> {
        let scalar = self.lower(operand)?;
        let data_type = scalar.data_type.clone();
        let kernel = if name == "ABS" { Kernel::Abs } else { Kernel::Sign };
        match &data_type {
            DataType::Decimal128(..) if kernel == Kernel::Sign => {
                Err(self.error(operand, "SIGN of DECIMAL is not supported").hint("write SIGN(CAST(x AS DOUBLE))"))
            }
            number if number.is_numeric() => Ok(Scalar::call(kernel, vec![scalar], data_type)),
            other => Err(self.error(operand, format!("{name} takes a number, this is {}", types::name(other)))),
        }
    }

    pub(super) fn round(&self, operand: &Expr, places: i16) -> Result<Scalar, PlanError> {
        let scalar = self.lower(operand)?;
        let data_type = scalar.data_type.clone();
        match &data_type {
            integer if integer.is_integer() => Ok(scalar),
            DataType::Float32 | DataType::Float64 => {
                Ok(Scalar::call(Kernel::Round(u32::try_from(places).expect("0 to 38")), vec![scalar], data_type))
            }
            DataType::Decimal128(..) => {
                let (precision, scale) = decimal(&data_type).expect("it is a decimal");
                if places >= scale {
                    return Ok(scalar);
                }
                let rounded = decimal_type((1 + precision - scale + places).min(38), places).expect("shorter than the argument");
                Ok(cast(scalar, &rounded, false).expect("decimals are cast to decimals"))
            }
            other => Err(self.error(operand, format!("ROUND takes a number, this is {}", types::name(other)))),
        }
    }

    /// FLOOR and CEIL.
    pub(super) fn round_number(&self, operand: &Expr, up: bool) -> Result<Scalar, PlanError> {
        let scalar = self.lower(operand)?;
        let data_type = scalar.data_type.clone();
        match &data_type {
            integer if integer.is_integer() => Ok(scalar),
            DataType::Float32 | DataType::Float64 => {
                let kernel = if up { Kernel::Ceil } else { Kernel::Floor };
                fold(Scalar::call(kernel, vec![scalar], data_type), self.at(operand))
            }
            other => Err(self
                .error(operand, format!("FLOOR and CEIL of {} are not supported", types::name(other)))
                .hint("write FLOOR(CAST(x AS DOUBLE)), or FLOOR(ts TO HOUR)")),
        }
    }

    /// The operand as DOUBLE.
    pub(super) fn double(&self, operand: &Expr, name: &str) -> Result<Scalar, PlanError> {
        let scalar = self.lower(operand)?;
        let found = types::name(&scalar.data_type);
        let double = double(scalar).ok_or_else(|| self.error(operand, format!("{name} takes a number, this is {found}")))?;
        fold(double, self.at(operand))
    }
}
