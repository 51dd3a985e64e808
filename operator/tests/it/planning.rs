//! Queries planned by children: a good one, a bad one with its place, and children that die, with and without a word.

use desired::{Catalog, PlanError, Planned, Planner};
use operator::planner::{Command, Plans};
use std::sync::Arc;
use tokio::sync::Notify;

fn child() -> Command {
    Command { program: env!("CARGO_BIN_EXE_streamwright-operator").into(), arguments: vec!["plan".into()] }
}

fn shell(script: &str) -> Command {
    Command { program: "/bin/sh".into(), arguments: vec!["-c".into(), script.into()] }
}

async fn plan(plans: &Plans, text: &str) -> Result<Planned, PlanError> {
    let catalog = Catalog::default();
    let news = plans.news();
    loop {
        if let Some(outcome) = plans.ask(text, &catalog) {
            return outcome;
        }
        news.notified().await;
    }
}

const GOOD: &str =
    "CREATE TABLE a (x INT) WITH ('connector' = 'filesystem', 'path' = 'a.csv', 'format' = 'csv');\nINSERT INTO b SELECT x FROM a";

#[tokio::test]
async fn a_query_is_planned_as_in_this_process_and_an_error_keeps_its_place() {
    let plans = Plans::new(&child(), Arc::new(Notify::new()));
    let here = desired::InProcess::default();
    for text in [GOOD, "SELECT", "INSERT INTO a\nSELECT * FROM", "CREATE VIEW"] {
        let (there, here) = (plan(&plans, text).await, here.plan(text, &Catalog::default()));
        assert_eq!(there, here, "{text}");
        assert!(there.is_err(), "no table is declared");
    }
    assert_eq!(plan(&plans, "INSERT INTO a\nSELECT * FROM").await.unwrap_err().line, 2);
}

#[tokio::test]
async fn a_child_that_dies_is_an_error_of_its_query_alone_with_a_sentence() {
    let plans = Plans::new(&shell("read line; exit 7"), Arc::new(Notify::new()));
    let error = plan(&plans, GOOD).await.unwrap_err();
    assert!(error.message.contains("exit status: 7"), "{}", error.message);
    let plans = Plans::new(&shell("read line; kill -ABRT $$"), Arc::new(Notify::new()));
    let error = plan(&plans, GOOD).await.unwrap_err();
    assert!(error.message.contains("signal: 6"), "{}", error.message);
    let missing = Command { program: "/nowhere/planner".into(), arguments: Vec::new() };
    let error = plan(&Plans::new(&missing, Arc::new(Notify::new())), GOOD).await.unwrap_err();
    assert!(error.message.contains("cannot be started"), "{}", error.message);
}

#[tokio::test]
async fn a_child_that_served_others_before_it_died_leaves_no_query_in_error() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("died");
    // Answers its first question, dies at the second; its successors answer all.
    let answer = r#"{"Wrong":{"line":1,"column":1,"message":"answered","hint":null}}"#;
    let script = format!(
        "if [ -e {mark} ]; then while read line; do echo '{answer}'; done; else read line; echo '{answer}'; read line; : > {mark}; fi",
        mark = mark.display()
    );
    let plans = Plans::new(&shell(&script), Arc::new(Notify::new()));
    for text in ["one", "two", "three", "four", "five"] {
        assert_eq!(plan(&plans, text).await.unwrap_err().message, "answered", "{text}");
    }
    assert!(mark.exists(), "no child died");
}
