//! From the parser's expressions to typed ones: names are looked up, Flink's typing rules applied, everything we do not run refused.

use std::cell::{Cell, RefCell};

use arrow::datatypes::DataType;
use sqlparser::ast::{BinaryOperator, Expr, Ident, Spanned, UnaryOperator};

use crate::error::{PlanError, Position};
use crate::relation::Relation;
use crate::scalar::{Comparison, Kind, Scalar, fold, implicit, widen};
use crate::text::{named_at, position};
use crate::types;

mod aggregates;
mod arithmetic;
mod budget;
mod conditions;
mod functions;
mod like;
pub(crate) mod literals;
mod names;
mod numbers;
mod suggest;
mod texts;
mod times;

pub(crate) use aggregates::{AGGREGATES, AggregateCall};
pub(crate) use budget::Budget;
pub(crate) use suggest::closest;

/// The columns an expression may name: those of one relation.
pub(crate) struct Scope<'a> {
    pub(crate) relation: &'a Relation,
    /// The alias or table name that may stand before a column.
    pub(crate) qualifier: Option<String>,
}

/// Lowers the expressions of one clause.
pub(crate) struct Lowerer<'a> {
    pub(crate) budget: &'a Budget<'a>,
    pub(crate) scope: &'a Scope<'a>,
    /// For messages: `WHERE`, `SELECT` …
    pub(crate) clause: &'static str,
    /// Where the clause begins, for the few expressions without a place of their own.
    pub(crate) at: Position,
    /// Aggregate calls found so far, where they are allowed: each is represented by the column [`AGGREGATES`] + its index.
    pub(crate) aggregates: Option<RefCell<Vec<AggregateCall>>>,
    /// Where each input column was first named.
    pub(crate) named: RefCell<Vec<(usize, Position)>>,
    depth: Cell<usize>,
}

impl<'a> Lowerer<'a> {
    pub(crate) fn new(budget: &'a Budget<'a>, scope: &'a Scope<'a>, clause: &'static str, at: Position) -> Self {
        Self { budget, scope, clause, at, aggregates: None, named: RefCell::default(), depth: Cell::new(0) }
    }

    pub(crate) fn with_aggregates(self) -> Self {
        Self { aggregates: Some(RefCell::default()), ..self }
    }

    /// A typed expression of bounded height.
    pub(crate) fn expression(&self, expression: &Expr) -> Result<Scalar, PlanError> {
        self.lower(expression)
    }

    /// A BOOLEAN, for WHERE and HAVING.
    pub(crate) fn condition(&self, expression: &Expr) -> Result<Scalar, PlanError> {
        let scalar = self.lower(expression)?;
        self.boolean(scalar, expression)
    }

    fn at(&self, node: &impl Spanned) -> Position {
        position(node, self.at)
    }

    fn error(&self, node: &impl Spanned, message: impl Into<String>) -> PlanError {
        PlanError::new(self.at(node), message)
    }

    fn lower(&self, expression: &Expr) -> Result<Scalar, PlanError> {
        let most = self.budget.limits.depth + self.budget.limits.operators;
        if self.depth.get() >= most {
            return Err(PlanError::new(self.at, format!("the expression has more than {most} levels")).hint("move parts of it into views"));
        }
        self.depth.set(self.depth.get() + 1);
        let lowered = self.budget.spend(self.at).and_then(|()| self.dispatch(expression));
        self.depth.set(self.depth.get() - 1);
        lowered
    }

    /// Places are only computed where they are needed: finding one walks the whole expression.
    fn dispatch(&self, expression: &Expr) -> Result<Scalar, PlanError> {
        match expression {
            Expr::Identifier(name) => self.column(name),
            Expr::CompoundIdentifier(names) => self.qualified_column(names),
            Expr::Value(value) => self.value(value),
            Expr::Nested(inner) => self.lower(inner),
            Expr::BinaryOp { .. } => self.binary_chain(expression),
            Expr::UnaryOp { op, expr } => self.unary(*op, expr),
            Expr::IsNull(operand) => self.is_null(operand, false),
            Expr::IsNotNull(operand) => self.is_null(operand, true),
            Expr::IsTrue(operand) => self.is_truth(operand, Some(true), false),
            Expr::IsNotTrue(operand) => self.is_truth(operand, Some(true), true),
            Expr::IsFalse(operand) => self.is_truth(operand, Some(false), false),
            Expr::IsNotFalse(operand) => self.is_truth(operand, Some(false), true),
            Expr::IsUnknown(operand) => self.is_truth(operand, None, false),
            Expr::IsNotUnknown(operand) => self.is_truth(operand, None, true),
            Expr::IsDistinctFrom(left, right) => self.comparison(Comparison::Distinct, left, right),
            Expr::IsNotDistinctFrom(left, right) => self.comparison(Comparison::NotDistinct, left, right),
            Expr::Between { expr, negated, low, high } => self.between(expr, *negated, low, high),
            Expr::InList { expr, list, negated } => self.in_list(expr, list, *negated),
            Expr::Like { negated, any: false, expr, pattern, escape_char } => self.like(*negated, expr, pattern, escape_char.as_ref()),
            Expr::Case { operand, conditions, else_result, .. } => self.case(operand.as_deref(), conditions, else_result.as_deref()),
            Expr::Cast { kind, expr, data_type, array: false, format: None } => self.cast(expression, kind, expr, data_type),
            Expr::Extract { field, expr, .. } => self.extract(field, expr),
            Expr::Ceil { expr, field } => self.round_to(expr, field, true),
            Expr::Floor { expr, field } => self.round_to(expr, field, false),
            Expr::Position { expr, r#in } => self.position_of(expr, r#in),
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                self.substring(expression, expr, substring_from.as_deref(), substring_for.as_deref())
            }
            Expr::Trim { trim_where, trim_what, expr, trim_characters: None } => self.trim(trim_where.as_ref(), trim_what.as_deref(), expr),
            Expr::TypedString(typed) => self.typed_string(typed),
            Expr::Function(function) => self.function(function),
            other => Err(self.refused(other)),
        }
    }

    fn refused(&self, expression: &Expr) -> PlanError {
        let (message, hint) = match expression {
            Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } | Expr::AnyOp { .. } | Expr::AllOp { .. } => {
                ("subqueries in expressions are joins, which are not supported yet", "put the values in as constants, or into the topic")
            }
            Expr::Interval(_) => ("an INTERVAL stands only after + or - of a date or timestamp", "write ts + INTERVAL '1' HOUR"),
            Expr::ILike { .. } => ("ILIKE is not part of Flink SQL", "write LOWER(x) LIKE '…'"),
            Expr::SimilarTo { .. } | Expr::RLike { .. } => ("regular expressions are not supported yet", "write LIKE"),
            Expr::AtTimeZone { .. } => ("AT TIME ZONE is not supported", "timestamps are in UTC"),
            Expr::CompoundFieldAccess { .. }
            | Expr::JsonAccess { .. }
            | Expr::Array(_)
            | Expr::Map(_)
            | Expr::Struct { .. }
            | Expr::Tuple(_) => ("nested values are not supported yet", "declare the fields you need as columns of their own"),
            Expr::GroupingSets(_) | Expr::Cube(_) | Expr::Rollup(_) => {
                ("GROUPING SETS, CUBE and ROLLUP are not supported yet", "write one INSERT per grouping, or UNION ALL")
            }
            Expr::Prefixed { .. } => ("TABLE name stands only as an argument of TUMBLE and HOP", "write FROM TABLE(TUMBLE(TABLE t, …))"),
            Expr::Overlay { .. } => ("OVERLAY is not supported yet", "write LEFT(…) || '…' || SUBSTRING(…)"),
            Expr::Convert { .. } => ("CONVERT is not part of Flink SQL", "write CAST(… AS …)"),
            Expr::Collate { .. } => ("texts are compared by their characters, COLLATE is not supported", "leave it out"),
            Expr::Cast { .. } => ("this form of CAST is not part of Flink SQL", "write CAST(… AS type), or DATE_FORMAT(ts, '…')"),
            _ => (
                "this is not supported in an expression",
                "there are columns, constants, operators, CASE, CAST, IN, LIKE, BETWEEN, IS and functions",
            ),
        };
        self.error(expression, message).hint(hint)
    }

    /// A column by its name, exactly as it was declared.
    pub(crate) fn column(&self, name: &Ident) -> Result<Scalar, PlanError> {
        let columns = &self.scope.relation.columns;
        let mut found = columns.iter().enumerate().filter(|(_, column)| column.name == name.value);
        let Some((index, column)) = found.next() else { return Err(self.unknown_column(name)) };
        let at = named_at(name, self.at);
        if found.next().is_some() {
            return Err(PlanError::new(at, format!("column {} is ambiguous: two columns have this name", name.value))
                .hint("give one of them another name with AS where it is made"));
        }
        self.named.borrow_mut().push((index, at));
        Ok(Scalar::column(index, column.data_type.clone(), column.nullable))
    }

    fn unknown_column(&self, name: &Ident) -> PlanError {
        let names = self.scope.relation.columns.iter().map(|column| column.name.as_str());
        let error = PlanError::new(named_at(name, self.at), format!("column {} does not exist", name.value));
        match closest(&name.value, names.clone()) {
            Some(close) => error.hint(format!("did you mean {close}?")),
            None => error.hint(format!("there are {}", suggest::some(names))),
        }
    }

    fn qualified_column(&self, names: &[Ident]) -> Result<Scalar, PlanError> {
        let [qualifier, name] = names else {
            return Err(PlanError::new(named_at(&names[0], self.at), "nested fields are not supported yet")
                .hint("declare the field as a column of its own"));
        };
        match &self.scope.qualifier {
            Some(known) if *known == qualifier.value => self.column(name),
            Some(known) => Err(PlanError::new(named_at(qualifier, self.at), format!("{} is not in FROM", qualifier.value))
                .hint(format!("write {known}.{}", name.value))),
            None => Err(PlanError::new(named_at(qualifier, self.at), format!("{} is not in FROM", qualifier.value))
                .hint(format!("write {}", name.value))),
        }
    }

    /// A chain of operators is a tree as deep as it is long, so it is taken apart in a loop.
    fn binary_chain(&self, expression: &Expr) -> Result<Scalar, PlanError> {
        let limits = self.budget.limits;
        let mut chain = Vec::new();
        let mut first = expression;
        while let Expr::BinaryOp { left, op, right } = first {
            chain.push((op, right.as_ref()));
            first = left;
        }
        let is_logic = |operator: &BinaryOperator| matches!(operator, BinaryOperator::And | BinaryOperator::Or);
        let logical = chain.iter().filter(|(operator, _)| is_logic(operator)).count();
        if logical >= limits.chain {
            return Err(PlanError::new(self.at, format!("more than {} conditions in one AND or OR", limits.chain))
                .hint("write IN (…), or split the query into several INSERTs"));
        }
        if chain.len() - logical > limits.operators {
            return Err(PlanError::new(self.at, format!("more than {} operators in one chain", limits.operators))
                .hint("move parts of it into views"));
        }
        chain.reverse();
        let mut result = self.lower(first)?;
        let mut left: &Expr = first;
        let mut rest = chain.as_slice();
        while let [(operator, right), ..] = rest {
            if is_logic(operator) {
                let run = rest.iter().take_while(|(other, _)| other == operator).count();
                let mut operands = vec![self.boolean(result, left)?];
                for (_, operand) in &rest[..run] {
                    operands.push(self.condition(operand)?);
                }
                result = Scalar::logic(**operator == BinaryOperator::And, operands);
                if result.children().iter().all(|operand| operand.as_literal().is_some()) {
                    result = fold(result, self.at(*right))?;
                }
                rest = &rest[run..];
            } else {
                result = self.binary(result, left, operator, right)?;
                rest = &rest[1..];
            }
            left = right;
        }
        Ok(result)
    }

    fn binary(&self, left: Scalar, left_at: &Expr, operator: &BinaryOperator, right: &Expr) -> Result<Scalar, PlanError> {
        if let Expr::Interval(interval) = right {
            return self.add_interval(left, left_at, operator, interval);
        }
        let right_scalar = self.lower(right)?;
        match operator {
            BinaryOperator::StringConcat => {
                let (left, right) = (self.text_operand(left, left_at, "||")?, self.text_operand(right_scalar, right, "||")?);
                fold(concat(left, right), self.at(left_at))
            }
            other => match comparison_of(other) {
                Some(comparison) => self.compare(comparison, left, left_at, right_scalar, right),
                None => self.arithmetic(other, left, left_at, right_scalar, right),
            },
        }
    }

    fn text_operand(&self, scalar: Scalar, at: &Expr, function: &str) -> Result<Scalar, PlanError> {
        match scalar.data_type {
            DataType::Utf8 => Ok(scalar),
            DataType::Null => Ok(Scalar::null(&DataType::Utf8)),
            other => {
                Err(self.error(at, format!("{function} takes STRING, this is {}", types::name(&other))).hint("write CAST(… AS STRING)"))
            }
        }
    }

    fn unary(&self, operator: UnaryOperator, operand: &Expr) -> Result<Scalar, PlanError> {
        match operator {
            UnaryOperator::Not => {
                let operand_scalar = self.condition(operand)?;
                let nullable = operand_scalar.nullable;
                fold(Scalar::boolean(Kind::Not(Box::new(operand_scalar)), nullable), self.at(operand))
            }
            UnaryOperator::Minus => self.negate(operand),
            UnaryOperator::Plus => {
                let scalar = self.lower(operand)?;
                if scalar.data_type.is_numeric() {
                    Ok(scalar)
                } else {
                    Err(self.error(operand, "+ stands before a number").hint("leave it out"))
                }
            }
            _ => Err(self.error(operand, format!("operator {operator} is not supported")).hint("there are NOT and -")),
        }
    }
}

/// `left || right`.
pub(super) fn concat(left: Scalar, right: Scalar) -> Scalar {
    let nullable = left.nullable || right.nullable;
    Scalar { kind: Kind::Concat(Box::new(left), Box::new(right)), data_type: DataType::Utf8, nullable }
}

fn comparison_of(operator: &BinaryOperator) -> Option<Comparison> {
    Some(match operator {
        BinaryOperator::Eq => Comparison::Equal,
        BinaryOperator::NotEq => Comparison::NotEqual,
        BinaryOperator::Lt => Comparison::Less,
        BinaryOperator::LtEq => Comparison::LessOrEqual,
        BinaryOperator::Gt => Comparison::Greater,
        BinaryOperator::GtEq => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

/// The expression as a value of a column of this type, if nothing can be lost.
pub(crate) fn into_column(scalar: Scalar, to: &DataType) -> Option<Scalar> {
    implicit(&scalar.data_type, to).then(|| widen(scalar, to))
}
