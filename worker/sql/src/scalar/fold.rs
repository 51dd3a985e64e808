//! Constants are computed while planning, so that `1 / 0` is an error with a place and not one per row.

use arrow::array::RecordBatchOptions;
use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;
use datafusion_common::ScalarValue;

use super::{Kind, Scalar, compile};
use crate::error::{PlanError, Position};

/// Constants stand in plans, ids and errors.
const CONSTANT_BYTES_MAX: usize = 64 * 1024;

/// The constant that an operator over constants is; anything else unchanged. Constants in the operands' casts are computed too.
///
/// # Errors
/// The operator has no answer for these constants.
pub(crate) fn fold(mut scalar: Scalar, at: Position) -> Result<Scalar, PlanError> {
    let is_cast = |child: &Scalar| matches!(&child.kind, Kind::Cast { operand, .. } if operand.as_literal().is_some());
    for child in scalar.children_mut().into_iter().filter(|child| is_cast(child)) {
        *child = fold(child.clone(), at)?;
    }
    let children = scalar.children();
    if children.is_empty() || children.iter().any(|child| child.as_literal().is_none()) {
        return Ok(scalar);
    }
    let text = |scalar: &Scalar| scalar.text(&|index| format!("#{index}"));
    let value = evaluate(&scalar).map_err(|reason| {
        let what = text(&scalar);
        PlanError::new(at, if reason.starts_with(&what) { reason } else { format!("{what} has no value: {reason}") })
    })?;
    match &value {
        ScalarValue::Utf8(Some(long)) if long.len() > CONSTANT_BYTES_MAX => {
            Err(PlanError::new(at, format!("a constant text has {} bytes, more than {CONSTANT_BYTES_MAX}", long.len())))
        }
        _ => Ok(Scalar { nullable: value.is_null(), data_type: scalar.data_type, kind: Kind::Literal(value) }),
    }
}

fn evaluate(scalar: &Scalar) -> Result<ScalarValue, String> {
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let row = RecordBatch::try_new_with_options(Schema::empty().into(), Vec::new(), &options).map_err(|error| error.to_string())?;
    let array =
        compile(scalar, &Schema::empty(), String::new()).and_then(|expression| expression.evaluate(&row).map_err(|error| error.reason))?;
    ScalarValue::try_from_array(&array, 0).map_err(|error| error.strip_backtrace())
}
