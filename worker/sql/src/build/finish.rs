//! From drafts to a plan: what nothing reads is left out, sources get the columns they need, expressions are compiled, stages are cut.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};

use super::{Draft, Step, identity};
use crate::catalog::{ColumnFrom, Table};
use crate::expression::Expression;
use crate::hash::StableHasher;
use crate::plan::{Aggregate, Exchange, Node, NodeId, Operator, Plan, PlanHash, Sink, Source, SourceFrom, Stage, WindowAggregate};
use crate::query::is_written;
use crate::scalar::{Scalar, compile};

/// # Errors
/// An expression does not compile: a bug of ours.
pub(super) fn finish(mut drafts: Vec<Draft>) -> Result<Plan, String> {
    let used = reachable(&drafts);
    let sources = narrow_sources(&mut drafts, &used);
    let mut nodes: Vec<Node> = Vec::new();
    let mut places = vec![usize::MAX; drafts.len()];
    for (index, draft) in drafts.iter().enumerate().filter(|(index, _)| used[*index]) {
        let inputs: Vec<usize> = draft.inputs.iter().map(|input| places[*input]).collect();
        if let (Step::Project(expressions), [input]) = (&draft.step, inputs.as_slice())
            && changes_nothing(expressions, draft, &nodes[*input].schema)
        {
            places[index] = *input;
            continue;
        }
        places[index] = nodes.len();
        nodes.push(node(draft, inputs, &nodes, sources[index].as_deref())?);
    }
    let (stages, exchanges) = cut(&nodes);
    let (hash, state_hash) = (plan_hash(&nodes), state_hash(&nodes));
    Ok(Plan { nodes, stages, exchanges, hash, state_hash })
}

fn reachable(drafts: &[Draft]) -> Vec<bool> {
    let mut used = vec![false; drafts.len()];
    for index in (0..drafts.len()).rev() {
        used[index] |= matches!(drafts[index].step, Step::Sink(_));
        if used[index] {
            drafts[index].inputs.iter().for_each(|input| used[*input] = true);
        }
    }
    used
}

/// Leaves each source only the columns that are read, and its event time; gives their positions in the table, for each source.
fn narrow_sources(drafts: &mut [Draft], used: &[bool]) -> Vec<Option<Vec<usize>>> {
    let mut kept: Vec<Option<Vec<usize>>> = vec![None; drafts.len()];
    for source in 0..drafts.len() {
        let Step::Source(from) = &drafts[source].step else { continue };
        let mut needed: BTreeSet<usize> = from.event_time().map(|event_time| event_time.column).into_iter().collect();
        for (_, reader) in drafts.iter().enumerate().filter(|(index, reader)| used[*index] && reader.inputs.contains(&source)) {
            match &reader.step {
                Step::Project(expressions) => expressions.iter().for_each(|expression| expression.columns_into(&mut needed)),
                _ => needed.extend(0..drafts[source].columns.len()),
            }
        }
        let needed: Vec<usize> = needed.into_iter().collect();
        drafts[source].columns = needed.iter().map(|index| drafts[source].columns[*index].clone()).collect();
        for reader in drafts.iter_mut().filter(|reader| reader.inputs.contains(&source)) {
            if let Step::Project(expressions) = &mut reader.step {
                for expression in expressions {
                    // Readers that nothing reads may name columns that are gone; they are left out with what they name.
                    *expression = expression.remap(&|index| needed.binary_search(&index).ok()).unwrap_or_else(|| expression.clone());
                }
            }
        }
        kept[source] = Some(needed);
    }
    kept
}

/// Whether a projection passes on the columns it gets under the names they have.
fn changes_nothing(expressions: &[Scalar], draft: &Draft, input: &Schema) -> bool {
    expressions.len() == input.fields().len()
        && expressions.iter().enumerate().all(|(index, expression)| expression.as_column() == Some(index))
        && draft.columns.iter().zip(input.fields()).all(|(column, field)| column.name == *field.name())
}

fn node(draft: &Draft, inputs: Vec<usize>, nodes: &[Node], source_columns: Option<&[usize]>) -> Result<Node, String> {
    let fields = draft.columns.iter().map(|column| Field::new(&column.name, column.data_type.clone(), column.nullable));
    let schema: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let below = inputs.first().map_or_else(|| Arc::new(Schema::empty()), |input| Arc::clone(&nodes[*input].schema));
    let compiled = |scalar: &Scalar| compiled(scalar, &below);
    let operator = match &draft.step {
        Step::Source(from) => {
            Operator::Source(Source { from: from.clone(), columns: source_columns.expect("every source was narrowed").to_vec() })
        }
        Step::Filter(predicate) => Operator::Filter { predicate: compiled(predicate)? },
        Step::Project(expressions) => Operator::Project { expressions: expressions.iter().map(compiled).collect::<Result<_, _>>()? },
        Step::Assign { time, window } => Operator::AssignWindow { time: *time, window: *window },
        Step::Union => Operator::Union,
        Step::Aggregate { windows, keys, aggregates } => {
            let aggregates = aggregates.iter().map(|call| {
                Ok(Aggregate {
                    function: call.function,
                    argument: call.argument.as_ref().map(compiled).transpose()?,
                    filter: call.filter.as_ref().map(compiled).transpose()?,
                    output: call.output.clone(),
                })
            });
            Operator::WindowAggregate(WindowAggregate {
                windows: *windows,
                keys: keys.iter().map(compiled).collect::<Result<_, _>>()?,
                aggregates: aggregates.collect::<Result<_, String>>()?,
            })
        }
        Step::Sink(table) => Operator::Sink(sink(table)),
    };
    let event_time = draft.columns.iter().position(|column| column.is_event_time);
    Ok(Node { id: draft.identity.id, operator, inputs, schema, event_time })
}

fn compiled(scalar: &Scalar, schema: &Schema) -> Result<Expression, String> {
    let text = scalar.text(&|index| schema.field(index).name().clone());
    compile(scalar, schema, text)
}

fn sink(table: &Arc<Table>) -> Sink {
    let written: Vec<usize> = (0..table.columns.len()).filter(|index| is_written(&table.columns[*index])).collect();
    let place = |column: usize| written.iter().position(|other| *other == column).expect("keys are columns of the value");
    let value: Vec<usize> = written.iter().copied().filter(|index| table.columns[*index].from == ColumnFrom::Value).collect();
    let timestamp = written.iter().copied().find(|index| table.columns[*index].from == ColumnFrom::Timestamp);
    Sink {
        table: Arc::clone(table),
        names: value.iter().map(|index| table.columns[*index].name.clone()).collect(),
        nullable: value.iter().map(|index| table.columns[*index].nullable).collect(),
        key: table.key.iter().map(|index| place(*index)).collect(),
        value: value.into_iter().map(place).collect(),
        timestamp: timestamp.map(place),
    }
}

/// Stages from each root to the next aggregates.
fn cut(nodes: &[Node]) -> (Vec<Stage>, Vec<Exchange>) {
    let is_aggregate = |index: usize| matches!(nodes[index].operator, Operator::WindowAggregate(_));
    let is_root = |index: usize| matches!(nodes[index].operator, Operator::Source(_)) || is_aggregate(index);
    let aggregates: Vec<usize> = (0..nodes.len()).filter(|index| is_aggregate(*index)).collect();
    let mut exchanges: Vec<Exchange> = aggregates.iter().map(|aggregate| Exchange { aggregate: *aggregate, stages: Vec::new() }).collect();
    let mut stages = Vec::new();
    for root in (0..nodes.len()).filter(|index| is_root(*index)) {
        let mut reached = BTreeSet::from([root]);
        let mut stage = Stage { root, nodes: Vec::new(), exchanges: Vec::new() };
        for (index, node) in nodes.iter().enumerate().skip(root + 1) {
            if !node.inputs.iter().any(|input| reached.contains(input)) {
                continue;
            }
            match aggregates.binary_search(&index) {
                Ok(exchange) => {
                    stage.exchanges.push(exchange);
                    exchanges[exchange].stages.push(stages.len());
                }
                Err(_) => {
                    reached.insert(index);
                    stage.nodes.push(index);
                }
            }
        }
        stages.push(stage);
    }
    (stages, exchanges)
}

fn plan_hash(nodes: &[Node]) -> PlanHash {
    let mut parts: Vec<_> = nodes.iter().map(|node| node.id.0).collect();
    for node in nodes {
        let declared = match &node.operator {
            Operator::Source(Source { from: SourceFrom::Topic(table), .. }) | Operator::Sink(Sink { table, .. }) => {
                identity::declaration(&table.columns, table.format, &table.key)
            }
            Operator::Source(Source { from: SourceFrom::File(table), .. }) => identity::declaration(&table.columns, table.format, &[]),
            _ => continue,
        };
        parts.push(StableHasher::new("declared").hash(node.id.0).hash(declared).finish());
    }
    parts.sort_unstable();
    NodeId(StableHasher::new("plan").hashes(parts.into_iter()).finish())
}

fn state_hash(nodes: &[Node]) -> PlanHash {
    let mut parts: Vec<_> = nodes.iter().filter(|node| node.has_state()).map(|node| node.id.0).collect();
    parts.sort_unstable();
    NodeId(StableHasher::new("state").hashes(parts.into_iter()).finish())
}
