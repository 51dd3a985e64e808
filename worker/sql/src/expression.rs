//! A compiled scalar expression: record batch in, one array out.

use std::fmt;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use datafusion_common::DataFusionError;
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::expressions::Column;

/// A row (it is not said which) has a value the expression has no answer for: a cast or a division failed, a number overflowed.
///
/// Whoever evaluates a batch finds the row by evaluating parts of the batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{expression}: {reason}")]
pub struct EvaluateError {
    /// Text of the expression, its first 200 characters.
    pub expression: String,
    /// What the kernel says.
    pub reason: String,
}

const ERROR_CHARS_MAX: usize = 200;

/// A deterministic scalar expression over the columns of a node's input. Cheap to clone.
#[derive(Clone)]
pub struct Expression {
    physical: Arc<dyn PhysicalExpr>,
    text: Arc<str>,
    data_type: DataType,
    nullable: bool,
    columns: Arc<[usize]>,
    fallible: bool,
}

impl Expression {
    pub(crate) fn new(
        physical: Arc<dyn PhysicalExpr>,
        text: String,
        data_type: DataType,
        nullable: bool,
        columns: Vec<usize>,
        fallible: bool,
    ) -> Self {
        Self { physical, text: text.into(), data_type, nullable, columns: columns.into(), fallible }
    }

    /// Nothing but the input column at this position.
    #[must_use]
    pub fn column(index: usize, name: &str, data_type: DataType, nullable: bool) -> Self {
        let physical = Arc::new(Column::new(name, index));
        Self::new(physical, name.to_owned(), data_type, nullable, vec![index], false)
    }

    /// The value for every row of `batch`, whose columns are those of the node's input; always as many values as the batch has rows.
    ///
    /// # Errors
    /// Some row has no answer (see [`EvaluateError`]); nothing is said about the others.
    pub fn evaluate(&self, batch: &RecordBatch) -> Result<ArrayRef, EvaluateError> {
        let failed = |error: DataFusionError| EvaluateError {
            expression: self.text.chars().take(ERROR_CHARS_MAX).collect(),
            reason: reason(&error),
        };
        let array = self.physical.evaluate(batch).map_err(failed)?.into_array(batch.num_rows()).map_err(failed)?;
        assert_eq!(array.len(), batch.num_rows(), "an expression answers for every row: {}", self.text);
        assert_eq!(array.data_type(), &self.data_type, "an expression has the type it was planned with: {}", self.text);
        Ok(array)
    }

    /// The type of the values.
    #[must_use]
    pub fn data_type(&self) -> &DataType {
        &self.data_type
    }

    /// Whether a value may be NULL.
    #[must_use]
    pub fn is_nullable(&self) -> bool {
        self.nullable
    }

    /// Positions of the input columns it reads, ascending, without repetition.
    #[must_use]
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// The position, when the expression is nothing but an input column: its array can be taken as it is.
    #[must_use]
    pub fn as_column(&self) -> Option<usize> {
        self.physical.as_ref().downcast_ref::<Column>().map(Column::index)
    }

    /// Whether [`Expression::evaluate`] can fail for some value of its columns.
    #[must_use]
    pub fn is_fallible(&self) -> bool {
        self.fallible
    }

    /// The expression as SQL with the names of the input columns; for people, and the same for the same query in every version.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// What went wrong, without the names of the libraries it went wrong in.
fn reason(error: &DataFusionError) -> String {
    let DataFusionError::ArrowError(arrow, _) = error.find_root() else { return error.strip_backtrace() };
    match arrow.as_ref() {
        ArrowError::DivideByZero => "division by zero".to_owned(),
        ArrowError::ComputeError(text)
        | ArrowError::CastError(text)
        | ArrowError::ParseError(text)
        | ArrowError::ArithmeticOverflow(text)
        | ArrowError::InvalidArgumentError(text) => text.clone(),
        other => other.to_string(),
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Expression({}: {})", self.text, crate::types::name(&self.data_type))
    }
}
