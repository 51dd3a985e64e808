//! What a pipeline says of itself is there again after a restart, before anything new has come; and positions have two witnesses.

use std::sync::Arc;

use control::{ActualPipeline, DesiredPipeline, Phase, PipelineReason};
use store::{Fault, Injection, MemoryStore, ObjectStore as _, Operation, Requests};
use units::DurationMs;

use crate::stack::{Stack, rows, table, until, until_running};

fn tables() -> Vec<control::Table> {
    let events = [("key", "STRING"), ("amount", "BIGINT"), ("ts", "TIMESTAMP(3)")];
    let totals = [("key", "STRING"), ("total", "BIGINT")];
    vec![table("events", &events, &["key"], Some(("ts", 0)), 1), table("totals", &totals, &["key"], None, 1)]
}

const TOTALS: &str = "INSERT INTO totals SELECT `key`, SUM(amount) \
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY `key`, window_start, window_end";
const COPY: &str = "INSERT INTO totals SELECT `key`, amount FROM events";

async fn stack() -> Stack {
    let mut stack = Stack::start().await;
    stack.topic("events", 1).await;
    stack.topic("totals", 1).await;
    stack
}

fn event(amount: i64, second: i64) -> (Option<&'static str>, String) {
    (None, format!(r#"{{"key":"k","amount":{amount},"ts":"2024-01-01 00:{:02}:{:02}"}}"#, second / 60, second % 60))
}

fn bad() -> (Option<&'static str>, String) {
    (None, "{oops".to_owned())
}

/// What must be the same after a restart.
fn standing(status: &ActualPipeline) -> (Option<i64>, u64, u64) {
    (status.watermark.map(|watermark| watermark.0), status.late_rows, status.dead_letters)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watermark_counters_and_times_are_there_before_new_rows_come() {
    let mut stack = stack().await;
    let desired = stack.pipeline("windows", TOTALS, &tables()).await;
    let handle = stack.run(&desired);
    stack.produce("events", 0, &[event(1, 1), event(2, 25)]).await;
    rows(&stack, "totals", 1).await;
    stack.produce("events", 0, &[event(4, 2), bad(), event(8, 26)]).await;
    let before = until(&handle, "late and dead rows", |status| (status.late_rows, status.dead_letters) == (1, 1)).await;
    assert_eq!(standing(&before), (Some(1_704_067_226_000 - 1), 1, 1));
    assert_eq!(before.last_checkpoint, None, "so little state is not worth a checkpoint while it runs");
    // As a process that is killed: nothing but what is committed is left.
    handle.stop(false).await;
    let handle = stack.run(&desired);
    let killed = until_running(&handle).await;
    assert_eq!(standing(&killed), standing(&before));
    assert!(killed.last_commit.is_some() && killed.rows_in == 0, "{killed:#?}");
    assert!(killed.unfolded_bytes.0 > 0, "what no checkpoint holds is still counted: {killed:#?}");
    // A graceful stop writes a checkpoint, and that is known, too.
    handle.stop(true).await;
    let handle = stack.run(&desired);
    let stopped = until_running(&handle).await;
    assert_eq!(standing(&stopped), standing(&before));
    assert!(stopped.last_checkpoint >= killed.last_commit && stopped.last_commit >= killed.last_commit, "{stopped:#?}");
    assert_eq!(stopped.unfolded_bytes.0, 0);
    handle.stop(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_without_state_keeps_its_counters_and_asks_nothing_of_the_object_store() {
    let mut stack = stack().await;
    let desired = stack.pipeline("copies", COPY, &tables()).await;
    let store = Arc::new(MemoryStore::new());
    let run = |stack: &Stack| stack.run_with(&desired, store.clone());
    let handle = run(&stack);
    for second in 0..5 {
        stack.produce("events", 0, &[event(second, second), bad()]).await;
        until(&handle, "a dead letter", |status| status.dead_letters == second.cast_unsigned() + 1).await;
    }
    let before = handle.status();
    assert_eq!(standing(&before), (Some(1_704_067_204_000 - 1), 0, 5));
    for graceful in [false, true, true] {
        handle_stopped(run(&stack), graceful, &before).await;
    }
    handle.stop(false).await;
    let handle = run(&stack);
    stack.produce("events", 0, &[event(9, 9)]).await;
    assert_eq!(rows(&stack, "totals", 6).await.len(), 6);
    let state = desired.state_topic().unwrap().name.to_string();
    let mut starts = Vec::new();
    until(&handle, "all committed", |status| status.lag == Some(DurationMs(0))).await;
    while starts.iter().all(|start| *start == 0) {
        starts = stack.log_starts(&state).await;
        assert_eq!(handle.status().phase, Phase::Running);
    }
    handle.stop(true).await;
    assert_eq!(store.requests(), Requests::default());
}

async fn handle_stopped(handle: streamwright_pipeline::Handle, graceful: bool, before: &ActualPipeline) {
    let again = until_running(&handle).await;
    assert_eq!(standing(&again), standing(before));
    assert!(again.last_commit.is_some() && again.last_checkpoint.is_none(), "{again:#?}");
    handle.stop(graceful).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_internal_topic_that_could_lose_state_stops_the_pipeline_by_name() {
    let mut stack = stack().await;
    let desired = stack.pipeline("kept", TOTALS, &tables()).await;
    let state = desired.state_topic().unwrap().name.to_string();
    stack.alter(&state, |topic| topic.retention.total_time = Some(DurationMs(3_600_000))).await;
    let handle = stack.run(&desired);
    let problem = until(&handle, "a problem", |status| status.phase == Phase::Failed).await.problem.unwrap();
    assert_eq!(problem.reason, PipelineReason::DataLoss);
    assert!(problem.message.contains(&state) && problem.message.contains("retention.ms=3600000"), "{}", problem.message);
    // Set back, it runs.
    stack.alter(&state, |topic| topic.retention.total_time = None).await;
    handle.update(DesiredPipeline { generation: 2, ..desired });
    until_running(&handle).await;
    handle.stop(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_has_grown_is_read_whole_by_a_pod_that_comes_back_within_its_session() {
    let mut stack = stack().await;
    let desired = stack.pipeline("grown", COPY, &tables()).await;
    let handle = stack.run(&desired);
    stack.produce("events", 0, &[event(1, 1)]).await;
    rows(&stack, "totals", 1).await;
    // It stays a member of its group, which gives it back what it had.
    handle.stop(true).await;
    stack.topic("events", 3).await;
    for partition in 0..3 {
        stack.produce("events", partition, &[event(2, 2)]).await;
    }
    let handle = stack.run(&desired);
    assert_eq!(rows(&stack, "totals", 4).await.len(), 4);
    handle.stop(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_reads_less_than_before_goes_on_within_its_session() {
    let mut stack = stack().await;
    stack.topic("others", 2).await;
    let mut tables = tables();
    tables.push(table("others", &[("key", "STRING"), ("amount", "BIGINT")], &["key"], None, 2));
    let both = "INSERT INTO totals SELECT `key`, amount FROM events UNION ALL SELECT `key`, amount FROM others";
    let desired = stack.pipeline("less", both, &tables).await;
    let handle = stack.run(&desired);
    stack.produce("events", 0, &[event(1, 1)]).await;
    stack.produce("others", 1, &[event(2, 2)]).await;
    rows(&stack, "totals", 2).await;
    let fewer: Vec<_> = tables.iter().filter(|table| table.name != "others").cloned().collect();
    handle.update(DesiredPipeline { generation: 2, query: COPY.into(), tables: fewer, ..desired });
    let goes_on = |status: &ActualPipeline| {
        assert_eq!(status.problem, None);
        status.generation == 2 && status.phase == Phase::Running
    };
    until(&handle, "the new query", goes_on).await;
    stack.produce("events", 0, &[event(3, 3)]).await;
    assert_eq!(rows(&stack, "totals", 3).await.len(), 3);
    handle.stop(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_away_is_asked_again_and_one_that_has_lost_a_checkpoint_stops_the_pipeline_by_name() {
    let mut stack = stack().await;
    let desired = stack.pipeline("stores", TOTALS, &tables()).await;
    let store = Arc::new(MemoryStore::new());
    let run = |stack: &Stack| stack.run_with(&desired, store.clone());
    let handle = run(&stack);
    stack.produce("events", 0, &[event(1, 1), event(2, 25)]).await;
    rows(&stack, "totals", 1).await;
    handle.stop(true).await;
    store.inject(Injection::next(Operation::Get, Fault::Unavailable));
    let handle = run(&stack);
    let away = until(&handle, "a problem", |status| status.problem.is_some()).await;
    assert_eq!(away.problem.unwrap().reason, PipelineReason::ClusterNotReady);
    until_running(&handle).await;
    handle.stop(true).await;
    store.keys().iter().for_each(|key| store.delete(key).unwrap());
    let handle = run(&stack);
    let lost = until(&handle, "a problem", |status| status.problem.is_some()).await.problem.unwrap();
    assert_eq!(lost.reason, PipelineReason::DataLoss);
    assert!(lost.message.contains("does not exist") && lost.message.contains("hash partition"), "{}", lost.message);
    handle.stop(false).await;
}
