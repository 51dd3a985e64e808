//! From relations to the nodes of a plan: only the columns that are needed, each step once, ids that depend on nothing but meaning.
//!
//! What is above an aggregate never changes it: keys and aggregates are those of its GROUP BY, none are pruned and no filter moves below it,
//! so that a change of what is done with a view keeps the view's state.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::datatypes::DataType;

use crate::error::PlanError;
use crate::limits::Limits;
use crate::lower::AggregateCall;
use crate::plan::{NodeId, Plan, SourceFrom, Window, WindowInput};
use crate::query::Insertion;
use crate::relation::{Relation, RelationKind};
use crate::scalar::Scalar;

mod finish;
mod identity;

/// A node before its expressions are compiled and its source's columns are known.
#[derive(Clone, Debug)]
struct Draft {
    step: Step,
    inputs: Vec<usize>,
    columns: Vec<DraftColumn>,
    identity: identity::Identity,
}

/// What a draft does; expressions are over the columns of its input.
#[derive(Clone, Debug)]
enum Step {
    Source(SourceFrom),
    Filter(Scalar),
    Project(Vec<Scalar>),
    Assign { time: usize, window: Window },
    Union,
    Aggregate { windows: WindowInput, keys: Vec<Scalar>, aggregates: Vec<AggregateCall> },
    Sink(Arc<crate::catalog::Table>),
}

#[derive(Clone, Debug)]
struct DraftColumn {
    name: String,
    data_type: DataType,
    nullable: bool,
    is_event_time: bool,
}

/// Turns everything that is inserted into one plan.
pub(crate) fn build(insertions: &[Insertion], limits: &Limits) -> Result<Plan, PlanError> {
    let mut builder = Builder { limits, drafts: Vec::new(), known: HashMap::new(), made: HashMap::new() };
    for insertion in insertions {
        builder.sink(insertion)?;
    }
    refuse_loops(insertions, &builder.drafts)?;
    finish::finish(builder.drafts)
        .map_err(|message| PlanError::new(insertions[0].at, message).hint("this is a fault of Streamwright: please report the query"))
}

/// Refuses a pipeline that would read what it writes.
fn refuse_loops(insertions: &[Insertion], drafts: &[Draft]) -> Result<(), PlanError> {
    let reads = |topic: &units::TopicName| {
        drafts.iter().any(|draft| matches!(&draft.step, Step::Source(SourceFrom::Topic(table)) if table.topic == *topic))
    };
    match insertions.iter().find(|insertion| reads(&insertion.table.topic)) {
        None => Ok(()),
        Some(insertion) => {
            let message = format!("the pipeline reads {0} and writes it, and would never end", insertion.table.name);
            Err(PlanError::new(insertion.at, message).hint("write into another topic; steps in between are views"))
        }
    }
}

struct Builder<'a> {
    limits: &'a Limits,
    drafts: Vec<Draft>,
    /// Drafts by what they are.
    known: HashMap<NodeId, usize>,
    /// Drafts by the relation and columns they were made for. Relations outlive the builder, so their addresses name them.
    made: HashMap<(*const Relation, Vec<usize>), usize>,
}

impl Builder<'_> {
    fn sink(&mut self, insertion: &Insertion) -> Result<(), PlanError> {
        let all: Vec<usize> = (0..insertion.relation.columns.len()).collect();
        let input = self.relation(&insertion.relation, &all, insertion)?;
        let mut columns = self.drafts[input].columns.clone();
        columns.iter_mut().zip(&insertion.relation.columns).for_each(|(column, named)| column.name.clone_from(&named.name));
        let same = |draft: &&Draft| matches!(&draft.step, Step::Sink(table) if table.topic == insertion.table.topic);
        let earlier = self.drafts.iter().filter(same).count();
        let identity = self.drafts[input].identity.sink(&insertion.table, earlier);
        self.push(Draft { step: Step::Sink(Arc::clone(&insertion.table)), inputs: vec![input], columns, identity }, insertion)?;
        Ok(())
    }

    /// A draft with exactly these columns of the relation, in this order; there is at least one.
    fn relation(&mut self, relation: &Arc<Relation>, needed: &[usize], of: &Insertion) -> Result<usize, PlanError> {
        let key = (Arc::as_ptr(relation), needed.to_vec());
        if let Some(made) = self.made.get(&key) {
            return Ok(*made);
        }
        let made = match &relation.kind {
            RelationKind::Source(from) => {
                let source = self.source(from, relation, of)?;
                self.pick(source, needed, of)?
            }
            RelationKind::Filter { input, predicate } => {
                let wide = wide(needed.iter().copied(), [predicate]);
                let below = self.relation(input, &wide, of)?;
                let predicate = moved(predicate, &wide);
                let draft = &self.drafts[below];
                let identity = draft.identity.filter(&predicate);
                let filter = Draft { step: Step::Filter(predicate), inputs: vec![below], columns: draft.columns.clone(), identity };
                let filter = self.push(filter, of)?;
                self.pick(filter, &positions(needed, &wide), of)?
            }
            RelationKind::Project { input, expressions } => {
                let wide = wide([], needed.iter().map(|index| &expressions[*index]));
                let below = self.relation(input, &wide, of)?;
                let picked = needed.iter().map(|index| moved(&expressions[*index], &wide)).collect();
                self.project(below, picked, columns_of(relation, needed), of)?
            }
            RelationKind::Assign { input, time, window } => {
                let plain = needed.iter().copied().filter(|index| *index < input.columns.len());
                let wide = wide(plain.chain([*time]), []);
                let below = self.relation(input, &wide, of)?;
                let all: Vec<usize> = wide.iter().copied().chain(input.columns.len()..relation.columns.len()).collect();
                let time = position(*time, &wide);
                let identity = self.drafts[below].identity.assign(time, *window);
                let step = Step::Assign { time, window: *window };
                let assign = self.push(Draft { step, inputs: vec![below], columns: columns_of(relation, &all), identity }, of)?;
                self.pick(assign, &positions(needed, &all), of)?
            }
            RelationKind::Union { inputs } => {
                let inputs = inputs.iter().map(|input| self.relation(input, needed, of)).collect::<Result<Vec<_>, _>>()?;
                let identity = identity::Identity::union(inputs.iter().map(|input| &self.drafts[*input].identity));
                self.push(Draft { step: Step::Union, inputs, columns: columns_of(relation, needed), identity }, of)?
            }
            RelationKind::Aggregate { input, windows, keys, aggregates } => {
                let aggregate = self.aggregate(relation, input, *windows, keys, aggregates, of)?;
                self.pick(aggregate, needed, of)?
            }
        };
        self.made.insert(key, made);
        Ok(made)
    }

    fn source(&mut self, from: &SourceFrom, relation: &Relation, of: &Insertion) -> Result<usize, PlanError> {
        let all: Vec<usize> = (0..relation.columns.len()).collect();
        let identity = identity::Identity::source(from);
        if let Some(Step::Source(other)) = self.known.get(&identity.id).map(|known| &self.drafts[*known].step)
            && other.name() != from.name()
        {
            let message = format!("{} and {} are the same {}", other.name(), from.name(), other.what());
            return Err(PlanError::new(of.at, message).hint("read both through one table"));
        }
        self.push(Draft { step: Step::Source(from.clone()), inputs: Vec::new(), columns: columns_of(relation, &all), identity }, of)
    }

    fn aggregate(
        &mut self,
        relation: &Relation,
        input: &Arc<Relation>,
        windows: WindowInput,
        keys: &[Scalar],
        aggregates: &[AggregateCall],
        of: &Insertion,
    ) -> Result<usize, PlanError> {
        let window_columns = match windows {
            WindowInput::EventTime { time, .. } => vec![time],
            WindowInput::Attached { start, end, .. } => vec![start, end],
        };
        let arguments = aggregates.iter().flat_map(|call| call.argument.iter().chain(&call.filter));
        let wide = wide(window_columns, keys.iter().chain(arguments));
        let below = self.relation(input, &wide, of)?;
        let windows = match windows {
            WindowInput::EventTime { time, window } => WindowInput::EventTime { time: position(time, &wide), window },
            WindowInput::Attached { start, end, window } => {
                WindowInput::Attached { start: position(start, &wide), end: position(end, &wide), window }
            }
        };
        let keys: Vec<Scalar> = keys.iter().map(|key| moved(key, &wide)).collect();
        let part = |scalar: &Option<Scalar>| scalar.as_ref().map(|scalar| moved(scalar, &wide));
        let aggregates: Vec<AggregateCall> = aggregates
            .iter()
            .map(|call| AggregateCall { argument: part(&call.argument), filter: part(&call.filter), ..call.clone() })
            .collect();
        let all: Vec<usize> = (0..relation.columns.len()).collect();
        let identity = self.drafts[below].identity.aggregate(windows, &keys, &aggregates);
        let step = Step::Aggregate { windows, keys, aggregates };
        self.push(Draft { step, inputs: vec![below], columns: columns_of(relation, &all), identity }, of)
    }

    /// These columns of a draft, in this order.
    fn pick(&mut self, draft: usize, picked: &[usize], of: &Insertion) -> Result<usize, PlanError> {
        let columns = &self.drafts[draft].columns;
        if picked.iter().copied().eq(0..columns.len()) {
            return Ok(draft);
        }
        let expressions = picked.iter().map(|index| Scalar::column(*index, columns[*index].data_type.clone(), columns[*index].nullable));
        let (expressions, columns) = (expressions.collect(), picked.iter().map(|index| columns[*index].clone()).collect());
        self.project(draft, expressions, columns, of)
    }

    /// A projection; over another that only picks columns the two become one.
    fn project(&mut self, below: usize, expressions: Vec<Scalar>, columns: Vec<DraftColumn>, of: &Insertion) -> Result<usize, PlanError> {
        if let Step::Project(inner) = &self.drafts[below].step {
            let trivial = |index: usize| Some(&inner[index]).filter(|inner| inner.is_trivial()).map(|inner| inner.kind.clone());
            let merged: Option<Vec<Scalar>> = expressions.iter().map(|expression| expression.substitute(&trivial)).collect();
            if let Some(merged) = merged {
                let input = self.drafts[below].inputs[0];
                return self.project(input, merged, columns, of);
            }
        }
        let identity = self.drafts[below].identity.project(&expressions);
        self.push(Draft { step: Step::Project(expressions), inputs: vec![below], columns, identity }, of)
    }

    /// The draft, or one that is the same.
    fn push(&mut self, draft: Draft, of: &Insertion) -> Result<usize, PlanError> {
        let next = self.drafts.len();
        let index = *self.known.entry(draft.identity.id).or_insert(next);
        if index == next {
            if next >= self.limits.plan_nodes {
                return Err(PlanError::new(of.at, format!("the plan has more than {} steps", self.limits.plan_nodes)));
            }
            self.drafts.push(draft);
        }
        Ok(index)
    }
}

/// The columns that are needed below: those passed on and those read; at least one, so that batches have rows.
fn wide<'s>(passed: impl IntoIterator<Item = usize>, read: impl IntoIterator<Item = &'s Scalar>) -> Vec<usize> {
    let mut wide: BTreeSet<usize> = passed.into_iter().collect();
    read.into_iter().for_each(|scalar| scalar.columns_into(&mut wide));
    if wide.is_empty() {
        wide.insert(0);
    }
    wide.into_iter().collect()
}

/// The expression over the columns that are left.
fn moved(scalar: &Scalar, wide: &[usize]) -> Scalar {
    scalar.remap(&|index| wide.binary_search(&index).ok()).expect("its columns are among those needed")
}

fn position(index: usize, among: &[usize]) -> usize {
    among.iter().position(|other| *other == index).expect("it is among those needed")
}

fn positions(indexes: &[usize], among: &[usize]) -> Vec<usize> {
    indexes.iter().map(|index| position(*index, among)).collect()
}

fn columns_of(relation: &Relation, indexes: &[usize]) -> Vec<DraftColumn> {
    let column = |index: &usize| {
        let column = &relation.columns[*index];
        DraftColumn {
            name: column.name.clone(),
            data_type: column.data_type.clone(),
            nullable: column.nullable,
            is_event_time: column.role.is_event_time(),
        }
    };
    indexes.iter().map(column).collect()
}
