//! Stateless pipelines, files, dead letters, and the desired state that changes.

use control::{DesiredPipeline, Life, Phase, PipelineReason};

use crate::stack::{Stack, rows, table, until, until_running};

fn tables() -> [control::Table; 2] {
    let columns = [("id", "BIGINT NOT NULL"), ("name", "STRING"), ("amount", "INT")];
    [table("orders", &columns, &[], None, 2), table("large", &columns, &["name"], None, 3)]
}

const QUERY: &str = "INSERT INTO large SELECT id, UPPER(name), amount * 10 FROM orders WHERE amount > 5";

fn order(id: i64, name: &str, amount: i64) -> (Option<&'static str>, String) {
    (None, format!(r#"{{"id":{id},"name":"{name}","amount":{amount}}}"#))
}

async fn stack() -> Stack {
    let mut stack = Stack::start().await;
    stack.topic("orders", 2).await;
    stack.topic("large", 3).await;
    stack
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_filtered_computed_and_keyed() {
    let mut stack = stack().await;
    let desired = stack.pipeline("filter", QUERY, &tables()).await;
    stack.produce("orders", 0, &[order(1, "ann", 3), order(2, "bob", 7)]).await;
    stack.produce("orders", 1, &[order(3, "cid", 9)]).await;
    let handle = stack.run(&desired);
    let mut large = rows(&stack, "large", 2).await;
    large.sort_by(|a, b| a.2.cmp(&b.2));
    let expected = [("BOB", r#"{"id":2,"name":"BOB","amount":70}"#), ("CID", r#"{"id":3,"name":"CID","amount":90}"#)];
    let found: Vec<(&str, &str)> = large.iter().map(|(_, key, value)| (key.as_deref().unwrap(), value.as_str())).collect();
    assert_eq!(found, expected);
    let status = until(&handle, "no lag", |status| status.lag.is_some_and(|lag| lag.0 == 0) && status.rows_in == 3).await;
    assert_eq!((status.rows_in, status.rows_out, status.problem), (3, 2, None));
    handle.stop(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_pipeline_goes_on_where_it_committed() {
    let mut stack = stack().await;
    let desired = stack.pipeline("filter", QUERY, &tables()).await;
    for round in 0..3 {
        stack.produce("orders", 0, &[order(round, "ann", 50)]).await;
        let handle = stack.run(&desired);
        rows(&stack, "large", usize::try_from(round).unwrap() + 1).await;
        handle.stop(round % 2 == 0).await;
    }
    assert_eq!(stack.read("large").await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_cannot_be_decoded_or_computed_go_to_the_dead_letters_and_cost_no_other_row() {
    let mut stack = stack().await;
    let query = "INSERT INTO large SELECT id, name, 100 / amount FROM orders";
    let desired = stack.pipeline("letters", query, &tables()).await;
    let bad = [(Some("k"), "{oops".to_owned()), (None, r#"{"name":"no id"}"#.to_owned())];
    stack.produce("orders", 0, &[order(1, "ann", 4), bad[0].clone(), bad[1].clone(), order(2, "zero", 0), order(3, "bob", 5)]).await;
    let handle = stack.run(&desired);
    let dead = rows(&stack, "letters-dead-letters", 3).await;
    let values: Vec<&str> = dead.iter().map(|(_, _, value)| value.as_str()).collect();
    assert_eq!(values, [r"{oops", r#"{"name":"no id"}"#, r#"{"id":2,"name":"zero","amount":0}"#]);
    assert_eq!(dead[0].1.as_deref(), Some("k"));
    assert_eq!(rows(&stack, "large", 2).await.len(), 2);
    until(&handle, "dead letters counted", |status| status.dead_letters == 3).await;
    handle.stop(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_loaded_once_and_the_pipeline_finishes() {
    let mut stack = stack().await;
    let lines: String = (0..20_000).map(|id| format!("{id},name{},{}\n", id % 10, id % 100)).collect();
    std::fs::write(stack.folder.path().join("orders.csv"), format!("id,name,amount\n{lines}")).unwrap();
    let query = "CREATE TABLE file (id BIGINT, name STRING, amount INT) \
                 WITH ('connector' = 'filesystem', 'path' = 'orders.csv', 'format' = 'csv', 'csv.header' = 'true'); \
                 INSERT INTO large SELECT id, name, amount FROM file";
    let desired = stack.pipeline("load", query, &tables()).await;
    let handle = stack.run(&desired);
    // Killed before it is through: what was committed is not loaded again.
    until(&handle, "some rows", |status| status.rows_in > 0 || status.phase == Phase::Finished).await;
    handle.stop(false).await;
    let handle = stack.run(&desired);
    let status = until(&handle, "the end", |status| status.phase == Phase::Finished).await;
    assert!(status.sources[0].finished && status.sources[0].read == status.sources[0].size, "{status:#?}");
    handle.stop(true).await;
    let handle = stack.run(&desired);
    until(&handle, "the end again", |status| status.phase == Phase::Finished).await;
    handle.stop(true).await;
    let mut ids: Vec<i64> = stack.read("large").await.iter().map(|(_, _, value)| id_of(value)).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..20_000).collect::<Vec<_>>());
}

fn id_of(value: &str) -> i64 {
    serde_json::from_str::<serde_json::Value>(value).unwrap()["id"].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_desired_state_is_followed_through_suspension_a_new_query_and_drain() {
    let mut stack = stack().await;
    let first = stack.pipeline("filter", QUERY, &tables()).await;
    let handle = stack.run(&first);
    until_running(&handle).await;
    stack.produce("orders", 0, &[order(1, "ann", 50)]).await;
    rows(&stack, "large", 1).await;
    let suspended = DesiredPipeline { generation: 2, life: Life::Suspend, ..first.clone() };
    handle.update(suspended);
    until(&handle, "suspended", |status| status.phase == Phase::Suspended && status.generation == 2).await;
    stack.produce("orders", 0, &[order(2, "bob", 50)]).await;
    let query = QUERY.replace("UPPER", "LOWER");
    handle.update(DesiredPipeline { generation: 3, query, ..first.clone() });
    let large = rows(&stack, "large", 2).await;
    assert!(large.iter().any(|(_, _, value)| value.contains("bob")), "{large:?}");
    handle.update(DesiredPipeline { generation: 1, life: Life::Stop, ..first.clone() });
    handle.update(DesiredPipeline { generation: 4, life: Life::Drain, ..first });
    until(&handle, "stopped", |status| status.phase == Phase::Stopped && status.generation == 4).await;
    handle.stop(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missing_or_wrong_is_named() {
    let mut stack = stack().await;
    let mut desired = stack.pipeline("filter", QUERY, &tables()).await;
    desired.dead_letters = units::TopicName::new("nowhere").unwrap();
    let handle = stack.run(&desired);
    let status = until(&handle, "a problem", |status| status.problem.is_some()).await;
    let problem = status.problem.unwrap();
    assert_eq!((status.phase, problem.reason), (Phase::Failed, PipelineReason::TopicNotFound));
    assert!(problem.message.contains("nowhere"), "{}", problem.message);
    let query = "INSERT INTO large SELECT nothing FROM orders".to_owned();
    handle.update(DesiredPipeline { generation: 2, query, ..desired.clone() });
    let plan_error =
        |status: &control::ActualPipeline| status.problem.as_ref().is_some_and(|problem| problem.reason == PipelineReason::PlanError);
    until(&handle, "a plan error", plan_error).await;
    stack.topic("nowhere", 1).await;
    handle.update(DesiredPipeline { generation: 3, ..desired });
    until_running(&handle).await;
    handle.stop(true).await;
}
