//! Statements in order: tables and views by name, queries to relations, inserts to sinks.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use sqlparser::ast::{
    CreateTableOptions, CreateView, Ident, ObjectName, Query, SetExpr, SetOperator, SetQuantifier, TableAliasColumnDef, TableObject, With,
};

use crate::catalog::{Catalog, Table};
use crate::error::{PlanError, Position};
use crate::limits::Limits;
use crate::lower::{Budget, closest};
use crate::plan::SourceFrom;
use crate::relation::Relation;
use crate::scalar::{Scalar, common_type, widen};
use crate::text::{Parsed, named_at, position, refuse_text, single};
use crate::types;

mod create;
mod from;
mod group;
mod insert;
mod select;
mod windows;

pub(crate) use insert::{Insertion, is_written};

/// What the statements so far have made known.
pub(crate) struct Planner<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) limits: &'a Limits,
    pub(crate) budget: Budget<'a>,
    /// Views and tables of the text itself, so far.
    named: BTreeMap<String, Arc<Relation>>,
    /// Where the text makes a view or table, in all of it.
    made_at: HashMap<&'a str, Position>,
    /// Topics read so far, so that two uses share one source.
    topics: RefCell<HashMap<String, Arc<Relation>>>,
    files: Vec<String>,
    insertions: Vec<Insertion>,
}

/// The names that WITH brings into a query.
#[derive(Default)]
pub(crate) struct Names<'a> {
    outer: Option<&'a Names<'a>>,
    inner: HashMap<String, Arc<Relation>>,
}

impl<'a> Planner<'a> {
    pub(crate) fn new(catalog: &'a Catalog, limits: &'a Limits) -> Self {
        Self {
            catalog,
            limits,
            budget: Budget::new(limits),
            named: BTreeMap::new(),
            made_at: HashMap::new(),
            topics: RefCell::default(),
            files: Vec::new(),
            insertions: Vec::new(),
        }
    }

    /// Everything the text inserts, in its order.
    pub(crate) fn run(mut self, statements: &'a [Parsed]) -> Result<Vec<Insertion>, PlanError> {
        self.made_at = statements.iter().filter_map(Parsed::makes).collect();
        for statement in statements {
            match statement {
                Parsed::View(at, view) => self.create_view(view, *at)?,
                Parsed::Table(at, table, watermark) => self.create_table(table, watermark.as_ref(), *at)?,
                Parsed::Insert(at, insert) => {
                    let insertion = self.insert(insert, *at)?;
                    self.insertions.push(insertion);
                }
            }
        }
        if self.insertions.is_empty() {
            return Err(PlanError::new(Position::START, "the query writes nothing").hint("write INSERT INTO topic SELECT …"));
        }
        Ok(self.insertions)
    }

    fn create_view(&mut self, view: &CreateView, at: Position) -> Result<(), PlanError> {
        let name = single(&view.name, at)?;
        if view.materialized || view.or_replace || view.or_alter {
            return Err(
                PlanError::new(at, "a view of a pipeline is neither MATERIALIZED nor replaced").hint("write CREATE VIEW name AS SELECT …")
            );
        }
        if !is_plain(view) {
            return Err(PlanError::new(named_at(name, at), "a view has a name, names of columns and a query, nothing else")
                .hint("write CREATE VIEW name (columns) AS SELECT …; types come from the query"));
        }
        let relation = self.query(&view.query, &Names::default(), named_at(name, at))?;
        let names = view.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
        let relation = self.renamed(relation, &names, named_at(name, at))?;
        self.define(name, at, relation)
    }

    fn define(&mut self, name: &Ident, at: Position, relation: Arc<Relation>) -> Result<(), PlanError> {
        let known = self.named.contains_key(&name.value) || self.catalog.tables.iter().any(|table| table.name == name.value);
        if known {
            return Err(PlanError::new(named_at(name, at), format!("{} exists already", name.value)).hint("take another name"));
        }
        self.named.insert(name.value.clone(), relation);
        Ok(())
    }

    /// The columns under other names, as in `v (a, b)`.
    fn renamed(&self, relation: Arc<Relation>, names: &[Ident], at: Position) -> Result<Arc<Relation>, PlanError> {
        if names.is_empty() {
            return Ok(relation);
        }
        names.iter().try_for_each(|name| refuse_text(name, at))?;
        if names.len() != relation.columns.len() {
            let message = format!("{} names for {} columns", names.len(), relation.columns.len());
            return Err(PlanError::new(named_at(&names[0], at), message).hint("name each column, or none"));
        }
        let columns = relation.columns.iter().enumerate();
        let named = names
            .iter()
            .zip(columns)
            .map(|(name, (index, column))| (name.value.clone(), Scalar::column(index, column.data_type.clone(), column.nullable)));
        Relation::project(&relation, named.collect()).within(&self.budget, at)
    }

    /// The rows of a query.
    pub(crate) fn query(&self, query: &Query, names: &Names<'_>, at: Position) -> Result<Arc<Relation>, PlanError> {
        let at = position(query, at);
        let refused = |message: &str, hint: &str| Err(PlanError::new(at, message).hint(hint));
        if let Some(order) = &query.order_by {
            return Err(PlanError::new(position(order, at), "ORDER BY has no end to wait for in a stream")
                .hint("leave it out; rows of a window come out together, at its end"));
        }
        if query.limit_clause.is_some() || query.fetch.is_some() {
            return refused("LIMIT is not supported yet: the first rows of a stream depend on when it is read", "filter with WHERE");
        }
        if !query.locks.is_empty()
            || query.for_clause.is_some()
            || query.settings.is_some()
            || query.format_clause.is_some()
            || !query.pipe_operators.is_empty()
        {
            return refused("this clause is not part of Flink SQL", "leave it out");
        }
        match &query.with {
            None => self.set_expression(&query.body, names, at),
            Some(with) => {
                let names = self.with(with, names, at)?;
                self.set_expression(&query.body, &names, at)
            }
        }
    }

    fn with<'n>(&self, with: &With, outer: &'n Names<'n>, at: Position) -> Result<Names<'n>, PlanError> {
        if with.recursive {
            return Err(PlanError::new(at, "WITH RECURSIVE cannot be streamed"));
        }
        let mut names = Names { outer: Some(outer), inner: HashMap::new() };
        for table in &with.cte_tables {
            let place = named_at(&table.alias.name, at);
            let relation = self.query(&table.query, &names, place)?;
            let relation = self.renamed(relation, &column_names(&table.alias.columns), place)?;
            if names.inner.insert(table.alias.name.value.clone(), relation).is_some() {
                return Err(PlanError::new(place, format!("{} is defined twice in WITH", table.alias.name.value)));
            }
        }
        Ok(names)
    }

    fn set_expression(&self, body: &SetExpr, names: &Names<'_>, at: Position) -> Result<Arc<Relation>, PlanError> {
        match body {
            SetExpr::Select(select) => self.select(select, names, at),
            SetExpr::Query(query) => self.query(query, names, at),
            SetExpr::SetOperation { .. } => self.union(body, names, at),
            SetExpr::Values(_) => Err(PlanError::new(at, "VALUES is not supported").hint("produce constant rows with a Kafka client")),
            _ => Err(PlanError::new(at, "this query is not supported").hint("write SELECT … FROM …")),
        }
    }

    /// A chain of UNION ALL is a tree as deep as it is long, so it is taken apart in a loop.
    fn union(&self, body: &SetExpr, names: &Names<'_>, at: Position) -> Result<Arc<Relation>, PlanError> {
        let mut branches = Vec::new();
        let mut rest = body;
        while let SetExpr::SetOperation { left, op, set_quantifier, right } = rest {
            let place = position(right.as_ref(), at);
            match (op, set_quantifier) {
                (SetOperator::Union, SetQuantifier::All) => {}
                (SetOperator::Union, _) => {
                    return Err(
                        PlanError::new(place, "UNION removes duplicates, which needs all rows there ever were").hint("write UNION ALL")
                    );
                }
                _ => return Err(PlanError::new(place, format!("{op} is not supported yet")).hint("only UNION ALL combines queries")),
            }
            branches.push(right.as_ref());
            rest = left;
            if branches.len() > self.limits.plan_nodes {
                return Err(PlanError::new(at, format!("more than {} queries in one UNION ALL", self.limits.plan_nodes)));
            }
        }
        branches.push(rest);
        branches.reverse();
        let relations = branches
            .iter()
            .map(|branch| Ok((position(*branch, at), self.set_expression(branch, names, at)?)))
            .collect::<Result<Vec<_>, PlanError>>()?;
        let relations = self.aligned(relations)?;
        Relation::union(relations).within(&self.budget, at)
    }

    /// Branches of a union with the same number and types of columns; names are those of the first.
    fn aligned(&self, branches: Vec<(Position, Arc<Relation>)>) -> Result<Vec<Arc<Relation>>, PlanError> {
        let first = Arc::clone(&branches[0].1);
        let mut wanted = first.columns.iter().map(|column| column.data_type.clone()).collect::<Vec<_>>();
        for (at, branch) in &branches {
            if branch.columns.len() != wanted.len() {
                let message = format!("UNION ALL of {} and {} columns", wanted.len(), branch.columns.len());
                return Err(PlanError::new(*at, message));
            }
            for (index, column) in branch.columns.iter().enumerate() {
                wanted[index] = common_type(&wanted[index], &column.data_type).ok_or_else(|| {
                    let (left, right) = (types::name(&wanted[index]), types::name(&column.data_type));
                    PlanError::new(*at, format!("column {} of this UNION ALL has the types {left} and {right}", index + 1))
                        .hint("make them one type with CAST")
                })?;
            }
        }
        let align = |(at, branch): (Position, Arc<Relation>)| {
            if branch.columns.iter().zip(&wanted).all(|(column, wanted)| column.data_type == *wanted) {
                return Ok(branch);
            }
            let named = branch.columns.iter().zip(&first.columns).zip(&wanted).enumerate().map(|(index, ((column, first), wanted))| {
                (first.name.clone(), widen(Scalar::column(index, column.data_type.clone(), column.nullable), wanted))
            });
            Relation::project(&branch, named.collect()).within(&self.budget, at)
        };
        branches.into_iter().map(align).collect()
    }

    /// A table or view by its name: WITH, then the text's own, then topics.
    pub(crate) fn table(&self, name: &ObjectName, names: &Names<'_>, at: Position) -> Result<Arc<Relation>, PlanError> {
        let at = position(name, at);
        let ident = single(name, at)?;
        let mut scope = Some(names);
        while let Some(known) = scope {
            if let Some(relation) = known.inner.get(&ident.value) {
                return Ok(Arc::clone(relation));
            }
            scope = known.outer;
        }
        if let Some(relation) = self.named.get(&ident.value) {
            return Ok(Arc::clone(relation));
        }
        if let Some(relation) = self.topics.borrow().get(&ident.value) {
            return Ok(Arc::clone(relation));
        }
        let table = self.topic(&ident.value, at)?;
        let relation = Relation::source(SourceFrom::Topic(Arc::new(table.clone()))).within(&self.budget, at)?;
        self.topics.borrow_mut().insert(ident.value.clone(), Arc::clone(&relation));
        Ok(relation)
    }

    /// A topic with a schema.
    pub(crate) fn topic(&self, name: &str, at: Position) -> Result<&'a Table, PlanError> {
        match self.catalog.tables.iter().find(|table| table.name == name) {
            Some(table) => table.validate().map(|()| table).map_err(|error| PlanError::new(at, error.to_string())),
            None => {
                let known = self.catalog.tables.iter().map(|table| table.name.as_str()).chain(self.named.keys().map(String::as_str));
                if let Some(made_at) = self.made_at.get(name) {
                    return Err(PlanError::new(at, format!("{name} is made only in line {} of the query", made_at.line))
                        .hint("a view reads what was made before it: move its statement further down, or that of what it reads up"));
                }
                let error = PlanError::new(at, format!("table {name} does not exist"));
                Err(match closest(name, known) {
                    Some(close) => error.hint(format!("did you mean {close}?")),
                    None => error.hint(format!("declare a Topic {name} with a schema, or CREATE VIEW {name}")),
                })
            }
        }
    }
}

/// Whether there is nothing in it that would be left out silently; a comment may be.
fn is_plain(view: &CreateView) -> bool {
    view.options == CreateTableOptions::None
        && view.cluster_by.is_empty()
        && !view.secure
        && !view.with_no_schema_binding
        && !view.copy_grants
        && view.to.is_none()
        && view.params.is_none()
        && view.columns.iter().all(|column| column.data_type.is_none() && column.options.is_none())
}

/// The names in `AS t (a, b)`.
fn column_names(columns: &[TableAliasColumnDef]) -> Vec<Ident> {
    columns.iter().map(|column| column.name.clone()).collect()
}

/// The name of the table an INSERT writes.
fn target(table: &TableObject, at: Position) -> Result<&Ident, PlanError> {
    match table {
        TableObject::TableName(name) => single(name, position(name, at)),
        _ => Err(PlanError::new(at, "INSERT INTO takes the name of a topic")),
    }
}
