//! The stateless part of a stage, fused: a batch goes in at the root and is driven through every node in one call, to the sinks and, summed
//! up, to the exchanges.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, TimestampMillisecondArray},
    datatypes::SchemaRef,
    error::ArrowError,
};
use sql::{Expression, Operator, Plan, Window};

use crate::{
    batch::{Batch, RowsError, batch_of},
    format::BadRow,
    operand::Operand,
    window::{
        LayoutError, PartialAggregate,
        partial::{rows_with_time, times_of},
    },
};

/// What became of one batch.
#[derive(Debug, Default)]
pub struct ChainOutput {
    /// Rows for sinks, by the sink's node, in order. A batch may be empty of rows but is never of none.
    pub sinks: Vec<(usize, Batch)>,
    /// Partial batches for exchanges, by their position in [`Plan::exchanges`].
    pub partials: Vec<(usize, RecordBatch)>,
    /// Rows without an answer or without an event time; `index` is the position in the batch that was given, through its origin.
    pub bad: Vec<BadRow>,
}

/// One stage of a plan, compiled; see the module. Keeps no rows from one batch to the next.
#[derive(Debug)]
pub struct Chain {
    root: usize,
    steps: Vec<Step>,
    /// Exchange, the node that feeds it, and its partial aggregation.
    exchanges: Vec<(usize, usize, PartialAggregate)>,
}

#[derive(Debug)]
struct Step {
    node: usize,
    inputs: Vec<usize>,
    work: Work,
}

#[derive(Debug)]
enum Work {
    Filter(Operand),
    Project { operands: Vec<Operand>, schema: SchemaRef },
    Assign { time: usize, window: Window, schema: SchemaRef },
    Union { schema: SchemaRef },
    Sink,
}

impl Chain {
    /// Stage `stage` of `plan`.
    ///
    /// # Errors
    /// [`LayoutError`], which the planner excludes.
    ///
    /// # Panics
    /// Where the plan has no such stage.
    pub fn new(plan: &Plan, stage: usize) -> Result<Self, LayoutError> {
        let stage = &plan.stages[stage];
        let in_stage = |node: &usize| *node == stage.root || stage.nodes.contains(node);
        let steps = stage.nodes.iter().map(|index| {
            let node = &plan.nodes[*index];
            let operands = |expressions: &[Expression]| expressions.iter().map(Operand::of).collect();
            let schema = Arc::clone(&node.schema);
            let work = match &node.operator {
                Operator::Filter { predicate } => Work::Filter(Operand::of(predicate)),
                Operator::Project { expressions } => Work::Project { operands: operands(expressions), schema },
                Operator::AssignWindow { time, window } => Work::Assign { time: *time, window: *window, schema },
                Operator::Union => Work::Union { schema },
                Operator::Sink(_) => Work::Sink,
                Operator::Source(_) | Operator::WindowAggregate(_) => unreachable!("sources and aggregates are roots"),
            };
            Step { node: *index, inputs: node.inputs.iter().copied().filter(in_stage).collect(), work }
        });
        let exchange = |index: &usize| {
            let node = &plan.nodes[plan.exchanges[*index].aggregate];
            Ok((*index, node.inputs[0], PartialAggregate::new(node)?))
        };
        let exchanges = stage.exchanges.iter().map(exchange).collect::<Result<_, LayoutError>>()?;
        Ok(Self { root: stage.root, steps: steps.collect(), exchanges })
    }

    /// Drives a batch of the root's output through the stage.
    pub fn run(&mut self, batch: Batch) -> ChainOutput {
        let mut output = ChainOutput::default();
        let mut made: HashMap<usize, Vec<Batch>> = HashMap::from([(self.root, vec![batch])]);
        for step in &self.steps {
            let mut done = Vec::new();
            for batch in step.inputs.iter().flat_map(|input| made.get(input).into_iter().flatten()) {
                if batch.rows.num_rows() > 0 {
                    step.work.run(batch.clone(), &mut done, &mut output.bad);
                }
            }
            match step.work {
                Work::Sink => output.sinks.extend(done.into_iter().map(|batch| (step.node, batch))),
                _ => drop(made.insert(step.node, done)),
            }
        }
        for (index, input, partial) in &mut self.exchanges {
            let mut partials = Vec::new();
            for batch in made.get(input).into_iter().flatten().filter(|batch| batch.rows.num_rows() > 0) {
                partial.process(batch.clone(), &mut partials, &mut output.bad);
            }
            output.partials.extend(partials.into_iter().map(|partial| (*index, partial)));
        }
        output
    }
}

impl Work {
    fn run(&self, batch: Batch, done: &mut Vec<Batch>, bad: &mut Vec<BadRow>) {
        match self {
            Self::Filter(predicate) => batch.isolate(bad, done, &mut |batch| filter(batch, predicate)),
            Self::Project { operands, schema } => batch.isolate(bad, done, &mut |batch| project(batch, operands, schema)),
            Self::Assign { time, window, schema } => {
                let kept = rows_with_time(batch.rows.column(*time), &batch.origin, "event time", bad);
                batch
                    .take(&kept)
                    .expect("some rows of a batch fit where all did")
                    .isolate(bad, done, &mut |batch| Ok(assign(batch, *time, *window, schema)?));
            }
            Self::Union { schema } => {
                let rows = batch_of(schema, batch.rows.columns().to_vec(), batch.rows.num_rows());
                done.push(Batch { rows: rows.expect("inputs of a union have its types"), origin: batch.origin });
            }
            Self::Sink => done.push(batch),
        }
    }
}

fn filter(batch: &Batch, predicate: &Operand) -> Result<Batch, RowsError> {
    let mask = predicate.evaluate(&batch.rows)?;
    let mask = mask.as_boolean();
    let kept: Vec<u32> = (0_u32..).zip(mask.iter()).filter(|(_, keep)| *keep == Some(true)).map(|(row, _)| row).collect();
    if kept.len() == batch.rows.num_rows() {
        return Ok(batch.clone());
    }
    let rows = arrow::compute::filter_record_batch(&batch.rows, mask)?;
    Ok(Batch { rows, origin: kept.iter().map(|row| batch.origin[*row as usize]).collect() })
}

fn project(batch: &Batch, operands: &[Operand], schema: &SchemaRef) -> Result<Batch, RowsError> {
    let columns = operands.iter().map(|operand| operand.evaluate(&batch.rows)).collect::<Result<Vec<_>, _>>()?;
    Ok(Batch { rows: batch_of(schema, columns, batch.rows.num_rows())?, origin: Arc::clone(&batch.origin) })
}

/// Repeats each row for each of its windows and says which.
fn assign(batch: &Batch, time: usize, window: Window, schema: &SchemaRef) -> Result<Batch, ArrowError> {
    let times = times_of(batch.rows.column(time));
    let (mut rows, mut starts) = (Vec::with_capacity(times.len()), Vec::with_capacity(times.len()));
    for (row, time) in (0_u32..).zip(times) {
        for start in window.starts(*time) {
            rows.push(row);
            starts.push(start);
        }
    }
    let repeated = if rows.len() == times.len() { batch.clone() } else { batch.take(&rows)? };
    let mut columns = repeated.rows.columns().to_vec();
    let shifts = [0, window.size_ms, window.size_ms - 1];
    for (shift, field) in shifts.into_iter().zip(&schema.fields()[columns.len()..]) {
        let times: TimestampMillisecondArray = starts.iter().map(|start| Some(start + shift)).collect();
        let times: ArrayRef = Arc::new(times.with_data_type(field.data_type().clone()));
        debug_assert_eq!(times.null_count(), 0);
        columns.push(times);
    }
    Ok(Batch { rows: batch_of(schema, columns, rows.len())?, origin: repeated.origin })
}
