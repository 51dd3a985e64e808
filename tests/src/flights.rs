//! The example's results as they are in the topics, and as the batch oracle has them.

use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::server::{PATIENCE, Server, built};

/// Departures in the file.
const DEPARTURES: u64 = 328_521;
/// Means are sums in another order than the oracle's: equal to this part of them.
const TOLERANCE: f64 = 1e-9;

/// One result of the example: its topic and pipeline, the columns that tell its rows apart, and the window that closes it.
pub struct Wanted {
    /// Name of its topic, and of its pipeline.
    pub topic: &'static str,
    key: &'static [&'static str],
    /// The column that holds the window's start, and its length in hours; `None` for what needs no window.
    window: Option<(&'static str, i64)>,
}

/// The three results of the tutorial.
pub const RESULTS: [Wanted; 3] = [
    Wanted { topic: "late-departures", key: &["departed", "carrier", "flight", "origin"], window: None },
    Wanted { topic: "delay-by-carrier-hour", key: &["hour_start", "carrier"], window: Some(("hour_start", 1)) },
    Wanted { topic: "worst-hour-by-airport", key: &["day_start", "origin"], window: Some(("day_start", 24)) },
];

type Rows = BTreeMap<Vec<String>, Value>;

/// The batch results, computed once.
pub struct Oracle {
    rows: Vec<Rows>,
}

impl Oracle {
    /// Runs the batch queries of the example in this folder.
    ///
    /// # Panics
    /// Where one fails.
    #[must_use]
    pub fn of(example: &Path) -> Self {
        let rows = RESULTS.iter().map(|wanted| {
            let query = example.join("oracle").join(wanted.topic).with_extension("sql");
            let output = Command::new(built("oracle")).arg(&query).output().expect("the oracle runs");
            assert!(output.status.success(), "{}: {}", query.display(), String::from_utf8_lossy(&output.stderr));
            by_key(wanted, String::from_utf8(output.stdout).expect("JSON is text").lines())
        });
        Self { rows: rows.collect() }
    }

    /// Each result in the topics equals the oracle's for every window that ends at or before its pipeline's watermark, and has nothing else.
    /// A watermark may move while rows are read: those of the windows that it closed then may be there already.
    ///
    /// # Panics
    /// Where they differ.
    pub fn compare(&self, server: &Server) {
        let is_known = |status: &Value| RESULTS.iter().all(|wanted| wanted.window.is_none() || !watermark(status, wanted).is_empty());
        let status = server.wait_for_status(PATIENCE, is_known);
        for (wanted, expected) in RESULTS.iter().zip(&self.rows) {
            let lines = committed(&server.bootstrap, wanted.topic);
            let got = by_key(wanted, lines.iter().map(String::as_str));
            assert_eq!(got.len(), lines.len(), "{}: a row is there twice", wanted.topic);
            let watermark = watermark(&status, wanted);
            let closed: Vec<_> = expected.iter().filter(|(_, row)| is_closed(wanted, row, &watermark)).collect();
            assert!(closed.len() * 10 > expected.len() * 9, "{}: the watermark {watermark} leaves most windows open", wanted.topic);
            for (key, row) in closed {
                let found = got.get(key).unwrap_or_else(|| panic!("{}: {key:?} is missing; watermark {watermark}", wanted.topic));
                assert!(is_same(row, found), "{}: {found} where the oracle has {row}", wanted.topic);
            }
            let unknown: Vec<_> = got.keys().filter(|key| !expected.contains_key(*key)).collect();
            assert!(unknown.is_empty(), "{}: rows that the oracle has not: {unknown:?}", wanted.topic);
            let is_told = |status: &Value| got.values().all(|row| is_closed(wanted, row, &self::watermark(status, wanted)));
            let _ = server.wait_for_status(PATIENCE, is_told);
        }
    }
}

fn watermark(status: &Value, wanted: &Wanted) -> String {
    pipeline(status, wanted.topic)["watermark"].as_str().unwrap_or_default().to_owned()
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
    let Some((column, hours)) = wanted.window else { return true };
    let start = row[column].as_str().expect("a window's start is text");
    !watermark.is_empty() && minutes(start) + hours * 60 <= minutes(watermark)
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

/// Whether the file is loaded, every pipeline has read all of it, and has committed what it made of it.
#[must_use]
pub fn is_settled(status: &Value) -> bool {
    pipeline(status, "load")["phase"] == "Finished"
        && topic_offsets(status, "flights") >= DEPARTURES
        && RESULTS.iter().all(|wanted| pipeline(status, wanted.topic)["lagSeconds"].as_f64() == Some(0.0))
}

/// Whether the file is loaded and read: kills would hit an idle process from here on.
#[must_use]
pub fn is_through(server: &Server) -> bool {
    server.status().is_some_and(|status| is_settled(&status))
}

/// The folder of the example.
///
/// # Panics
/// Never: this crate lies in the workspace.
#[must_use]
pub fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").join("examples/flights")
}

/// Copies the example's manifests and data into a folder, where they may be changed. A Cluster is left out: `dev` does without.
///
/// # Panics
/// Where a file cannot be copied.
pub fn copy_to(folder: &Path) {
    fs::create_dir_all(folder.join("data")).expect("a folder can be made");
    for name in ["topics.yaml", "pipelines.yaml", "retention.yaml", "data/flights-2013.csv.gz"] {
        fs::copy(example().join(name), folder.join(name)).expect("a file of the example can be copied");
    }
}
