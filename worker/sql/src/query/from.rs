//! FROM: one table, view, subquery or windowed table.

use std::sync::Arc;

use sqlparser::ast::{ObjectName, TableAlias, TableFactor, TableWithJoins};

use super::{Names, Planner, column_names};
use crate::error::{PlanError, Position};
use crate::relation::Relation;
use crate::text::{named_at, parts, position, refuse_text};

/// The rows of FROM and the name that may stand before their columns.
pub(super) struct From {
    pub(super) relation: Arc<Relation>,
    pub(super) qualifier: Option<String>,
}

impl Planner<'_> {
    pub(super) fn from(&self, from: &[TableWithJoins], names: &Names<'_>, at: Position) -> Result<From, PlanError> {
        match from {
            [] => Err(PlanError::new(at, "a query reads from a table").hint("write SELECT … FROM topic")),
            [only] => match only.joins.first() {
                None => self.factor(&only.relation, names, at),
                Some(first) => Err(join(position(first, position(&only.relation, at)))),
            },
            [_, second, ..] => Err(join(position(second, at))),
        }
    }

    fn factor(&self, factor: &TableFactor, names: &Names<'_>, at: Position) -> Result<From, PlanError> {
        let at = position(factor, at);
        match factor {
            TableFactor::Table { name, alias, args: None, version: None, sample: None, with_hints, partitions, .. }
                if with_hints.is_empty() && partitions.is_empty() =>
            {
                let relation = self.table(name, names, at)?;
                let own = parts(name).and_then(|parts| parts.last().map(|ident| ident.value.clone()));
                self.aliased(relation, alias.as_ref(), own, at)
            }
            TableFactor::Table { version: Some(_), .. } => {
                Err(PlanError::new(at, "FOR SYSTEM_TIME AS OF belongs to joins, which are not supported yet")
                    .hint("put the value into the topic"))
            }
            TableFactor::Table { name, args: Some(_), .. } if is_window(name) => {
                Err(PlanError::new(at, format!("{name} is called without TABLE(…)"))
                    .hint("write FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))"))
            }
            TableFactor::Table { name, args: Some(_), .. } => {
                Err(PlanError::new(at, format!("table function {name} is not supported"))
                    .hint("there are TABLE(TUMBLE(…)) and TABLE(HOP(…))"))
            }
            TableFactor::Derived { lateral: false, subquery, alias, sample: None } => {
                let relation = self.query(subquery, names, at)?;
                self.aliased(relation, alias.as_ref(), None, at)
            }
            TableFactor::TableFunction { expr, alias } => {
                let relation = self.windowed(expr, names, at)?;
                self.aliased(relation, alias.as_ref(), None, at)
            }
            TableFactor::MatchRecognize { .. } => {
                Err(PlanError::new(at, "MATCH_RECOGNIZE is not supported yet").hint("compare aggregates of windows"))
            }
            TableFactor::NestedJoin { .. } => Err(join(at)),
            _ => Err(PlanError::new(at, "this is not supported in FROM").hint("write a table, a view, (SELECT …) or TABLE(TUMBLE(…))")),
        }
    }

    fn aliased(&self, relation: Arc<Relation>, alias: Option<&TableAlias>, own: Option<String>, at: Position) -> Result<From, PlanError> {
        let Some(alias) = alias else { return Ok(From { relation, qualifier: own }) };
        refuse_text(&alias.name, at)?;
        let at = named_at(&alias.name, at);
        let relation = self.renamed(relation, &column_names(&alias.columns), at)?;
        Ok(From { relation, qualifier: Some(alias.name.value.clone()) })
    }
}

fn join(at: Position) -> PlanError {
    PlanError::new(at, "joins are not supported yet").hint("a query reads one table; UNION ALL puts tables of one shape together")
}

fn is_window(name: &ObjectName) -> bool {
    let names = parts(name).unwrap_or_default();
    matches!(names.as_slice(), [name] if ["TUMBLE", "HOP", "CUMULATE", "SESSION"].iter().any(|window| name.value.eq_ignore_ascii_case(window)))
}
