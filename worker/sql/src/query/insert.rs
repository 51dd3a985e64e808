//! INSERT INTO a topic: which column goes where, with types that lose nothing.

use std::sync::Arc;

use arrow::datatypes::DataType;
use sqlparser::ast::{Insert, Query, SelectItem, SetExpr};

use super::{Names, Planner, target};
use crate::catalog::{Column, ColumnFrom, Table};
use crate::error::{PlanError, Position};
use crate::lower::{closest, into_column};
use crate::relation::Relation;
use crate::scalar::Scalar;
use crate::text::{named_at, position, single};
use crate::types;

/// Rows and the topic they go to; the rows have its written columns, in its order, with its types.
pub(crate) struct Insertion {
    pub(crate) at: Position,
    pub(crate) table: Arc<Table>,
    pub(crate) relation: Arc<Relation>,
}

impl Planner<'_> {
    pub(super) fn insert(&self, insert: &Insert, at: Position) -> Result<Insertion, PlanError> {
        let name = target(&insert.table, at)?;
        let place = named_at(name, at);
        let usage = "write INSERT INTO topic (columns) SELECT …";
        if !is_plain(insert) {
            return Err(PlanError::new(place, "this form of INSERT is not supported").hint(usage));
        }
        let Some(query) = &insert.source else { return Err(PlanError::new(place, "INSERT INTO takes a query").hint(usage)) };
        if self.named.contains_key(&name.value) {
            let what = if self.files.contains(&name.value) { "a table that can only be read" } else { "a view" };
            return Err(PlanError::new(place, format!("{} is {what}", name.value)).hint("INSERT INTO a topic"));
        }
        let table = self.topic(&name.value, place)?;
        let targets = targets(table, insert, place)?;
        let relation = self.query(query, &Names::default(), at)?;
        if relation.columns.len() != targets.len() {
            return Err(PlanError::new(place, count_mismatch(table, &targets, &relation)));
        }
        let places = item_places(query, place);
        let mut named = Vec::new();
        for (index, column) in table.columns.iter().enumerate().filter(|(_, column)| is_written(column)) {
            let scalar = match targets.iter().position(|target| *target == index) {
                Some(given) => given_value(table, column, &relation, given, places.get(given).copied().unwrap_or(place))?,
                None => Scalar::null(&column.data_type),
            };
            named.push((column.name.clone(), scalar));
        }
        let relation = Relation::project(&relation, named).within(&self.budget, place)?;
        Ok(Insertion { at: place, table: Arc::new(table.clone()), relation })
    }
}

fn given_value(table: &Table, column: &Column, relation: &Relation, given: usize, at: Position) -> Result<Scalar, PlanError> {
    let from = &relation.columns[given];
    if from.data_type == DataType::Null && !column.nullable {
        return Err(PlanError::new(at, format!("column {} of {} is NOT NULL, the query gives NULL", column.name, table.name))
            .hint("give it a value"));
    }
    let scalar = Scalar::column(given, from.data_type.clone(), from.nullable);
    into_column(scalar, &column.data_type).ok_or_else(|| {
        let (from_type, to_type) = (types::name(&from.data_type), types::name(&column.data_type));
        PlanError::new(at, format!("column {} of {} is {to_type}, the query gives {} {from_type}", column.name, table.name, from.name))
            .hint(format!("write CAST({} AS {to_type})", if from.name.starts_with("EXPR$") { "…" } else { &from.name }))
    })
}

/// Columns that a record can be given: its value and its timestamp, not its partition and offset.
pub(crate) fn is_written(column: &Column) -> bool {
    matches!(column.from, ColumnFrom::Value | ColumnFrom::Timestamp)
}

/// The table's columns that the query's go to, in the query's order.
fn targets(table: &Table, insert: &Insert, at: Position) -> Result<Vec<usize>, PlanError> {
    if insert.columns.is_empty() {
        return Ok((0..table.columns.len()).filter(|index| is_written(&table.columns[*index])).collect());
    }
    let mut targets = Vec::new();
    for name in &insert.columns {
        let ident = single(name, position(name, at))?;
        let place = named_at(ident, at);
        let index = table.column_index(&ident.value).ok_or_else(|| {
            let error = PlanError::new(place, format!("{} has no column {}", table.name, ident.value));
            match closest(&ident.value, table.columns.iter().map(|column| column.name.as_str())) {
                Some(close) => error.hint(format!("did you mean {close}?")),
                None => error,
            }
        })?;
        if !is_written(&table.columns[index]) {
            return Err(PlanError::new(place, format!("column {} is given by the broker, not by the query", ident.value)));
        }
        if targets.contains(&index) {
            return Err(PlanError::new(place, format!("column {} is named twice", ident.value)));
        }
        targets.push(index);
    }
    let columns = table.columns.iter().enumerate();
    let mut missing = columns.filter(|(index, column)| column.from == ColumnFrom::Value && !targets.contains(index));
    match missing.find(|(index, column)| !column.nullable || table.key.contains(index)) {
        None => Ok(targets),
        Some((index, column)) => {
            let what = if table.key.contains(&index) { "part of the key" } else { "NOT NULL" };
            Err(PlanError::new(at, format!("column {} of {} is {what} and is not given", column.name, table.name)))
        }
    }
}

fn count_mismatch(table: &Table, targets: &[usize], relation: &Relation) -> String {
    let few = |columns: &[String]| match columns.len() {
        0..=12 => columns.join(", "),
        _ => format!("{}, …", columns[..12].join(", ")),
    };
    let wanted = targets.iter().map(|index| &table.columns[*index]);
    let wanted = wanted.map(|column| format!("{} {}", column.name, types::name(&column.data_type))).collect::<Vec<_>>();
    let given = relation.columns.iter();
    let given = given.map(|column| format!("{} {}", column.name, types::name(&column.data_type))).collect::<Vec<_>>();
    format!("{} takes {} columns ({}), the query gives {} ({})", table.name, wanted.len(), few(&wanted), given.len(), few(&given))
}

/// Where each column of the query is written, for a plain SELECT list.
fn item_places(query: &Query, at: Position) -> Vec<Position> {
    let SetExpr::Select(select) = query.body.as_ref() else { return Vec::new() };
    let is_one = |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. });
    if !select.projection.iter().all(is_one) {
        return Vec::new();
    }
    select.projection.iter().map(|item| position(item, at)).collect()
}

fn is_plain(insert: &Insert) -> bool {
    insert.into
        && insert.or.is_none()
        && !insert.ignore
        && insert.table_alias.is_none()
        && !insert.overwrite
        && insert.assignments.is_empty()
        && insert.partitioned.is_none()
        && insert.after_columns.is_empty()
        && insert.on.is_none()
        && insert.returning.is_none()
        && insert.output.is_none()
        && !insert.replace_into
        && insert.priority.is_none()
        && insert.insert_alias.is_none()
        && insert.settings.is_none()
        && insert.format_clause.is_none()
        && insert.multi_table_insert_type.is_none()
}
