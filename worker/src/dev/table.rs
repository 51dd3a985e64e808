//! The overview as a table for people: one pure function, for the live table and for `streamwright status`.

use super::status::{Overview, PipelineLine, Progress, TopicLine};

/// Width of a progress bar.
const BAR: usize = 20;

/// At most `rows_max` topics and as many pipelines, a line each, under their headings; lines end with `\n`.
pub(crate) fn render(overview: &Overview, rows_max: usize) -> String {
    let shown: Vec<&TopicLine> = overview.topics.iter().filter(|topic| !is_idle_dead_letters(topic)).collect();
    let topics = shown.iter().map(|topic| {
        vec![
            named(&topic.namespace, &topic.name),
            topic.partitions.to_string(),
            count(topic.records),
            count(topic.records_per_second),
            bytes(topic.hot_bytes),
            bytes(topic.sealed_bytes),
        ]
    });
    let pipelines = overview.pipelines.iter().map(|pipeline| {
        vec![
            named(&pipeline.namespace, &pipeline.name),
            state(pipeline),
            count(pipeline.records_per_second),
            pipeline.lag_seconds.map_or_else(none, seconds),
            pipeline.watermark.clone().map_or_else(none, |watermark| watermark.trim_end_matches('Z').replace('T', " ")),
            pipeline.last_commit_time.as_deref().map_or_else(none, clock),
            pipeline.last_checkpoint_time.as_deref().map_or_else(none, clock),
            bars(&pipeline.progress),
        ]
    });
    let mut text = section(&["TOPIC", "PARTITIONS", "RECORDS", "IN/S", "HOT", "SEALED"], topics, rows_max);
    if !overview.pipelines.is_empty() {
        text.push('\n');
        text += &section(&["PIPELINE", "STATE", "IN/S", "BEHIND", "WATERMARK", "COMMIT", "CHECKPOINT", ""], pipelines, rows_max);
    }
    for problem in overview.problems.iter().take(rows_max) {
        text += &format!("\n! {problem}");
    }
    if !overview.problems.is_empty() {
        text.push('\n');
    }
    text
}

/// A pipeline's topic for what it cannot read is of interest once there is something in it.
fn is_idle_dead_letters(topic: &TopicLine) -> bool {
    topic.records == 0 && topic.object.as_ref().is_some_and(|object| object.starts_with("Pipeline "))
}

fn section(heading: &[&str], rows: impl ExactSizeIterator<Item = Vec<String>>, rows_max: usize) -> String {
    let more = rows.len().saturating_sub(rows_max);
    let mut lines = vec![heading.iter().map(ToString::to_string).collect::<Vec<_>>()];
    lines.extend(rows.take(rows_max));
    let widths: Vec<usize> =
        (0..heading.len()).map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default()).collect();
    let mut text = String::new();
    for line in lines {
        let cells: Vec<String> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text += cells.join("  ").trim_end();
        text.push('\n');
    }
    if more > 0 {
        text += &format!("and {more} more: streamwright status\n");
    }
    text
}

fn named(namespace: &str, name: &str) -> String {
    if namespace == "default" { name.into() } else { format!("{namespace}/{name}") }
}

fn none() -> String {
    "-".into()
}

/// The phase, and why where it does not simply run.
fn state(pipeline: &PipelineLine) -> String {
    let phase = pipeline.phase.to_lowercase();
    let is_well = matches!(pipeline.reason.as_str(), "Available" | "Suspended" | "Idle" | "Finished" | "Progressing" | "");
    if is_well { phase } else { format!("{phase} ({})", pipeline.reason) }
}

/// A bar for each bounded source.
fn bars(progress: &[Progress]) -> String {
    let bar = |one: &Progress| {
        let (read, size) = (one.read_bytes?, one.size_bytes.filter(|size| *size > 0)?);
        let share = if one.finished { 1.0 } else { (read as f64 / size as f64).min(1.0) };
        let full = (share * BAR as f64) as usize;
        Some(format!("{} [{}{}] {:.0} %", one.table, "#".repeat(full), "-".repeat(BAR - full), (share * 100.0).floor()))
    };
    progress.iter().filter_map(bar).collect::<Vec<_>>().join(" ")
}

/// `1,234,567`.
fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Three digits and a binary unit.
fn bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1000.0 {
            return if unit == "B" || value >= 100.0 { format!("{value:.0} {unit}") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

fn seconds(seconds: f64) -> String {
    if seconds < 10.0 { format!("{seconds:.1} s") } else { format!("{seconds:.0} s") }
}

/// The time of day of an RFC 3339 time.
fn clock(time: &str) -> String {
    time.get(11..19).unwrap_or(time).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overview() -> Overview {
        let topic = |name: &str, records| TopicLine {
            namespace: "default".into(),
            name: name.into(),
            object: None,
            partitions: 4,
            records,
            records_per_second: 21_000,
            hot_bytes: 1_500_000,
            sealed_bytes: 0,
        };
        let progress =
            Progress { table: "departures".into(), rows: 9, lag_records: None, read_bytes: Some(1), size_bytes: Some(4), finished: false };
        Overview {
            version: 1,
            pid: 1,
            kafka: "127.0.0.1:9092".into(),
            cluster_id: "abc".into(),
            incarnation: 1,
            manifests: "examples".into(),
            topics: vec![topic("flights", 328_521), topic("late", 7)],
            pipelines: vec![PipelineLine {
                namespace: "default".into(),
                name: "load".into(),
                phase: "Running".into(),
                reason: "Available".into(),
                message: "running".into(),
                layout: None,
                records: 100,
                records_out: 100,
                records_per_second: 50,
                lag_seconds: Some(0.25),
                watermark: Some("2013-01-01T10:59:55.000Z".into()),
                last_commit_time: Some("2026-01-01T01:02:03.000Z".into()),
                last_checkpoint_time: None,
                state_bytes: 0,
                late_rows: 0,
                dead_letters: 0,
                progress: vec![progress],
            }],
            objects: Vec::new(),
            problems: vec!["a.yaml:1:1: wrong".into()],
        }
    }

    #[test]
    fn the_table_shows_every_value_in_its_column() {
        let expected = "\
TOPIC    PARTITIONS  RECORDS  IN/S    HOT      SEALED
flights  4           328,521  21,000  1.4 MiB  0 B
late     4           7        21,000  1.4 MiB  0 B

PIPELINE  STATE    IN/S  BEHIND  WATERMARK                COMMIT    CHECKPOINT
load      running  50    0.2 s   2013-01-01 10:59:55.000  01:02:03  -           departures [#####---------------] 25 %

! a.yaml:1:1: wrong
";
        assert_eq!(render(&overview(), 10), expected);
    }

    #[test]
    fn a_long_list_is_cut_and_says_so() {
        assert!(render(&overview(), 1).contains("21,000  1.4 MiB  0 B\nand 1 more: streamwright status\n"));
    }
}
