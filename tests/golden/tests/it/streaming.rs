//! `cases/NAME.sql`, run as a stream by our planner and operators, gives what `cases/NAME.oracle.sql` gives over all rows at once.
//!
//! The first line of a streaming query declares what it writes: `-- into carrier STRING, n BIGINT`. Rows arrive in order of event time, in
//! batches cut anywhere; the watermark follows them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Decimal128Array, Float64Array, Int32Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{Field, Schema, TimestampMillisecondType};
use flow::{Batch, chain::Chain, window::FinalAggregate};
use sql::{Catalog, Column, ColumnFrom, EventTime, Format, Limits, Plan, Source, types};
use streamwright_golden::{Table, json_lines, query};

const FLIGHTS: &str =
    "carrier STRING; origin STRING; departed TIMESTAMP(3); delay INT; distance INT; air_time DOUBLE; fare DECIMAL(10, 2); note STRING";
const HASH_PARTITIONS: u32 = 8;

fn columns(text: &str, separator: char) -> Vec<Column> {
    let column = |part: &str| {
        let (name, data_type) = part.trim().split_once(' ').expect("a name and a type");
        let column_type = types::parse(data_type).expect("a type");
        Column { name: name.to_owned(), data_type: column_type.data_type, nullable: column_type.nullable, from: ColumnFrom::Value }
    };
    text.split(separator).map(column).collect()
}

fn table(name: &str, columns: Vec<Column>, event_time: Option<usize>) -> sql::Table {
    sql::Table {
        name: name.to_owned(),
        columns,
        key: Vec::new(),
        event_time: event_time.map(|column| EventTime { column, watermark_delay_ms: 0, idle_timeout_ms: 0 }),
        format: Format::Json,
        topic: units::TopicName::new(name).expect("a topic name"),
        partitions: 1,
    }
}

/// xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }

    fn between(&mut self, low: i32, high: i32) -> i32 {
        low + i32::try_from(self.below(u64::try_from(high - low).expect("low is below high"))).expect("an INT")
    }

    /// A value, or NULL once in ten times.
    fn maybe<T>(&mut self, value: T) -> Option<T> {
        (self.below(10) > 0).then_some(value)
    }
}

/// Flights around the epoch, in order of departure.
fn flights(random: &mut Random) -> RecordBatch {
    let count = random.below(300) + 1;
    let mut times: Vec<i64> = (0..count).map(|_| i64::from(random.between(-100_000_000, 200_000_000))).collect();
    times.sort_unstable();
    let pick = |random: &mut Random, of: &[&'static str]| of[usize::try_from(random.below(of.len() as u64)).expect("small")];
    let rows = 0..count;
    let carrier: StringArray = rows
        .clone()
        .map(|_| {
            let value = pick(random, &["AA", "UA", "B6", "Ünited"]);
            random.maybe(value)
        })
        .collect();
    let origin: StringArray = rows.clone().map(|_| Some(pick(random, &["EWR", "JFK", "LGA"]))).collect();
    let delay: Int32Array = rows
        .clone()
        .map(|_| {
            let value = random.between(-30, 200);
            random.maybe(value)
        })
        .collect();
    let distance: Int32Array = rows
        .clone()
        .map(|_| {
            let value = random.between(0, 5);
            random.maybe(value)
        })
        .collect();
    let air_time: Float64Array = rows
        .clone()
        .map(|_| {
            let value = f64::from(random.between(-8, 2_000)) / 4.0;
            random.maybe(value)
        })
        .collect();
    let fare: Decimal128Array = rows
        .clone()
        .map(|_| {
            let value = i128::from(random.between(-5_000, 100_000));
            random.maybe(value)
        })
        .collect();
    let note: StringArray = rows
        .map(|_| {
            let value = pick(random, &["", "late", "50% off", "a_b", "  x "]);
            random.maybe(value)
        })
        .collect();
    let schema =
        Schema::new(columns(FLIGHTS, ';').into_iter().map(|column| Field::new(column.name, column.data_type, true)).collect::<Vec<_>>());
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(carrier),
        Arc::new(origin),
        Arc::new(TimestampMillisecondArray::from(times)),
        Arc::new(delay),
        Arc::new(distance),
        Arc::new(air_time),
        Arc::new(fare.with_precision_and_scale(10, 2).expect("ten digits are enough")),
        Arc::new(note),
    ];
    RecordBatch::try_new(Arc::new(schema), arrays).expect("a batch")
}

/// Runs a plan in one thread.
struct Stream<'a> {
    plan: &'a Plan,
    chains: Vec<Chain>,
    aggregates: Vec<FinalAggregate>,
    results: Vec<RecordBatch>,
}

impl<'a> Stream<'a> {
    fn new(plan: &'a Plan) -> Self {
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
        }
    }

    fn push(&mut self, root: usize, rows: RecordBatch) {
        let stage = self.plan.stages.iter().position(|stage| stage.root == root).expect("every root has a stage");
        let output = self.chains[stage].run(Batch::new(rows));
        assert!(output.bad.is_empty(), "{:?}", output.bad);
        for (exchange, partial) in output.partials {
            assert_eq!(self.aggregates[exchange].on_partial(&partial).expect("our own rows"), 0, "a late row");
        }
        for (node, batch) in output.sinks {
            let named = RecordBatch::try_new(Arc::clone(&self.plan.nodes[node].schema), batch.rows.columns().to_vec());
            self.results.push(named.expect("rows of the sink's schema"));
        }
    }

    fn advance(&mut self, watermark_ms: i64) {
        for exchange in 0..self.aggregates.len() {
            let fired = self.aggregates[exchange].on_watermark(watermark_ms).expect("state of our own");
            fired.batches.into_iter().for_each(|rows| self.push(self.plan.exchanges[exchange].aggregate, rows));
        }
    }

    fn read(&mut self, rows: &RecordBatch, random: &mut Random) {
        let sources: BTreeMap<usize, Source> = self.plan.sources().map(|(node, source)| (node, source.clone())).collect();
        let times = rows.column_by_name("departed").expect("the event time").as_primitive::<TimestampMillisecondType>().clone();
        let mut from = 0;
        while from < rows.num_rows() {
            let count = usize::try_from(random.below(50) + 1).expect("small").min(rows.num_rows() - from);
            for (node, source) in &sources {
                self.push(*node, rows.slice(from, count).project(&source.columns).expect("the table's columns"));
            }
            from += count;
            self.advance(if from < times.len() { times.value(from) - 1 } else { i64::MAX });
        }
    }
}

fn streamed(text: &str, rows: &RecordBatch, random: &mut Random) -> Vec<String> {
    let into = text.lines().next().and_then(|line| line.strip_prefix("-- into ")).expect("what is written");
    let catalog = Catalog { tables: vec![table("flights", columns(FLIGHTS, ';'), Some(2)), table("result", columns(into, ';'), None)] };
    let plan = sql::plan(text, &catalog, &Limits::default()).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut stream = Stream::new(&plan);
    stream.read(rows, random);
    json_lines(&stream.results).expect("JSON has these types")
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/cases");
    let files = std::fs::read_dir(folder).expect("the cases").filter_map(Result::ok).map(|entry| entry.path());
    let mut oracles: Vec<PathBuf> = files.filter(|path| path.to_string_lossy().ends_with(".oracle.sql")).collect();
    oracles.sort();
    oracles
}

#[test]
fn streams_give_what_the_batch_gives() {
    let seeds: u64 = std::env::var("SW_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(20);
    let cases = cases();
    assert!(cases.len() >= 6, "{} cases", cases.len());
    for oracle in cases {
        let streaming = oracle.to_string_lossy().replace(".oracle.sql", ".sql");
        let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (stream, batch) = (read(Path::new(&streaming)), read(&oracle));
        for seed in 1..=seeds {
            let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let rows = flights(&mut random);
            let input = Table { name: "flights".to_owned(), schema: rows.schema(), batches: vec![rows.clone()] };
            let expected =
                query(&[input], &batch).and_then(|rows| json_lines(&rows)).unwrap_or_else(|error| panic!("{}: {error}", oracle.display()));
            let answered = streamed(&stream, &rows, &mut random);
            let first = expected.iter().zip(&answered).find(|(expected, answered)| expected != answered);
            assert_eq!(answered.len(), expected.len(), "{streaming}, seed {seed}: first difference {first:?}");
            assert_eq!(first, None, "{streaming}, seed {seed}");
        }
    }
}
