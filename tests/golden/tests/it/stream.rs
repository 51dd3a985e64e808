//! A plan run as a pipeline runs it, in one thread.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::TimestampMillisecondType;
use flow::{Batch, chain::Chain, window::FinalAggregate};
use sql::{Plan, Source};

const HASH_PARTITIONS: u32 = 8;

/// A plan and what came out of it.
pub struct Stream<'a> {
    plan: &'a Plan,
    chains: Vec<Chain>,
    aggregates: Vec<FinalAggregate>,
    /// Rows that reached sinks.
    pub results: Vec<RecordBatch>,
    /// Rows that came after all their windows.
    pub late: u64,
    /// Why rows were left out.
    pub bad: Vec<String>,
}

impl<'a> Stream<'a> {
    /// Nothing read yet.
    pub fn new(plan: &'a Plan) -> Self {
        let aggregate = |node: usize| {
            let mut aggregate = FinalAggregate::new(&plan.nodes[node], HASH_PARTITIONS).expect("a planned aggregate");
            (0..HASH_PARTITIONS).for_each(|k| aggregate.own(k));
            aggregate
        };
        Self {
            plan,
            chains: (0..plan.stages.len()).map(|stage| Chain::new(plan, stage).expect("a planned stage")).collect(),
            aggregates: plan.exchanges.iter().map(|exchange| aggregate(exchange.aggregate)).collect(),
            results: Vec::new(),
            late: 0,
            bad: Vec::new(),
        }
    }

    fn push(&mut self, root: usize, rows: RecordBatch) {
        let stage = self.plan.stages.iter().position(|stage| stage.root == root).expect("every root has a stage");
        let output = self.chains[stage].run(Batch::new(rows));
        self.bad.extend(output.bad.into_iter().map(|row| row.reason));
        for (exchange, partial) in output.partials {
            self.late += self.aggregates[exchange].on_partial(&partial).expect("our own rows");
        }
        for (node, batch) in output.sinks {
            let named = RecordBatch::try_new(Arc::clone(&self.plan.nodes[node].schema), batch.rows.columns().to_vec());
            self.results.push(named.expect("rows of the sink's schema"));
        }
    }

    fn advance(&mut self, watermark_ms: i64) {
        for exchange in 0..self.aggregates.len() {
            let fired = self.aggregates[exchange].on_watermark(watermark_ms).expect("state of our own");
            assert!(fired.failed.is_empty(), "a result out of range");
            fired.batches.into_iter().for_each(|rows| self.push(self.plan.exchanges[exchange].aggregate, rows));
        }
    }

    /// Reads rows of the one table in batches, and after each lets the watermark be `delay_ms` behind the greatest time so far; in the end
    /// there are no more rows.
    pub fn read(&mut self, rows: &RecordBatch, batches: &[usize], delay_ms: i64) {
        let sources: BTreeMap<usize, Source> = self.plan.sources().map(|(node, source)| (node, source.clone())).collect();
        let mut from = 0;
        for (count, watermark) in batches.iter().zip(watermarks(rows, batches, delay_ms).into_iter().skip(1)) {
            for (node, source) in &sources {
                self.push(*node, rows.slice(from, *count).project(&source.columns).expect("the table's columns"));
            }
            from += count;
            self.advance(watermark);
        }
        self.advance(i64::MAX);
    }
}

/// The watermark before each batch and after the last.
pub fn watermarks(rows: &RecordBatch, batches: &[usize], delay_ms: i64) -> Vec<i64> {
    let times = rows.column_by_name("departed").expect("the event time").as_primitive::<TimestampMillisecondType>();
    let mut watermarks = vec![i64::MIN];
    let mut from = 0;
    for count in batches {
        let greatest = (from..from + count).filter(|row| times.is_valid(*row)).map(|row| times.value(row)).max();
        let last = *watermarks.last().expect("it begins with one");
        watermarks.push(greatest.map_or(last, |greatest| last.max(greatest - delay_ms - 1)));
        from += count;
    }
    watermarks
}
