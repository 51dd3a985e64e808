//! The table in windows of several sizes.

use super::*;
use crate::dev::status::ObjectLine;
use crds::{Condition, Kind, Reason};

const PLAIN: Style = Style { has_color: false, is_utf8: false };

fn now() -> Timestamp {
    "2026-01-01T01:02:08Z".parse().unwrap()
}

fn topic(name: &str, offsets: u64) -> TopicLine {
    TopicLine {
        namespace: "default".into(),
        name: name.into(),
        object: None,
        partitions: 4,
        offsets,
        records_per_second: 21_000,
        hot_bytes: 1_500_000,
        sealed_bytes: 0,
    }
}

fn pipeline(name: &str, phase: &str, reason: &str) -> PipelineLine {
    PipelineLine {
        namespace: "default".into(),
        name: name.into(),
        phase: phase.into(),
        reason: reason.into(),
        message: String::new(),
        layout: None,
        records: 100,
        records_out: 100,
        records_per_second: 52_310,
        lag_seconds: Some(0.25),
        watermark: Some("2013-01-01T10:59:55.000Z".into()),
        last_commit_time: Some("2026-01-01T01:02:08.000Z".into()),
        last_checkpoint_time: Some("2026-01-01T01:02:03.000Z".into()),
        state_bytes: 0,
        late_rows: 0,
        dead_letters: 0,
        progress: Vec::new(),
    }
}

fn flights() -> Overview {
    let progress = Progress {
        table: "departures".into(),
        rows: 9,
        lag_records: None,
        read_bytes: Some(1 << 20),
        size_bytes: Some(4 << 20),
        finished: false,
    };
    let mut load = pipeline("load", "Running", "Available");
    (load.progress, load.lag_seconds, load.watermark, load.last_checkpoint_time) = (vec![progress], None, None, None);
    Overview {
        version: 1,
        pid: 1,
        kafka: "127.0.0.1:9092".into(),
        cluster_id: "abc".into(),
        incarnation: 1,
        manifests: "examples".into(),
        topics: vec![topic("delay-by-carrier-hour", 7), topic("flights", 328_521)],
        pipelines: vec![pipeline("delay-by-carrier-hour", "Running", "Available"), load],
        objects: Vec::new(),
        problems: Vec::new(),
    }
}

fn shown(overview: &Overview, columns: usize, rows: usize) -> String {
    render(overview, now(), Size { columns, rows }, PLAIN).iter().map(|line| line.painted(PLAIN) + "\n").collect()
}

#[test]
fn a_wide_window_shows_everything() {
    let expected = "\
TOPIC                  PARTITIONS  OFFSETS  RECORDS/S      HOT  SEALED
delay-by-carrier-hour           4        7     21,000  1.4 MiB     0 B
flights                         4  328,521     21,000  1.4 MiB     0 B

PIPELINE               STATE    RECORDS/S    LAG  WATERMARK            COMMIT  CHECKPOINT
delay-by-carrier-hour  running     52,310  0.2 s  2013-01-01 10:59:55     now      5s ago
load                   running     52,310      -  -                       now           -
  departures  ######------------------  25 %  1.0 MiB of 4.0 MiB
";
    assert_eq!(shown(&flights(), 100, 40), expected);
}

#[test]
fn eighty_columns_hold_every_column_of_the_example() {
    let expected = "\
TOPIC                  PARTS  OFFSETS   REC/S      HOT  SEALED
delay-by-carrier-hour      4        7  21,000  1.4 MiB     0 B
flights                    4  328,521  21,000  1.4 MiB     0 B

PIPELINE               STATE     REC/S    LAG  WATERMARK         COMMIT  CKPT
delay-by-carrier-hour  running  52,310  0.2 s  2013-01-01 10:59     now    5s
load                   running  52,310      -  -                    now     -
  departures  ######------------------  25 %  1.0 MiB of 4.0 MiB
";
    assert_eq!(shown(&flights(), 80, 24), expected);
}

#[test]
fn nothing_is_wider_or_higher_than_the_window() {
    let mut overview = flights();
    overview.topics = (0..60).map(|index| topic(&format!("topic-{index}"), index)).collect();
    overview.pipelines.extend((0..9).map(|index| pipeline(&format!("pipeline-{index}"), "Running", "Available")));
    overview.problems = vec![format!("a.yaml:1:1: {}", "words that go on ".repeat(9)); 3];
    for columns in [1, 10, 20, 40, 79, 80, 132] {
        for rows in [1, 2, 7, 8, 9, 12, 24, 50] {
            let shown = shown(&overview, columns, rows);
            let widest = shown.lines().map(|line| line.chars().count()).max().unwrap_or_default();
            assert!(widest <= columns && shown.lines().count() <= rows, "{columns} x {rows}:\n{shown}");
        }
    }
}

#[test]
fn what_does_not_fit_is_counted() {
    let mut overview = flights();
    overview.topics = (0..60).map(|index| topic(&format!("topic-{index}"), index)).collect();
    let text = shown(&overview, 80, 20);
    assert!(text.contains("\nand 47 more topics in streamwright status\n"), "{text}");
    assert!(text.contains("departures"), "pipelines keep their share:\n{text}");
    assert_eq!(text.lines().count(), 20);
}

#[test]
fn what_is_wrong_is_said_whole_and_once() {
    let mut overview = flights();
    overview.problems = vec!["a.yaml:7:36: Pipeline default/load: spec.query: there is no column amont; did you mean amount?".into()];
    let condition = |reason| vec![Condition::new(ConditionType::Ready, ConditionStatus::False, reason, "no file", now())];
    let object = |name: &str, reason| ObjectLine {
        kind: Kind::Pipeline,
        namespace: "default".into(),
        name: name.into(),
        file: String::new(),
        generation: 1,
        conditions: condition(reason),
    };
    overview.objects =
        vec![object("load", Reason::PlanError), object("new", Reason::Progressing), object("sum", Reason::DependencyMissing)];
    overview.pipelines[1].reason = "PlanError".into();
    let text = shown(&overview, 60, 24);
    let expected = "
! a.yaml:7:36: Pipeline default/load: spec.query: there is
  no column amont; did you mean amount?
! Pipeline default/sum: DependencyMissing: no file
";
    assert!(text.ends_with(expected), "{text}");
    let is_marked = |line: &str| line.split_whitespace().take(3).eq(["load", "running", "!"]);
    assert!(text.lines().any(is_marked), "{text}");
}

#[test]
fn a_tiny_window_gets_one_line() {
    let mut overview = flights();
    assert_eq!(shown(&overview, 80, 5), "2 of 2 pipelines running, 2 topics, 42,000 records/s\n");
    overview.problems.push("x".into());
    assert_eq!(shown(&overview, 80, 1), "! 1 problem; 2 of 2 pipelines running, 2 topics, 42,000 records/s\n");
}

#[test]
fn letters_beyond_ascii_only_where_they_are_safe() {
    let style = Style { has_color: false, is_utf8: true };
    let lines = render(&flights(), now(), Size { columns: 80, rows: 24 }, style);
    assert!(lines.iter().any(|line| line.painted(style).contains("██████░░")));
    assert!(shown(&flights(), 80, 24).is_ascii());
}
