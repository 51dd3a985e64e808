//! SELECT … FROM … WHERE … GROUP BY … HAVING.

use std::cell::RefCell;
use std::sync::Arc;

use sqlparser::ast::{Distinct, Expr, Select, SelectItem, SelectItemQualifiedWildcardKind, WildcardAdditionalOptions};

use super::from::From;
use super::group::{Aggregation, Item, unbounded};
use super::{Names, Planner};
use crate::error::{PlanError, Position};
use crate::lower::{Lowerer, Scope};
use crate::relation::{Relation, RelationColumn};
use crate::scalar::Scalar;
use crate::text::{parts, position, refuse_text};

impl Planner<'_> {
    pub(super) fn select(&self, select: &Select, names: &Names<'_>, at: Position) -> Result<Arc<Relation>, PlanError> {
        let at = position(select, at);
        refuse_clauses(select, at)?;
        let From { relation, qualifier } = self.from(&select.from, names, at)?;
        let own_names = |error| about_own_names(error, &select.projection);
        let relation = match &select.selection {
            None => relation,
            Some(condition) => {
                let scope = Scope { relation: &relation, qualifier: qualifier.clone() };
                let predicate =
                    Lowerer::new(&self.budget, &scope, "WHERE", position(condition, at)).condition(condition).map_err(own_names)?;
                Relation::filter(&relation, predicate).within(&self.budget, at)?
            }
        };
        let scope = Scope { relation: &relation, qualifier };
        let lowerer = Lowerer::new(&self.budget, &scope, "SELECT", at).with_aggregates();
        let items = self.items(&select.projection, &lowerer, at)?;
        let having = select.having.as_ref().map(|having| lowerer.condition(having)).transpose().map_err(own_names)?;
        let (aggregates, named) = lowerer.into_found();
        match self.grouping(&select.group_by, &scope, at).map_err(own_names)? {
            Some(grouping) => self.aggregated(&relation, grouping, Aggregation { aggregates, items, having, named }, at),
            None if !aggregates.is_empty() => Err(unbounded(at, "an aggregate over all rows")),
            None if having.is_some() => Err(PlanError::new(at, "HAVING without GROUP BY").hint("write WHERE")),
            None => Relation::project(&relation, items).within(&self.budget, at),
        }
    }

    /// The SELECT list; `*` becomes all columns.
    fn items(&self, projection: &[SelectItem], lowerer: &Lowerer<'_>, at: Position) -> Result<Vec<Item>, PlanError> {
        let mut items = Vec::new();
        for item in projection {
            match item {
                SelectItem::Wildcard(options) => items.extend(all_columns(lowerer.scope.relation, options, at)?),
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                    let qualifier = lowerer.scope.qualifier.as_ref();
                    if !parts(name).is_some_and(|parts| matches!(parts.as_slice(), [ident] if Some(&ident.value) == qualifier)) {
                        let error = PlanError::new(position(name, at), format!("{name} is not in FROM"));
                        return Err(error.hint(format!("write {}.*", qualifier.map_or("t", String::as_str))));
                    }
                    items.extend(all_columns(lowerer.scope.relation, options, at)?);
                }
                SelectItem::UnnamedExpr(expression) => {
                    let scalar = lowerer.expression(expression)?;
                    items.push((name_of(expression, items.len()), scalar));
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    refuse_text(alias, position(expr, at))?;
                    items.push((alias.value.clone(), lowerer.expression(expr)?));
                }
                _ => return Err(PlanError::new(position(item, at), "this is not supported in SELECT")),
            }
            if items.len() > self.limits.columns {
                return Err(PlanError::new(position(item, at), format!("more than {} columns", self.limits.columns)));
            }
        }
        Ok(items)
    }
}

/// An unknown column that is one of the names which SELECT gives: other clauses do not know them.
fn about_own_names(error: PlanError, projection: &[SelectItem]) -> PlanError {
    let given = projection.iter().find_map(|item| match item {
        SelectItem::ExprWithAlias { alias, .. } if error.message == format!("column {} does not exist", alias.value) => Some(&alias.value),
        _ => None,
    });
    match given {
        Some(name) => error.hint(format!("{name} is a name that SELECT gives: write what it stands for")),
        None => error,
    }
}

fn all_columns(relation: &Relation, options: &WildcardAdditionalOptions, at: Position) -> Result<Vec<Item>, PlanError> {
    let plain = options.opt_ilike.is_none()
        && options.opt_exclude.is_none()
        && options.opt_except.is_none()
        && options.opt_replace.is_none()
        && options.opt_rename.is_none()
        && options.opt_alias.is_none();
    if !plain {
        return Err(PlanError::new(position(options, at), "* takes no options").hint("name the columns"));
    }
    let column =
        |(index, column): (usize, &RelationColumn)| (column.name.clone(), Scalar::column(index, column.data_type.clone(), column.nullable));
    Ok(relation.columns.iter().enumerate().map(column).collect())
}

/// The name of a column without AS: its own, or EXPR$ and its position as in Flink.
fn name_of(expression: &Expr, index: usize) -> String {
    match expression {
        Expr::Identifier(name) => name.value.clone(),
        Expr::CompoundIdentifier(names) => names.last().map_or_else(String::new, |name| name.value.clone()),
        _ => format!("EXPR${index}"),
    }
}

fn refuse_clauses(select: &Select, at: Position) -> Result<(), PlanError> {
    let refused = |message: &str, hint: &str| Err(PlanError::new(at, message).hint(hint));
    if !matches!(select.distinct, None | Some(Distinct::All)) {
        return refused(
            "SELECT DISTINCT needs all rows there ever were",
            "group by the columns and window_start, window_end: distinct per window",
        );
    }
    if select.qualify.is_some() || !select.named_window.is_empty() {
        return refused("OVER windows are not supported yet", "group by a TUMBLE or HOP window");
    }
    let foreign = select.top.is_some()
        || select.into.is_some()
        || select.prewhere.is_some()
        || select.exclude.is_some()
        || select.select_modifiers.is_some()
        || select.value_table_mode.is_some()
        || !select.lateral_views.is_empty()
        || !select.connect_by.is_empty()
        || !select.cluster_by.is_empty()
        || !select.distribute_by.is_empty()
        || !select.sort_by.is_empty();
    if foreign { refused("this clause is not part of Flink SQL", "leave it out") } else { Ok(()) }
}

impl<'a> Lowerer<'a> {
    /// The aggregates found, and where each input column was first named.
    fn into_found(self) -> (Vec<crate::lower::AggregateCall>, Vec<(usize, Position)>) {
        (self.aggregates.map(RefCell::into_inner).unwrap_or_default(), self.named.into_inner())
    }
}
