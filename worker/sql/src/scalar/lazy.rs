//! The parts of an expression that the library does not have: our kernels, and operators that do not look at what they need not.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::compute::kernels::zip::zip;
use arrow::compute::{and_kleene, is_null, or_kleene};
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use arrow::record_batch::RecordBatch;
use datafusion_common::Result;
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::PhysicalExpr;

use crate::kernel::Kernel;

/// A kernel over evaluated arguments; COALESCE evaluates them one by one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Call {
    pub(super) kernel: Kernel,
    pub(super) arguments: Vec<Arc<dyn PhysicalExpr>>,
    pub(super) data_type: DataType,
    pub(super) nullable: bool,
}

/// AND or OR of many, left to right. What can fail is evaluated only for rows that the operands before it leave open, as in Flink:
/// `b <> 0 AND a / b > 1` has an answer for every row. A flat list, so that its length costs no stack.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Logic {
    pub(super) all: bool,
    pub(super) operands: Vec<Arc<dyn PhysicalExpr>>,
    /// For each operand.
    pub(super) fallible: Vec<bool>,
    pub(super) nullable: bool,
}

impl Call {
    fn coalesce(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        let rows = batch.num_rows();
        let mut first = self.arguments[0].evaluate(batch)?.into_array(rows)?;
        for argument in &self.arguments[1..] {
            if first.null_count() == 0 {
                break;
            }
            let open = is_null(&first)?;
            let other = argument.evaluate_selection(batch, &open)?.into_array(rows)?;
            first = zip(&open, &other, &first)?;
        }
        Ok(first)
    }
}

impl Logic {
    fn combine(&self, left: &BooleanArray, right: &BooleanArray) -> Result<BooleanArray> {
        Ok(if self.all { and_kleene(left, right) } else { or_kleene(left, right) }?)
    }

    /// Rows whose result the next operand can still change.
    fn open(&self, result: &BooleanArray) -> BooleanArray {
        BooleanArray::from_iter(result.iter().map(|value| Some(value != Some(!self.all))))
    }
}

impl PhysicalExpr for Call {
    fn return_field(&self, _input_schema: &Schema) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(self.kernel.name(), self.data_type.clone(), self.nullable)))
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        if self.kernel == Kernel::Coalesce {
            return self.coalesce(batch).map(ColumnarValue::Array);
        }
        let rows = batch.num_rows();
        let arguments = self.arguments.iter().map(|argument| argument.evaluate(batch)?.into_array(rows)).collect::<Result<Vec<_>>>()?;
        Ok(ColumnarValue::Array(self.kernel.apply(&arguments, &self.data_type)?))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.arguments.iter().collect()
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(Arc::new(Self { arguments: children, ..Self::clone(&self) }))
    }

    fn fmt_sql(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

impl PhysicalExpr for Logic {
    fn return_field(&self, _input_schema: &Schema) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(if self.all { "AND" } else { "OR" }, DataType::Boolean, self.nullable)))
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let rows = batch.num_rows();
        let mut result = self.operands[0].evaluate(batch)?.into_array(rows)?.as_boolean().clone();
        for (operand, fallible) in self.operands.iter().zip(&self.fallible).skip(1) {
            let open = self.open(&result);
            if !open.has_true() {
                break;
            }
            let value = if *fallible { operand.evaluate_selection(batch, &open)? } else { operand.evaluate(batch)? };
            result = self.combine(&result, value.into_array(rows)?.as_boolean())?;
        }
        Ok(ColumnarValue::Array(Arc::new(result)))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.operands.iter().collect()
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(Arc::new(Self { operands: children, ..Self::clone(&self) }))
    }

    fn fmt_sql(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

impl fmt::Display for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}(", self.kernel.name())?;
        list(formatter, &self.arguments, ", ")
    }
}

impl fmt::Display for Logic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(")?;
        list(formatter, &self.operands, if self.all { " AND " } else { " OR " })
    }
}

fn list(formatter: &mut fmt::Formatter<'_>, items: &[Arc<dyn PhysicalExpr>], between: &str) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        write!(formatter, "{}{item}", if index == 0 { "" } else { between })?;
    }
    formatter.write_str(")")
}
