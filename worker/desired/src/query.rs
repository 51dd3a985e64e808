//! A Pipeline's query: where its text is, and what planning it against today's tables says.

use control::ObjectRef;
use crds::{FieldPath, Pipeline, Reason};
use sql::{Catalog, PlanError};

use crate::{Finding, Planned, Planner, World, report::object_ref, topics::ResolvedTopics};

/// The text, and the place to name when something in it is wrong.
pub(crate) struct Query {
    pub(crate) text: String,
    config_map: Option<ObjectRef>,
    path: FieldPath,
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum QueryProblem {
    /// The ConfigMap or its key is missing.
    Source(Finding),
    /// It is being planned.
    Pending,
    /// The text is wrong.
    Plan(Finding),
    /// A table is missing that may still come, or has no schema.
    Table(Reason, Finding),
}

impl QueryProblem {
    pub(crate) fn finding(&self) -> Option<&Finding> {
        match self {
            Self::Pending => None,
            Self::Source(finding) | Self::Plan(finding) | Self::Table(_, finding) => Some(finding),
        }
    }
}

/// The text of a Pipeline's query.
pub(crate) fn text(world: &World, pipeline: &Pipeline) -> Result<Query, QueryProblem> {
    let spec = FieldPath::root().field("spec");
    if let Some(text) = &pipeline.spec.query {
        return Ok(Query { text: text.clone(), config_map: None, path: spec.field("query") });
    }
    let from = spec.field("queryFrom").field("configMapKeyRef");
    let missing = |path: FieldPath, message: String| QueryProblem::Source(Finding::waiting(path, message));
    let Some(source) = &pipeline.spec.query_from else { return Err(missing(spec.field("query"), "there is no query".into())) };
    let reference = &source.config_map_key_ref;
    let name = ObjectRef { namespace: object_ref(&pipeline.metadata).namespace, name: reference.name.clone() };
    let data = world.config_maps.get(&name).ok_or_else(|| missing(from.field("name"), format!("there is no ConfigMap {name}")))?;
    let text =
        data.get(&reference.key).ok_or_else(|| missing(from.field("key"), format!("ConfigMap {name} has no key {}", reference.key)))?;
    Ok(Query { text: text.clone(), config_map: Some(name), path: FieldPath::root().field("data").field(&reference.key) })
}

/// Plans it. A name that is no table leads to [`QueryProblem::Table`], since its Topic may be declared later.
pub(crate) fn plan(query: &Query, cluster: &ObjectRef, topics: &ResolvedTopics, planner: &dyn Planner) -> Result<Planned, QueryProblem> {
    let catalog = Catalog { tables: topics.tables_for(cluster, &query.text).into_iter().map(|(_, table)| table.clone()).collect() };
    let planned = planner.ask(&query.text, &catalog).ok_or(QueryProblem::Pending)?;
    planned.map_err(|error| {
        let finding = |message: String, is_error: bool| Finding {
            config_map: query.config_map.clone(),
            path: query.path.clone(),
            text_at: Some((error.line, error.column)),
            message,
            is_error,
        };
        match missing_table(&query.text, &error, &catalog) {
            Some(name) if topics.is_declared(cluster, &name) => QueryProblem::Table(
                Reason::SchemaMissing,
                finding(format!("Topic {name} has no usable schema: declare spec.schema.columns to make it a table"), false),
            ),
            Some(_) => QueryProblem::Table(Reason::TopicNotFound, finding(sentence(&error), false)),
            None => QueryProblem::Plan(finding(sentence(&error), true)),
        }
    })
}

fn sentence(error: &PlanError) -> String {
    let hint = error.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
    format!("{}{hint}", error.message)
}

/// The name that the error points at, where the error is that no table has it: the planner says `table <name> …` of it, and the catalog
/// does not know it. A table that is missing may be declared later; anything else is the text's own fault.
fn missing_table(text: &str, error: &PlanError, catalog: &Catalog) -> Option<String> {
    let name = name_at(text, error.line, error.column)?;
    let is_missing = error.message.contains(&format!("table {name}")) && catalog.tables.iter().all(|table| table.name != name);
    is_missing.then_some(name)
}

/// The plain or backticked name that begins at a place of the text.
fn name_at(text: &str, line: u32, column: u32) -> Option<String> {
    let line = text.lines().nth(usize::try_from(line).ok()?.checked_sub(1)?)?;
    let rest: String = line.chars().skip(usize::try_from(column).ok()?.checked_sub(1)?).collect();
    let name: String = match rest.strip_prefix('`') {
        Some(quoted) => quoted.split('`').next()?.into(),
        None => rest.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect(),
    };
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_where_an_error_points() {
        let text = "SELECT a\n  FROM `late-departures` JOIN orders";
        assert_eq!(name_at(text, 2, 8).as_deref(), Some("late-departures"));
        assert_eq!(name_at(text, 2, 31).as_deref(), Some("orders"));
        assert_eq!(name_at(text, 2, 30), None);
        assert_eq!(name_at(text, 9, 1), None);
        assert_eq!(name_at(text, 0, 0), None);
    }
}
