//! From our tree to something that evaluates batches.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::Operator;
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::expressions::{
    BinaryExpr, CaseExpr, Column, IsNotNullExpr, IsNullExpr, LikeExpr, Literal, NegativeExpr, NotExpr, in_list,
};

use super::lazy::{Call, Logic};
use super::{Arithmetic, Comparison, Kind, Scalar};
use crate::expression::Expression;
use crate::kernel::{Kernel, comparable_f32, comparable_f64};

/// Compiles over the columns of `schema`.
///
/// # Errors
/// The library refuses what our typing let through: a bug of ours, reported instead of panicking.
pub(crate) fn compile(scalar: &Scalar, schema: &Schema, text: String) -> std::result::Result<Expression, String> {
    let physical = physical(scalar, schema).map_err(|error| error.strip_backtrace())?;
    let mut columns = BTreeSet::new();
    scalar.columns_into(&mut columns);
    let columns = columns.into_iter().collect();
    Ok(Expression::new(physical, text, scalar.data_type.clone(), scalar.nullable, columns, scalar.is_fallible()))
}

fn physical(scalar: &Scalar, schema: &Schema) -> Result<Arc<dyn PhysicalExpr>> {
    let compile = |scalar: &Scalar| physical(scalar, schema);
    let call = |kernel: Kernel, arguments| Call { kernel, arguments, data_type: scalar.data_type.clone(), nullable: scalar.nullable };
    let compile_all = |scalars: &[Scalar]| scalars.iter().map(compile).collect::<Result<Vec<_>>>();
    Ok(match &scalar.kind {
        Kind::Column(index) => Arc::new(Column::new(schema.field(*index).name(), *index)),
        Kind::Literal(value) => Arc::new(Literal::new(value.clone())),
        Kind::Arithmetic { operator, left, right } => {
            let binary = BinaryExpr::new(compile(left)?, arithmetic(*operator), compile(right)?);
            let computed: Arc<dyn PhysicalExpr> = Arc::new(binary.with_fail_on_overflow(true));
            // The library lets a DECIMAL of 38 digits grow one more.
            let may_grow = matches!(scalar.data_type, DataType::Decimal128(38, _));
            match computed.data_type(schema)? == scalar.data_type && !may_grow {
                true => computed,
                false => Arc::new(call(Kernel::Cast { safe: false }, vec![computed])),
            }
        }
        Kind::Compare { operator, left, right } => {
            Arc::new(BinaryExpr::new(comparable(left, schema)?, comparison(*operator), comparable(right, schema)?))
        }
        Kind::Logic { all, operands } => Arc::new(Logic {
            all: *all,
            fallible: operands.iter().map(Scalar::is_fallible).collect(),
            operands: compile_all(operands)?,
            nullable: scalar.nullable,
        }),
        Kind::Not(operand) => Arc::new(NotExpr::new(compile(operand)?)),
        Kind::Negate(operand) => Arc::new(NegativeExpr::new(compile(operand)?)),
        Kind::IsNull { operand, negated: false } => Arc::new(IsNullExpr::new(compile(operand)?)),
        Kind::IsNull { operand, negated: true } => Arc::new(IsNotNullExpr::new(compile(operand)?)),
        Kind::Concat(left, right) => Arc::new(call(Kernel::Concat, vec![compile(left)?, compile(right)?])),
        Kind::Case { operand, branches, otherwise } => {
            let has_operand = operand.is_some();
            let when = |when: &Scalar| if has_operand { comparable(when, schema) } else { compile(when) };
            let branches = branches.iter().map(|(condition, then)| Ok((when(condition)?, compile(then)?))).collect::<Result<Vec<_>>>()?;
            let operand = operand.as_deref().map(|operand| comparable(operand, schema)).transpose()?;
            Arc::new(CaseExpr::try_new(operand, branches, otherwise.as_deref().map(compile).transpose()?)?)
        }
        Kind::InList { operand, values, negated } => {
            let values = values.iter().map(|value| Arc::new(Literal::new(comparable_constant(value))) as Arc<dyn PhysicalExpr>).collect();
            in_list(comparable(operand, schema)?, values, negated, schema)?
        }
        Kind::Like { operand, pattern, negated } => {
            let pattern = Arc::new(Literal::new(ScalarValue::from(pattern.as_str())));
            Arc::new(LikeExpr::new(*negated, false, compile(operand)?, pattern))
        }
        Kind::Cast { operand, safe, .. } => Arc::new(call(Kernel::Cast { safe: *safe }, vec![compile(operand)?])),
        Kind::Call { kernel, arguments } => Arc::new(call(kernel.clone(), compile_all(arguments)?)),
    })
}

/// The operand of a comparison; see [`Kernel::Comparable`].
fn comparable(scalar: &Scalar, schema: &Schema) -> Result<Arc<dyn PhysicalExpr>> {
    if !scalar.data_type.is_floating() {
        return physical(scalar, schema);
    }
    match scalar.as_literal() {
        Some(value) => Ok(Arc::new(Literal::new(comparable_constant(value)))),
        None => Ok(Arc::new(Call {
            kernel: Kernel::Comparable,
            arguments: vec![physical(scalar, schema)?],
            data_type: scalar.data_type.clone(),
            nullable: scalar.nullable,
        })),
    }
}

fn comparable_constant(value: &ScalarValue) -> ScalarValue {
    match value {
        ScalarValue::Float32(Some(value)) => ScalarValue::Float32(Some(comparable_f32(*value))),
        ScalarValue::Float64(Some(value)) => ScalarValue::Float64(Some(comparable_f64(*value))),
        other => other.clone(),
    }
}

fn arithmetic(operator: Arithmetic) -> Operator {
    match operator {
        Arithmetic::Plus => Operator::Plus,
        Arithmetic::Minus => Operator::Minus,
        Arithmetic::Multiply => Operator::Multiply,
        Arithmetic::Divide => Operator::Divide,
        Arithmetic::Modulo => Operator::Modulo,
    }
}

fn comparison(operator: Comparison) -> Operator {
    match operator {
        Comparison::Equal => Operator::Eq,
        Comparison::NotEqual => Operator::NotEq,
        Comparison::Less => Operator::Lt,
        Comparison::LessOrEqual => Operator::LtEq,
        Comparison::Greater => Operator::Gt,
        Comparison::GreaterOrEqual => Operator::GtEq,
        Comparison::Distinct => Operator::IsDistinctFrom,
        Comparison::NotDistinct => Operator::IsNotDistinctFrom,
    }
}
