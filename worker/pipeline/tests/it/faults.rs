//! What goes wrong around a pipeline: the broker restarts, a second process has the same name, data is gone, a partition is silent.

use std::time::Duration;

use control::{DesiredPipeline, Phase, PipelineReason, StartFrom};
use units::{DurationMs, TimestampMs};

use crate::stack::{Stack, rows, table, until, until_running};

fn tables() -> Vec<control::Table> {
    let events = [("key", "STRING"), ("n", "BIGINT"), ("ts", "TIMESTAMP(3)")];
    let totals = [("key", "STRING"), ("total", "BIGINT")];
    let copies = [("n", "BIGINT")];
    vec![
        table("events", &events, &["key"], Some(("ts", 0)), 2),
        table("totals", &totals, &["key"], None, 1),
        table("copies", &copies, &[], None, 1),
    ]
}

const COPY: &str = "INSERT INTO copies SELECT n FROM events";
const BOTH: &str = "INSERT INTO copies SELECT n FROM events; \
    INSERT INTO totals SELECT `key`, SUM(n) \
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY `key`, window_start, window_end";

async fn stack() -> Stack {
    let mut stack = Stack::start().await;
    for (topic, partitions) in [("events", 2), ("totals", 1), ("copies", 1)] {
        stack.topic(topic, partitions).await;
    }
    stack
}

fn event(n: i64, second: i64) -> (Option<&'static str>, String) {
    (None, format!(r#"{{"key":"k","n":{n},"ts":"2024-01-01 00:{:02}:{:02}"}}"#, second / 60, second % 60))
}

fn numbers(rows: &[(i32, Option<String>, String)]) -> Vec<i64> {
    let number = |value: &str| serde_json::from_str::<serde_json::Value>(value).unwrap()["n"].as_i64().unwrap();
    let mut numbers: Vec<i64> = rows.iter().map(|(_, _, value)| number(value)).collect();
    numbers.sort_unstable();
    numbers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_restarts_costs_time_and_no_row() {
    let mut stack = stack().await;
    let desired = stack.pipeline("survives", BOTH, &tables()).await;
    let handle = stack.run(&desired);
    until_running(&handle).await;
    for round in 0..4_i64 {
        for step in 0..6 {
            let n = round * 60 + step * 10;
            let events: Vec<_> = (n..n + 10).map(|n| event(n, n)).collect();
            stack.produce("events", i32::try_from(step % 2).unwrap(), &events).await;
        }
        stack.restart_broker(Duration::from_millis(50 * u64::try_from(round).unwrap())).await;
    }
    let copies = rows(&stack, "copies", 240).await;
    assert_eq!(numbers(&copies), (0..240).collect::<Vec<_>>());
    let totals = rows(&stack, "totals", 22).await;
    let sum: i64 = totals.iter().map(|row| serde_json::from_str::<serde_json::Value>(&row.2).unwrap()["total"].as_i64().unwrap()).sum();
    // The last row of one of the partitions is of second 229: the window that it is in stays open.
    assert_eq!((totals.len(), sum), (22, (0..220).sum::<i64>()));
    handle.stop(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_processes_with_one_name_the_later_runs_and_the_other_says_why_it_does_not_until_it_is_alone() {
    let mut stack = stack().await;
    let desired = stack.pipeline("twins", BOTH, &tables()).await;
    let first = stack.run(&desired);
    until_running(&first).await;
    stack.produce("events", 0, &[event(1, 1)]).await;
    rows(&stack, "copies", 1).await;
    let second = stack.run(&desired);
    until_running(&second).await;
    let fenced = until(&first, "fenced", |status| status.phase == Phase::Failed).await;
    assert_eq!(fenced.problem.unwrap().reason, PipelineReason::Fenced);
    stack.produce("events", 0, &[event(2, 2)]).await;
    assert_eq!(numbers(&rows(&stack, "copies", 2).await), [1, 2]);
    // The one that is left is there for good, and nothing is done twice.
    second.stop(false).await;
    stack.produce("events", 0, &[event(3, 3)]).await;
    assert_eq!(numbers(&rows(&stack, "copies", 3).await), [1, 2, 3]);
    until(&first, "running", |status| status.phase == Phase::Running).await;
    first.stop(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_deleted_before_they_were_read_stop_the_pipeline_by_name() {
    let mut stack = stack().await;
    let desired = stack.pipeline("lost", BOTH, &tables()).await;
    let handle = stack.run(&desired);
    stack.produce("events", 0, &[event(1, 1), event(2, 2)]).await;
    rows(&stack, "copies", 2).await;
    until(&handle, "a commit", |status| status.lag.is_some_and(|lag| lag.0 == 0)).await;
    handle.stop(true).await;
    stack.produce("events", 0, &[event(3, 3), event(4, 4)]).await;
    stack.delete_records("events", 0, 5).await;
    let handle = stack.run(&desired);
    let status = until(&handle, "a problem", |status| status.phase == Phase::Failed).await;
    let problem = status.problem.unwrap();
    assert_eq!(problem.reason, PipelineReason::DataLoss);
    assert!(
        problem.message.contains("events-0: records from offset 2") || problem.message.contains("events-0: records from offset 3"),
        "{}",
        problem.message
    );
    handle.stop(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_partition_holds_windows_back_until_it_is_idle() {
    let mut stack = stack().await;
    let mut tables = tables();
    tables[0].event_time.as_mut().unwrap().idle_timeout = DurationMs(700);
    let desired = stack.pipeline("idle", BOTH, &tables).await;
    let handle = stack.run(&desired);
    stack.produce("events", 0, &[event(1, 1), event(2, 2), event(3, 30)]).await;
    let totals = rows(&stack, "totals", 1).await;
    assert!(totals[0].2.contains(r#""total":3"#), "{totals:?}");
    until(&handle, "an idle partition", |status| status.sources.iter().any(|source| source.idle_partitions.contains(&1))).await;
    handle.stop(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_without_positions_starts_where_it_is_told_and_only_then() {
    let mut stack = stack().await;
    stack.produce("events", 0, &[event(1, 1), event(2, 2)]).await;
    let desired = stack.pipeline("latest", COPY, &tables()).await;
    let desired = DesiredPipeline { start_from: StartFrom::Latest, ..desired };
    let handle = stack.run(&desired);
    until(&handle, "a first commit", |status| status.last_commit.is_some()).await;
    handle.stop(false).await;
    // What comes while it is away is after the start that was committed.
    stack.produce("events", 0, &[event(3, 3)]).await;
    let handle = stack.run(&desired);
    assert_eq!(numbers(&rows(&stack, "copies", 1).await), [3]);
    handle.stop(true).await;
    let desired = stack.pipeline("timed", COPY, &tables()).await;
    let handle = stack.run(&DesiredPipeline { start_from: StartFrom::Timestamp(TimestampMs(1_700_000_000_000)), ..desired });
    assert_eq!(numbers(&rows(&stack, "copies", 4).await), [1, 2, 3, 3]);
    handle.stop(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelines_share_lanes_and_do_not_meet() {
    let mut stack = stack().await;
    let one = stack.pipeline("one", COPY, &tables()).await;
    let two = stack.pipeline("two", BOTH, &tables()).await;
    let (one, two) = (stack.run(&one), stack.run(&two));
    stack.produce("events", 1, &[event(1, 1), event(2, 2)]).await;
    assert_eq!(numbers(&rows(&stack, "copies", 4).await), [1, 1, 2, 2]);
    one.stop(true).await;
    stack.produce("events", 1, &[event(3, 3)]).await;
    assert_eq!(numbers(&rows(&stack, "copies", 5).await), [1, 1, 2, 2, 3]);
    two.stop(true).await;
}
