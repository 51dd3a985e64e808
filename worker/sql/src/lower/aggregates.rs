//! COUNT, SUM, AVG, MIN, MAX: found in a SELECT list or HAVING, and typed.

use arrow::datatypes::DataType;
use sqlparser::ast::{DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments};

use super::Lowerer;
use crate::error::PlanError;
use crate::plan::AggregateFunction;
use crate::scalar::{Scalar, adjusted, cast, decimal, fold, widen};
use crate::types;

/// What is aggregated, and where it is written.
type Argument<'e> = (Scalar, &'e Expr);

/// Columns from here on stand for aggregates.
pub(crate) const AGGREGATES: usize = 1 << 32;

/// One aggregate over the rows of the input.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AggregateCall {
    pub(crate) function: AggregateFunction,
    pub(crate) argument: Option<Scalar>,
    pub(crate) filter: Option<Scalar>,
    pub(crate) output: DataType,
}

/// The aggregate of this name, if it is one; `None` in it if we do not have it.
pub(super) fn aggregate_named(name: &str) -> Option<Option<AggregateFunction>> {
    Some(match name {
        "COUNT" => Some(AggregateFunction::Count),
        "SUM" => Some(AggregateFunction::Sum),
        "AVG" => Some(AggregateFunction::Avg),
        "MIN" => Some(AggregateFunction::Min),
        "MAX" => Some(AggregateFunction::Max),
        "SUM0"
        | "STDDEV_POP"
        | "STDDEV_SAMP"
        | "STDDEV"
        | "VAR_POP"
        | "VAR_SAMP"
        | "VARIANCE"
        | "COLLECT"
        | "LISTAGG"
        | "ARRAY_AGG"
        | "FIRST_VALUE"
        | "LAST_VALUE"
        | "APPROX_COUNT_DISTINCT"
        | "JSON_ARRAYAGG"
        | "JSON_OBJECTAGG"
        | "PERCENTILE"
        | "GROUPING" => None,
        _ => return None,
    })
}

impl Lowerer<'_> {
    pub(super) fn aggregate(&self, call: &Function, name: &str, function: Option<AggregateFunction>) -> Result<Scalar, PlanError> {
        let Some(aggregates) = &self.aggregates else {
            let hint = if self.clause == "WHERE" {
                "filter aggregates with HAVING"
            } else {
                "aggregates stand in SELECT and HAVING, not inside each other"
            };
            return Err(self.error(call, format!("aggregate {name} cannot stand in {}", self.clause)).hint(hint));
        };
        let Some(function) = function else {
            return Err(self.error(call, format!("aggregate {name} is not supported yet")).hint("there are COUNT, SUM, AVG, MIN and MAX"));
        };
        let rows = Self {
            aggregates: None,
            clause: "an aggregate",
            depth: self.depth.clone(),
            ..Lowerer::new(self.budget, self.scope, "", self.at)
        };
        let (function, argument) = rows.argument(call, name, function)?;
        let filter = call.filter.as_deref().map(|filter| rows.condition(filter)).transpose()?;
        let (argument, output) = match argument {
            None => (None, DataType::Int64),
            Some((scalar, at)) => {
                let (scalar, output) = rows.typed(function, scalar).map_err(|(message, hint)| self.error(at, message).hint(hint))?;
                (Some(fold(scalar, self.at)?), output)
            }
        };
        let nullable = !matches!(function, AggregateFunction::Count | AggregateFunction::CountStar);
        let call = AggregateCall { function, argument, filter, output: output.clone() };
        let mut known = aggregates.borrow_mut();
        let index = known.iter().position(|other| *other == call).unwrap_or(known.len());
        if index == known.len() {
            known.push(call);
        }
        Ok(Scalar::column(AGGREGATES + index, output, nullable))
    }

    fn argument<'e>(
        &self,
        call: &'e Function,
        name: &str,
        function: AggregateFunction,
    ) -> Result<(AggregateFunction, Option<Argument<'e>>), PlanError> {
        let FunctionArguments::List(list) = &call.args else {
            return Err(self.error(call, format!("{name} takes an argument")).hint(format!("write {name}(x)")));
        };
        if list.duplicate_treatment == Some(DuplicateTreatment::Distinct) {
            return Err(self
                .error(call, format!("{name}(DISTINCT …) is not supported yet"))
                .hint("group by the value in a window first, then aggregate the result by window_start, window_end"));
        }
        match list.args.as_slice() {
            [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)] if function == AggregateFunction::Count => {
                Ok((AggregateFunction::CountStar, None))
            }
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] if list.clauses.is_empty() => {
                Ok((function, Some((self.lower(argument)?, argument))))
            }
            _ if function == AggregateFunction::Count => {
                Err(self.error(call, "COUNT takes one argument").hint("write COUNT(*) for rows, COUNT(x) for values"))
            }
            _ => Err(self.error(call, format!("{name} takes one argument")).hint(format!("write {name}(x)"))),
        }
    }

    /// The argument in the type that is accumulated, and the type of the result.
    fn typed(&self, function: AggregateFunction, argument: Scalar) -> Result<(Scalar, DataType), (String, &'static str)> {
        let data_type = argument.data_type.clone();
        let name = function.name();
        let number = "write CAST(… AS BIGINT), DOUBLE or DECIMAL";
        match function {
            AggregateFunction::Count if data_type == DataType::Null => {
                Err(("COUNT of NULL is always 0".to_owned(), "write COUNT(*), or 0"))
            }
            AggregateFunction::CountStar | AggregateFunction::Count => Ok((argument, DataType::Int64)),
            AggregateFunction::Min | AggregateFunction::Max => match data_type {
                DataType::Binary | DataType::Null => Err((format!("{name} of {} is not defined", types::name(&data_type)), number)),
                _ => Ok((argument, data_type)),
            },
            AggregateFunction::Sum => match &data_type {
                integer if integer.is_integer() => Ok((widen(argument, &DataType::Int64), DataType::Int64)),
                DataType::Float32 | DataType::Float64 => Ok((widen(argument, &DataType::Float64), DataType::Float64)),
                DataType::Decimal128(_, scale) => Ok((argument, DataType::Decimal128(38, *scale))),
                other => Err((format!("SUM takes numbers, this is {}", types::name(other)), number)),
            },
            AggregateFunction::Avg => match &data_type {
                DataType::Float32 | DataType::Float64 => Ok((widen(argument, &DataType::Float64), DataType::Float64)),
                DataType::Decimal128(..) => {
                    let (_, scale) = decimal(&data_type).expect("it is a decimal");
                    Ok((argument, adjusted(38, scale.max(6))))
                }
                integer if integer.is_integer() => Err((
                    format!("AVG of {} drops what is behind the point in Flink", types::name(integer)),
                    "write AVG(CAST(x AS DOUBLE)), or SUM(x) / COUNT(x) for the whole number",
                )),
                other => Err((format!("AVG takes numbers, this is {}", types::name(other)), number)),
            },
        }
    }
}

/// A number as DOUBLE.
pub(super) fn double(scalar: Scalar) -> Option<Scalar> {
    if !scalar.data_type.is_numeric() {
        return None;
    }
    cast(scalar, &DataType::Float64, false)
}
