//! What an operator asks of each row: a column as it is, which most are, or an expression.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch},
    datatypes::DataType,
};
use sql::{EvaluateError, Expression};

/// See the module.
#[derive(Clone, Debug)]
pub(crate) enum Operand {
    Column { index: usize, data_type: DataType },
    Expression(Expression),
}

impl Operand {
    pub fn of(expression: &Expression) -> Self {
        match expression.as_column() {
            Some(index) => Self::Column { index, data_type: expression.data_type().clone() },
            None => Self::Expression(expression.clone()),
        }
    }

    pub fn data_type(&self) -> &DataType {
        match self {
            Self::Column { data_type, .. } => data_type,
            Self::Expression(expression) => expression.data_type(),
        }
    }

    /// One value per row.
    ///
    /// # Errors
    /// Some row has no answer.
    pub fn evaluate(&self, batch: &RecordBatch) -> Result<ArrayRef, EvaluateError> {
        match self {
            Self::Column { index, .. } => Ok(Arc::clone(batch.column(*index))),
            Self::Expression(expression) => expression.evaluate(batch),
        }
    }
}
