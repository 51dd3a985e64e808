//! `cases/NAME.sql`, run as a stream by our planner and operators, gives what `cases/NAME.oracle.sql` gives over all rows at once.
//!
//! The first line of a streaming query declares what it writes: `-- into carrier STRING, n BIGINT`. Rows arrive in order of event time, in
//! batches cut anywhere; the watermark follows them.

use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use sql::{Catalog, Limits, Plan};
use streamwright_golden::{Prepared, Table, json_lines};

use crate::rows::{FLIGHTS, Random, columns, flights, table, times};
use crate::stream::Stream;

fn planned(text: &str) -> Plan {
    let into = text.lines().next().and_then(|line| line.strip_prefix("-- into ")).expect("what is written");
    let catalog = Catalog { tables: vec![table("flights", columns(FLIGHTS, ';'), Some(2)), table("result", columns(into, ';'), None)] };
    sql::plan(text, &catalog, &Limits::default()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn streamed(plan: &Plan, rows: &RecordBatch, random: &mut Random) -> Vec<String> {
    let mut stream = Stream::new(plan);
    stream.read(rows, &cuts(rows.num_rows(), random), 0);
    assert_eq!((stream.late, stream.bad.as_slice()), (0, [].as_slice()));
    json_lines(&stream.results).expect("JSON has these types")
}

/// Batches of up to 50 rows.
pub fn cuts(rows: usize, random: &mut Random) -> Vec<usize> {
    let mut cuts = Vec::new();
    let mut left = rows;
    while left > 0 {
        let count = usize::try_from(random.below(50) + 1).expect("small").min(left);
        cuts.push(count);
        left -= count;
    }
    cuts
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
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let cases = cases();
    assert!(cases.len() >= 6, "{} cases", cases.len());
    for oracle in cases {
        let streaming = oracle.to_string_lossy().replace(".oracle.sql", ".sql");
        let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (plan, batch) = (planned(&read(Path::new(&streaming))), read(&oracle));
        let check = &|first: u64| {
            let refused = |error| -> ! { panic!("{}: {error}", oracle.display()) };
            let batch = Prepared::new(&[input(first).0], &batch).unwrap_or_else(|error| refused(error));
            for seed in (first..=seeds).step_by(threads) {
                let (input, mut random) = input(seed);
                let rows = input.batches[0].clone();
                let expected = batch.run(&[input]).and_then(|rows| json_lines(&rows)).unwrap_or_else(|error| refused(error));
                let answered = streamed(&plan, &rows, &mut random);
                let first = expected.iter().zip(&answered).find(|(expected, answered)| expected != answered);
                assert_eq!(answered.len(), expected.len(), "{streaming}, seed {seed}: first difference {first:?}");
                assert_eq!(first, None, "{streaming}, seed {seed}");
            }
        };
        std::thread::scope(|scope| (1..).take(threads).for_each(|first| drop(scope.spawn(move || check(first)))));
    }
}

/// The rows of a seed, and the choices that are left.
fn input(seed: u64) -> (Table, Random) {
    let mut random = Random::from_seed(seed);
    let times = times(&mut random);
    let rows = flights(&mut random, times.into_iter().map(Some).collect());
    (Table { name: "flights".to_owned(), schema: rows.schema(), batches: vec![rows] }, random)
}
