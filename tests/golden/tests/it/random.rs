//! Random queries over random rows that arrive out of order and late: as a stream they give what the batch gives.
//!
//! Each query is written twice as it is made: for us in Flink's words, with no more parentheses than Flink's precedences need, and for
//! DataFusion in its words, in parentheses throughout, with windows spelled out by `date_bin` and a join. What is late is in the batch's
//! table: `seen` is the watermark at a row's arrival, and a window takes only rows that found it open.
//!
//! `SW_SEEDS=n` tries the first n / 4 seeds (each plans several queries twice), `SW_SEED=n` one of them. A seed that fails is printed with
//! both texts.

mod expression;
mod query;

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, TimestampMillisecondArray};
use arrow::datatypes::{Field, Schema};
use datafusion::error::DataFusionError;
use sql::{Catalog, Limits};
use streamwright_golden::{OracleError, Table, json_lines};

use crate::rows::{FLIGHTS, Random, columns, flights, table, times};
use crate::stream::{Stream, watermarks};
use crate::streaming::cuts;

/// 1700-01-01: before every time of the rows, and a time for DataFusion.
const BEFORE_ALL_MS: i64 = -8_520_336_000_000;

/// Rows in the order of their arrival, some much later than others, some without a time.
fn arrivals(random: &mut Random) -> RecordBatch {
    let disorder = random.pick(&[1, 60_000, 3_600_000]);
    let mut arriving: Vec<(i64, i64)> = times(random)
        .into_iter()
        .map(|time| {
            let waits = if random.once_in(10) { 20 * disorder } else { disorder };
            (time + i64::from(random.between(0, waits)), time)
        })
        .collect();
    arriving.sort_unstable();
    let times = arriving.into_iter().map(|(_, time)| (!random.once_in(30)).then_some(time)).collect();
    flights(random, times)
}

/// The rows and the watermark that each found.
fn with_seen(rows: &RecordBatch, batches: &[usize], delay_ms: i64) -> RecordBatch {
    let watermarks = watermarks(rows, batches, delay_ms);
    let seen = batches.iter().zip(&watermarks).flat_map(|(count, seen)| std::iter::repeat_n((*seen).max(BEFORE_ALL_MS), *count));
    let seen: ArrayRef = Arc::new(TimestampMillisecondArray::from_iter_values(seen));
    let mut fields = rows.schema().fields().to_vec();
    fields.push(Arc::new(Field::new("seen", seen.data_type().clone(), true)));
    let columns = rows.columns().iter().cloned().chain([seen]).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("as many watermarks as rows")
}

/// How many rows both gave; none where DataFusion has a fault of its own with the query.
///
/// # Errors
/// What is wrong with the answer.
fn check(seed: u64) -> Result<Option<usize>, String> {
    let mut random = Random::from_seed(seed);
    let rows = arrivals(&mut random);
    let batches = cuts(rows.num_rows(), &mut random);
    let delay_ms = random.pick(&[0, 60_000, 1_800_000]);
    let query = query::Query::random(&mut random);
    let failed = |what: String| format!("{what}\n{}\n--- batch\n{}", query.stream, query.batch);

    let batch_rows = with_seen(&rows, &batches, delay_ms);
    let input = Table { name: "flights".to_owned(), schema: batch_rows.schema(), batches: vec![batch_rows] };
    let expected = streamwright_golden::query(&[input], &query.batch).and_then(|rows| json_lines(&rows));
    let expected = match expected {
        Ok(expected) => expected,
        Err(OracleError::Query(error)) if matches!(error.find_root(), DataFusionError::Internal(_)) => return Ok(None),
        Err(error) => return Err(failed(format!("the batch: {error}"))),
    };

    let catalog =
        Catalog { tables: vec![table("flights", columns(FLIGHTS, ';'), Some(2)), table("result", columns(&query.into, ';'), None)] };
    let plan = sql::plan(&query.stream, &catalog, &Limits::default()).map_err(|error| failed(error.to_string()))?;
    let mut stream = Stream::new(&plan);
    stream.read(&rows, &batches, delay_ms);
    if let Some(reason) = stream.bad.iter().find(|reason| !reason.contains("event time")) {
        return Err(failed(format!("a row is left out: {reason}")));
    }
    let answered = json_lines(&stream.results).map_err(|error| failed(error.to_string()))?;
    let difference = expected.iter().zip(&answered).find(|(expected, answered)| expected != answered);
    if difference.is_some() || expected.len() != answered.len() {
        let lengths = format!("{} rows expected, {} answered", expected.len(), answered.len());
        return Err(failed(format!("{lengths}; expected and answered: {difference:#?}")));
    }
    Ok(Some(expected.len()))
}

#[test]
fn random_queries_give_what_the_batch_gives() {
    let number = |name: &str| std::env::var(name).ok().and_then(|number| number.parse::<u64>().ok());
    let seeds = match number("SW_SEED") {
        Some(seed) => seed..=seed,
        None => 1..=number("SW_SEEDS").unwrap_or(600).div_ceil(4),
    };
    let count = seeds.clone().count();
    let (mut rows, mut refused) = (0, 0);
    for seed in seeds {
        match check(seed).unwrap_or_else(|failure| panic!("seed {seed} (SW_SEED={seed} replays it): {failure}")) {
            Some(more) => rows += more,
            None => refused += 1,
        }
    }
    assert!(count < 20 || rows > 10 * count, "queries that answer nothing test nothing: {rows} rows of {count} seeds");
    assert!(refused <= count / 20 + 1, "DataFusion could not run {refused} of {count} queries");
}
