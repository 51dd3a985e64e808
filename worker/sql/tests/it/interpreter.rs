//! Runs the stateless part of a plan over batches, as a pipeline would.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::compute::filter_record_batch;
use streamwright_sql::{EvaluateError, Node, Operator, Plan};

/// The batches that arrive at each sink when `batch` (all columns of the table) comes out of every source.
pub fn run(plan: &Plan, batch: &RecordBatch) -> Result<Vec<RecordBatch>, EvaluateError> {
    let mut results = Vec::new();
    for stage in &plan.stages {
        let mut outputs: Vec<Vec<RecordBatch>> = vec![Vec::new(); plan.nodes.len()];
        let Operator::Source(source) = &plan.nodes[stage.root].operator else { continue };
        outputs[stage.root].push(batch.project(&source.columns).expect("the table's columns"));
        for node in &stage.nodes {
            let inputs = plan.nodes[*node].inputs.iter().flat_map(|input| outputs[*input].clone()).collect::<Vec<_>>();
            for input in inputs {
                let output = step(&plan.nodes[*node], &input)?;
                if matches!(plan.nodes[*node].operator, Operator::Sink(_)) {
                    results.push(output);
                } else {
                    outputs[*node].push(output);
                }
            }
        }
    }
    Ok(results)
}

fn step(node: &Node, input: &RecordBatch) -> Result<RecordBatch, EvaluateError> {
    let rows = RecordBatchOptions::new().with_row_count(Some(input.num_rows()));
    let made = |columns: Vec<ArrayRef>| {
        RecordBatch::try_new_with_options(Arc::clone(&node.schema), columns, &rows).expect("the node's schema is that of its rows")
    };
    Ok(match &node.operator {
        Operator::Filter { predicate } => {
            let kept = predicate.evaluate(input)?;
            let kept = filter_record_batch(input, kept.as_boolean()).expect("as many as rows");
            RecordBatch::try_new(Arc::clone(&node.schema), kept.columns().to_vec()).expect("a filter keeps the schema")
        }
        Operator::Project { expressions } => {
            made(expressions.iter().map(|expression| expression.evaluate(input)).collect::<Result<Vec<_>, _>>()?)
        }
        Operator::Union | Operator::Sink(_) => made(input.columns().to_vec()),
        other => panic!("{other:?} is not interpreted"),
    })
}
