//! Results of an example as they are in its topics, and as the batch oracle has them.

use serde_json::Value;
use std::{collections::BTreeMap, path::Path, process::Command, time::Duration};

use crate::{
    patience::until,
    server::{Server, built},
};

/// Means are sums in another order than the oracle's: equal to this part of them.
const TOLERANCE: f64 = 1e-9;

/// One result: its topic, the pipeline that writes it, the columns that tell its rows apart, and the window that closes it.
#[derive(Debug)]
pub struct Wanted {
    /// Name of its topic, and of its oracle's file.
    pub topic: &'static str,
    /// Name of its pipeline.
    pub pipeline: &'static str,
    /// Columns that tell its rows apart.
    pub key: &'static [&'static str],
    /// The column that holds the window's start, and its length in minutes; `None` for what needs no window.
    pub window: Option<(&'static str, i64)>,
}

/// Where results are: a `dev` process, or a cluster.
pub trait Results {
    /// A topic's values, `read_committed`, sorted.
    fn committed(&self, topic: &str) -> Vec<String>;

    /// How far a pipeline says that its event time is, as text that begins `yyyy-mm-ddThh:mm`; empty while it says nothing.
    fn watermark(&self, pipeline: &str) -> String;
}

impl Results for Server {
    fn committed(&self, topic: &str) -> Vec<String> {
        committed(&self.bootstrap, topic)
    }

    fn watermark(&self, name: &str) -> String {
        let status = self.status().unwrap_or_default();
        pipeline(&status, name)["watermark"].as_str().unwrap_or_default().to_owned()
    }
}

type Rows = BTreeMap<Vec<String>, Value>;

/// The batch results, computed once.
pub struct Oracle {
    wanted: &'static [Wanted],
    rows: Vec<Rows>,
}

impl Oracle {
    /// Runs the batch queries of the example in this folder: `oracle/TOPIC.sql`.
    ///
    /// # Panics
    /// Where one fails.
    #[must_use]
    pub fn of(example: &Path, wanted: &'static [Wanted]) -> Self {
        let rows = wanted.iter().map(|wanted| {
            let query = example.join("oracle").join(format!("{}.sql", wanted.topic));
            let output = Command::new(built("oracle")).arg(&query).output().expect("the oracle runs");
            assert!(output.status.success(), "{}: {}", query.display(), String::from_utf8_lossy(&output.stderr));
            by_key(wanted, String::from_utf8(output.stdout).expect("JSON is text").lines())
        });
        Self { wanted, rows: rows.collect() }
    }

    /// Each result in the topics equals the oracle's for every window that ends at or before its pipeline's watermark, and has nothing else.
    /// A watermark may move while rows are read: those of the windows that it closed then may be there already.
    ///
    /// # Panics
    /// Where they differ, or the watermark leaves more than a tenth of the windows open for `patience`.
    pub fn compare(&self, seen: &impl Results, patience: Duration) {
        for (wanted, expected) in self.wanted.iter().zip(&self.rows) {
            let closed_by = |watermark: &str| expected.iter().filter(|(_, row)| is_closed(wanted, row, watermark)).collect::<Vec<_>>();
            let watermark = until(&format!("{}: its pipeline's watermark closes most windows", wanted.topic), patience, || {
                let watermark = seen.watermark(wanted.pipeline);
                (closed_by(&watermark).len() * 10 > expected.len() * 9).then_some(watermark)
            });
            // What has no windows is closed from the start: no watermark says that all of it is there.
            let rows_min = closed_by(&watermark).len();
            let lines = until(&format!("{}: {rows_min} rows, those of closed windows", wanted.topic), patience, || {
                let lines = seen.committed(wanted.topic);
                (lines.len() >= rows_min).then_some(lines)
            });
            let got = by_key(wanted, lines.iter().map(String::as_str));
            assert_eq!(got.len(), lines.len(), "{}: a row is there twice", wanted.topic);
            for (key, row) in closed_by(&watermark) {
                let found = got.get(key).unwrap_or_else(|| panic!("{}: {key:?} is missing; watermark {watermark}", wanted.topic));
                assert!(is_same(row, found), "{}: {found} where the oracle has {row}", wanted.topic);
            }
            let unknown: Vec<_> = got.keys().filter(|key| !expected.contains_key(*key)).collect();
            assert!(unknown.is_empty(), "{}: rows that the oracle has not: {unknown:?}", wanted.topic);
            until(&format!("{}: a watermark that closes what is written", wanted.topic), patience, || {
                let watermark = seen.watermark(wanted.pipeline);
                got.values().all(|row| is_closed(wanted, row, &watermark)).then_some(())
            });
        }
    }
}

/// A topic's values, `read_committed`, sorted.
///
/// # Panics
/// Where kcat fails.
#[must_use]
pub fn committed(bootstrap: &str, topic: &str) -> Vec<String> {
    let output = Command::new("kcat")
        .args(["-b", bootstrap, "-t", topic, "-C", "-e", "-q", "-o", "beginning", "-X", "isolation.level=read_committed"])
        .output()
        .expect("kcat runs");
    assert!(output.status.success(), "kcat: {}", String::from_utf8_lossy(&output.stderr));
    let mut lines: Vec<String> = String::from_utf8(output.stdout).expect("values are text").lines().map(String::from).collect();
    lines.sort();
    lines
}

fn by_key<'a>(wanted: &Wanted, lines: impl Iterator<Item = &'a str>) -> Rows {
    let row = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap_or_else(|reason| panic!("{}: {line}: {reason}", wanted.topic));
        (wanted.key.iter().map(|column| row[column].to_string()).collect(), row)
    };
    lines.map(row).collect()
}

fn is_same(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            expected.len() == found.len()
                && expected.iter().all(|(column, value)| found.get(column).is_some_and(|other| is_same(value, other)))
        }
        (Value::Number(expected), Value::Number(found)) => {
            let (expected, found) = (expected.as_f64().unwrap_or(f64::NAN), found.as_f64().unwrap_or(f64::NAN));
            (expected - found).abs() <= TOLERANCE * expected.abs().max(1.0)
        }
        (expected, found) => expected == found,
    }
}

/// Whether the row's window ends at or before the watermark.
fn is_closed(wanted: &Wanted, row: &Value, watermark: &str) -> bool {
    let Some((column, length)) = wanted.window else { return true };
    let start = row[column].as_str().expect("a window's start is text");
    !watermark.is_empty() && minutes(start) + length <= minutes(watermark)
}

/// Minutes since 1970 of `yyyy-mm-dd hh:mm…` or the same with a `T`.
fn minutes(text: &str) -> i64 {
    let number = |range: std::ops::Range<usize>| {
        text.get(range).and_then(|digits| digits.parse::<i64>().ok()).unwrap_or_else(|| panic!("{text:?} is no time"))
    };
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    // Days from civil (Howard Hinnant's algorithm).
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    (days * 24 + number(11..13)) * 60 + number(14..16)
}

/// What status says of a pipeline; null where there is none of this name.
#[must_use]
pub fn pipeline<'a>(status: &'a Value, name: &str) -> &'a Value {
    status["pipelines"].as_array().into_iter().flatten().find(|pipeline| pipeline["name"] == name).unwrap_or(&Value::Null)
}

/// From log start to log end of a topic; 0 where it is not there.
#[must_use]
pub fn topic_offsets(status: &Value, name: &str) -> u64 {
    let topic = status["topics"].as_array().into_iter().flatten().find(|topic| topic["name"] == name);
    topic.and_then(|topic| topic["offsets"].as_u64()).unwrap_or(0)
}
