//! Readings that never stop coming: each batch is sent by kcat until every record of it is acknowledged, however long a broker is away.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::Write as _,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// Sensors, which are keys; readings of a batch; seconds of event time that a batch takes.
const SENSORS: u64 = 9;
const BATCH: u64 = 90;
const STEP_SECONDS: u64 = 4;
/// Between two batches.
const PACE: Duration = Duration::from_millis(200);

/// A thread that sends.
pub(crate) struct Feed {
    acknowledged: Arc<AtomicU64>,
    ends: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Feed {
    /// Sends batch after batch by `kcat`, which gives a command that only lacks the topic.
    pub(crate) fn start(kcat: impl Fn() -> Command + Send + 'static) -> Self {
        let (acknowledged, ends) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, end) = (Arc::clone(&acknowledged), Arc::clone(&ends));
        let thread = std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                let batches = count.load(Ordering::Relaxed);
                send(kcat(), &batch(batches));
                count.store(batches + 1, Ordering::Relaxed);
                std::thread::park_timeout(PACE);
            }
            send(kcat(), &last());
        });
        Self { acknowledged, ends, thread }
    }

    /// Batches that are acknowledged.
    pub(crate) fn batches(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Stops, sends what closes every minute that has readings, and says how many batches there are.
    pub(crate) fn finish(self) -> u64 {
        self.ends.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        self.thread.join().expect("every batch is acknowledged");
        self.acknowledged.load(Ordering::Relaxed)
    }
}

fn send(mut kcat: Command, rows: &str) {
    let safe = ["-X", "enable.idempotence=true", "-X", "message.timeout.ms=1800000", "-X", "socket.timeout.ms=5000"];
    let mut child = kcat
        .args(["-t", "readings", "-P", "-E", "-K", "\t"])
        .args(safe)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kcat can be run");
    child.stdin.take().expect("stdin is piped").write_all(rows.as_bytes()).expect("kcat reads");
    let output = child.wait_with_output().expect("kcat ends");
    assert!(output.status.success(), "kcat: {}", String::from_utf8_lossy(&output.stderr));
}

/// The readings of a batch: number, sensor, second of event time.
fn readings(batch: u64) -> impl Iterator<Item = (u64, u64, u64)> {
    (0..BATCH).map(move |index| (batch * BATCH + index, index % SENSORS, batch * STEP_SECONDS + index * STEP_SECONDS / BATCH))
}

fn batch(number: u64) -> String {
    let mut text = String::new();
    readings(number).for_each(|(id, sensor, second)| row(&mut text, id.cast_signed(), sensor, second));
    text
}

/// Readings of a day later, of every sensor: negative numbers tell them from the others.
fn last() -> String {
    let mut text = String::new();
    (0..SENSORS).for_each(|sensor| row(&mut text, -1 - sensor.cast_signed(), sensor, 23 * 3600));
    text
}

fn row(text: &mut String, id: i64, sensor: u64, second: u64) {
    let at = time(second);
    let _ = writeln!(text, "s{sensor}\t{{\"id\": {id}, \"sensor\": \"s{sensor}\", \"at\": \"{at}\"}}");
}

fn time(second: u64) -> String {
    format!("2026-03-01 {:02}:{:02}:{:02}.000", second / 3600, second / 60 % 60, second % 60)
}

/// What the windows over these batches are: readings by sensor and minute, as the pipeline writes the minute.
pub(crate) fn expected_counts(batches: u64) -> BTreeMap<(String, String), u64> {
    let mut counts = BTreeMap::new();
    for (_, sensor, second) in (0..batches).flat_map(readings) {
        *counts.entry((format!("s{sensor}"), time(second / 60 * 60))).or_default() += 1;
    }
    counts
}

/// Numbers of the readings of these batches and of the last.
pub(crate) fn expected_ids(batches: u64) -> Vec<i64> {
    (-SENSORS.cast_signed()..(batches * BATCH).cast_signed()).collect()
}
