//! Comparisons, IN, BETWEEN, CASE: what decides, and what is decided.

use arrow::datatypes::DataType;
use datafusion_common::ScalarValue;
use sqlparser::ast::{CaseWhen, Expr};

use super::Lowerer;
use crate::error::PlanError;
use crate::scalar::{Comparison, Kind, Scalar, common_type, fold, unify, widen};
use crate::types;

impl Lowerer<'_> {
    pub(super) fn comparison(&self, operator: Comparison, left: &Expr, right: &Expr) -> Result<Scalar, PlanError> {
        self.compare(operator, self.lower(left)?, left, self.lower(right)?, right)
    }

    pub(super) fn compare(
        &self,
        operator: Comparison,
        left: Scalar,
        left_at: &Expr,
        right: Scalar,
        right_at: &Expr,
    ) -> Result<Scalar, PlanError> {
        let (left, right) = self.unified(left, left_at, right, right_at, "compared")?;
        if left.data_type == DataType::Null {
            return Ok(Scalar::null(&DataType::Boolean));
        }
        fold(Scalar::compare(operator, left, right), self.at(left_at))
    }

    pub(super) fn unified(
        &self,
        left: Scalar,
        left_at: &Expr,
        right: Scalar,
        right_at: &Expr,
        what: &str,
    ) -> Result<(Scalar, Scalar), PlanError> {
        let (left, right) = unify(left, right).map_err(|(left, right)| {
            let error = self.error(left_at, format!("{} and {} cannot be {what}", types::name(&left), types::name(&right)));
            error.hint(match (&left, &right) {
                (DataType::Boolean, other) | (other, DataType::Boolean) if other.is_numeric() => "write a < b AND b < c for a < b < c",
                _ => "make them one type with CAST",
            })
        })?;
        Ok((fold(left, self.at(left_at))?, fold(right, self.at(right_at))?))
    }

    pub(super) fn boolean(&self, scalar: Scalar, at: &Expr) -> Result<Scalar, PlanError> {
        match scalar.data_type {
            DataType::Boolean => Ok(scalar),
            DataType::Null => Ok(Scalar::null(&DataType::Boolean)),
            other => {
                Err(self.error(at, format!("a condition is BOOLEAN, this is {}", types::name(&other))).hint("compare it with something"))
            }
        }
    }

    pub(super) fn is_null(&self, operand: &Expr, negated: bool) -> Result<Scalar, PlanError> {
        let scalar = self.lower(operand)?;
        if scalar.data_type == DataType::Null {
            return Ok(Scalar::literal(ScalarValue::from(!negated)));
        }
        fold(Scalar::boolean(Kind::IsNull { operand: Box::new(scalar), negated }, false), self.at(operand))
    }

    pub(super) fn is_truth(&self, operand: &Expr, truth: Option<bool>, negated: bool) -> Result<Scalar, PlanError> {
        let scalar = self.condition(operand)?;
        let operator = if negated { Comparison::Distinct } else { Comparison::NotDistinct };
        fold(Scalar::compare(operator, scalar, Scalar::literal(ScalarValue::Boolean(truth))), self.at(operand))
    }

    pub(super) fn between(&self, operand: &Expr, negated: bool, low: &Expr, high: &Expr) -> Result<Scalar, PlanError> {
        let above = self.comparison(Comparison::GreaterOrEqual, operand, low)?;
        let below = self.comparison(Comparison::LessOrEqual, operand, high)?;
        let within = Scalar::logic(true, [above, below]);
        let nullable = within.nullable;
        let result = if negated { Scalar::boolean(Kind::Not(Box::new(within)), nullable) } else { within };
        fold(result, self.at(operand))
    }

    pub(super) fn in_list(&self, operand: &Expr, list: &[Expr], negated: bool) -> Result<Scalar, PlanError> {
        if list.len() > self.budget.limits.chain {
            return Err(self.error(operand, format!("more than {} values in one IN", self.budget.limits.chain)));
        }
        let scalar = self.lower(operand)?;
        let values = list.iter().map(|value| self.lower(value)).collect::<Result<Vec<_>, _>>()?;
        let mut data_type = scalar.data_type.clone();
        for (value, at) in values.iter().zip(list) {
            let (left, _) = self.unified(Scalar::column(0, data_type, true), operand, value.clone(), at, "compared")?;
            data_type = left.data_type;
        }
        let scalar = widen(scalar, &data_type);
        let values =
            values.into_iter().zip(list).map(|(value, at)| fold(widen(value, &data_type), self.at(at))).collect::<Result<Vec<_>, _>>()?;
        let nullable = scalar.nullable || values.iter().any(|value| value.nullable);
        let constants: Option<Vec<ScalarValue>> = values.iter().map(|value| value.as_literal().cloned()).collect();
        match constants {
            Some(values) if data_type != DataType::Null => {
                fold(Scalar::boolean(Kind::InList { operand: Box::new(scalar), values, negated }, nullable), self.at(operand))
            }
            _ if values.len() * scalar_size(&scalar) > self.budget.limits.chain => {
                Err(self.error(operand, "this IN compares too large an expression too often").hint("compute it in a view first"))
            }
            _ => {
                let comparison = if negated { Comparison::NotEqual } else { Comparison::Equal };
                Ok(Scalar::logic(negated, values.into_iter().map(|value| Scalar::compare(comparison, scalar.clone(), value))))
            }
        }
    }

    pub(super) fn case(&self, operand: Option<&Expr>, conditions: &[CaseWhen], otherwise: Option<&Expr>) -> Result<Scalar, PlanError> {
        let mut scalar = operand.map(|operand| self.lower(operand)).transpose()?;
        let mut whens = Vec::with_capacity(conditions.len());
        for case in conditions {
            whens.push(match &scalar {
                Some(_) => self.lower(&case.condition)?,
                None => self.condition(&case.condition)?,
            });
        }
        if let (Some(subject), Some(at)) = (&mut scalar, operand) {
            let mut data_type = subject.data_type.clone();
            for (when, case) in whens.iter().zip(conditions) {
                data_type = self.unified(Scalar::column(0, data_type, true), at, when.clone(), &case.condition, "compared")?.0.data_type;
            }
            *subject = widen(subject.clone(), &data_type);
            for (when, case) in whens.iter_mut().zip(conditions) {
                *when = fold(widen(when.clone(), &data_type), self.at(&case.condition))?;
            }
        }
        let thens = conditions.iter().map(|case| self.lower(&case.result)).collect::<Result<Vec<_>, _>>()?;
        let otherwise_scalar = otherwise.map(|otherwise| self.lower(otherwise)).transpose()?;
        let places = conditions.iter().map(|case| &case.result).chain(otherwise).collect::<Vec<_>>();
        let mut results = self.same_type(thens.into_iter().chain(otherwise_scalar).collect(), &places, "results of CASE")?;
        let otherwise_scalar = otherwise.and_then(|_| results.pop()).map(Box::new);
        let data_type = results[0].data_type.clone();
        let nullable = results.iter().any(|result| result.nullable) || otherwise_scalar.as_ref().is_none_or(|result| result.nullable);
        let branches = whens.into_iter().zip(results).collect();
        let case =
            Scalar { kind: Kind::Case { operand: scalar.map(Box::new), branches, otherwise: otherwise_scalar }, data_type, nullable };
        fold(case, self.at(places[0]))
    }

    /// All in the type they have in common.
    pub(super) fn same_type(&self, scalars: Vec<Scalar>, places: &[&Expr], what: &str) -> Result<Vec<Scalar>, PlanError> {
        let mut data_type = DataType::Null;
        for (scalar, at) in scalars.iter().zip(places) {
            data_type = common_type(&data_type, &scalar.data_type).ok_or_else(|| {
                self.error(*at, format!("the {what} have the types {} and {}", types::name(&data_type), types::name(&scalar.data_type)))
                    .hint("make them one type with CAST")
            })?;
        }
        scalars.into_iter().zip(places).map(|(scalar, at)| fold(widen(scalar, &data_type), self.at(*at))).collect()
    }
}

fn scalar_size(scalar: &Scalar) -> usize {
    1 + scalar.children().into_iter().map(scalar_size).sum::<usize>()
}
