//! GROUP BY keys and a window: what is aggregated, and how the SELECT list and HAVING read the result.

use std::sync::Arc;

use arrow::datatypes::DataType;
use sqlparser::ast::{Expr, GroupByExpr};

use super::Planner;
use crate::error::{PlanError, Position};
use crate::lower::{AGGREGATES, AggregateCall, Lowerer, Scope};
use crate::plan::WindowInput;
use crate::relation::{Relation, Role, unassign};
use crate::scalar::{Kind, Scalar};
use crate::text::position;

/// A named expression of the SELECT list.
pub(super) type Item = (String, Scalar);

/// What GROUP BY names.
pub(super) struct Grouping {
    /// With their text as a name.
    keys: Vec<Item>,
    /// Input columns that are the window's start and end.
    start: Option<usize>,
    end: Option<usize>,
    at: Position,
}

/// What stands above the grouping, over the columns of the input and [`AGGREGATES`].
pub(super) struct Aggregation {
    pub(super) aggregates: Vec<AggregateCall>,
    pub(super) items: Vec<Item>,
    pub(super) having: Option<Scalar>,
    /// Where each input column was first named.
    pub(super) named: Vec<(usize, Position)>,
}

impl Planner<'_> {
    pub(super) fn grouping(&self, group_by: &GroupByExpr, scope: &Scope<'_>, at: Position) -> Result<Option<Grouping>, PlanError> {
        let GroupByExpr::Expressions(expressions, modifiers) = group_by else {
            return Err(PlanError::new(at, "GROUP BY ALL is not part of Flink SQL").hint("name the columns"));
        };
        if !modifiers.is_empty() {
            return Err(PlanError::new(at, "GROUPING SETS, CUBE and ROLLUP are not supported yet").hint("write one INSERT per grouping"));
        }
        let Some(first) = expressions.first() else { return Ok(None) };
        let at = position(first, at);
        let lowerer = Lowerer::new(&self.budget, scope, "GROUP BY", at);
        let mut grouping = Grouping { keys: Vec::new(), start: None, end: None, at };
        for expression in expressions {
            if let Expr::Value(_) = expression {
                return Err(PlanError::new(position(expression, at), "GROUP BY takes columns, not constants").hint("name the column"));
            }
            let key = lowerer.expression(expression)?;
            if key.data_type == DataType::Null {
                return Err(PlanError::new(position(expression, at), "this key is always NULL").hint("leave it out of GROUP BY"));
            }
            match key.as_column().map_or(Role::Plain, |index| scope.relation.columns[index].role) {
                Role::WindowStart(_) => grouping.start = key.as_column(),
                Role::WindowEnd(_) => grouping.end = key.as_column(),
                Role::WindowTime(_) => {}
                Role::Plain | Role::EventTime if grouping.keys.iter().any(|(_, other)| *other == key) => {}
                Role::Plain | Role::EventTime => {
                    grouping.keys.push((key.text(&|index| scope.relation.name_of(index)), key));
                }
            }
        }
        Ok(Some(grouping))
    }

    pub(super) fn aggregated(
        &self,
        input: &Arc<Relation>,
        grouping: Grouping,
        mut above: Aggregation,
        at: Position,
    ) -> Result<Arc<Relation>, PlanError> {
        let (Some(start), Some(end)) = (grouping.start, grouping.end) else {
            return Err(match grouping.start.or(grouping.end) {
                Some(_) => PlanError::new(grouping.at, "GROUP BY names one end of the window only")
                    .hint("write GROUP BY …, window_start, window_end"),
                None => unbounded(grouping.at, "GROUP BY without a window"),
            });
        };
        let output = Output { input, keys: &grouping.keys, aggregates: above.aggregates.len(), named: &above.named, at };
        above.items.iter_mut().try_for_each(|(_, scalar)| output.rewrite(scalar))?;
        above.having.iter_mut().try_for_each(|scalar| output.rewrite(scalar))?;

        let relation = fused(input, &grouping.keys, &above.aggregates).unwrap_or_else(|| {
            let Role::WindowEnd(window) = input.columns[end].role else { unreachable!("the column was found by its role") };
            let windows = WindowInput::Attached { start, end, window };
            Relation::aggregate(input, windows, grouping.keys.clone(), above.aggregates)
        });
        let mut relation = relation.within(&self.budget, at)?;
        if let Some(predicate) = above.having {
            relation = Relation::filter(&relation, predicate).within(&self.budget, at)?;
        }
        Relation::project(&relation, above.items).within(&self.budget, at)
    }
}

/// The aggregate that assigns rows to windows itself, when nothing but the grouping needs the window columns.
fn fused(input: &Arc<Relation>, keys: &[Item], aggregates: &[AggregateCall]) -> Option<Relation> {
    let below = unassign(input)?;
    let keys = keys.iter().map(|(name, key)| Some((name.clone(), below.remap(key)?))).collect::<Option<Vec<_>>>()?;
    let part = |scalar: &Option<Scalar>| match scalar {
        None => Some(None),
        Some(scalar) => below.remap(scalar).map(Some),
    };
    let aggregates = aggregates
        .iter()
        .map(|call| Some(AggregateCall { argument: part(&call.argument)?, filter: part(&call.filter)?, ..call.clone() }))
        .collect::<Option<Vec<_>>>()?;
    let windows = WindowInput::EventTime { time: below.time, window: below.window };
    Some(Relation::aggregate(&below.relation, windows, keys, aggregates))
}

/// How expressions over the aggregate's input become expressions over its output.
struct Output<'a> {
    input: &'a Relation,
    keys: &'a [Item],
    aggregates: usize,
    named: &'a [(usize, Position)],
    at: Position,
}

impl Output<'_> {
    fn rewrite(&self, scalar: &mut Scalar) -> Result<(), PlanError> {
        scalar.replace(&mut |part| {
            if let Some(key) = self.keys.iter().position(|(_, key)| key == part) {
                return Ok(Some(Scalar { kind: Kind::Column(key), ..part.clone() }));
            }
            let Kind::Column(index) = part.kind else { return Ok(None) };
            let position = match index.checked_sub(AGGREGATES) {
                Some(aggregate) => self.keys.len() + aggregate,
                None => self.keys.len() + self.aggregates + self.window_column(index)?,
            };
            Ok(Some(Scalar { kind: Kind::Column(position), ..part.clone() }))
        })
    }

    /// Which of the three window columns an input column is.
    fn window_column(&self, index: usize) -> Result<usize, PlanError> {
        match self.input.columns[index].role {
            Role::WindowStart(_) => Ok(0),
            Role::WindowEnd(_) => Ok(1),
            Role::WindowTime(_) => Ok(2),
            Role::Plain | Role::EventTime => {
                let at = self.named.iter().find(|(named, _)| *named == index).map_or(self.at, |(_, at)| *at);
                let name = &self.input.columns[index].name;
                Err(PlanError::new(at, format!("column {name} is neither in GROUP BY nor in an aggregate"))
                    .hint(format!("add it to GROUP BY, or write MAX({name})")))
            }
        }
    }
}

pub(super) fn unbounded(at: Position, what: &str) -> PlanError {
    PlanError::new(at, format!("{what} never ends, and results that change are not supported yet"))
        .hint("write FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) … GROUP BY …, window_start, window_end")
}
