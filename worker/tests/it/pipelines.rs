//! Pipelines: they run, are edited while they run, and leave.

use crate::kit::{Home, named, ready};
use serde_json::Value;

const TOPICS: &str = "apiVersion: streamwright.dev/v1alpha1
kind: Topic
metadata: {name: sales}
spec:
  partitions: 2
  schema:
    columns:
    - {name: shop, type: STRING}
    - {name: amount, type: INT}
    - {name: ts, type: TIMESTAMP(3)}
    key: [shop]
    eventTime: {column: ts, watermarkDelay: 0s, idleTimeout: 1s}
---
apiVersion: streamwright.dev/v1alpha1
kind: Topic
metadata: {name: totals}
spec:
  partitions: 1
  schema:
    columns:
    - {name: shop, type: STRING}
    - {name: start, type: TIMESTAMP(3)}
    - {name: total, type: BIGINT}
    key: [shop]
";

const LOAD: &str = "apiVersion: streamwright.dev/v1alpha1
kind: Pipeline
metadata: {name: load}
spec:
  query: |
    CREATE TABLE file (shop STRING, amount INT, ts TIMESTAMP(3))
    WITH ('connector' = 'filesystem', 'path' = 'sales.csv', 'format' = 'csv');
    INSERT INTO sales SELECT shop, amount, ts FROM file;
";

const SUM: &str = "apiVersion: streamwright.dev/v1alpha1
kind: Pipeline
metadata: {name: sum}
spec:
  query: |
    INSERT INTO totals
    SELECT shop, window_start, SUM(amount)
    FROM TABLE(TUMBLE(TABLE sales, DESCRIPTOR(ts), INTERVAL '1' HOUR))
    GROUP BY shop, window_start, window_end;
";

fn home() -> Home {
    let rows: String = (0..240).map(|minute| format!("a,{minute},2026-01-01 {:02}:{:02}:00\n", minute / 60, minute % 60)).collect();
    Home::new(&[("topics.yaml", TOPICS), ("load.yaml", LOAD), ("sum.yaml", SUM), ("sales.csv", &rows)])
}

/// Everything was read: the file, and by `sum` what was written.
fn is_caught_up(status: &Value) -> bool {
    ready(status, "load") == "True/Finished"
        && ready(status, "sum") == "True/Available"
        && named(status, "pipelines", "sum")["watermark"].as_str() >= Some("2026-01-01T03:58:59")
}

/// The same after a restart: a position that was committed is not read again.
fn goes_on(status: &Value) -> bool {
    let sum = named(status, "pipelines", "sum");
    ready(status, "load") == "True/Finished" && ready(status, "sum") == "True/Available" && sum["progress"][0]["lagRecords"] == 0
}

fn layout(status: &Value) -> Value {
    named(status, "pipelines", "sum")["layout"].clone()
}

#[test]
fn a_file_flows_through_and_a_restart_adds_nothing() {
    let home = home();
    let dev = home.start();
    let status = dev.wait_for_status(is_caught_up);
    assert!(named(&status, "topics", "sales")["offsets"].as_u64() >= Some(240));
    assert_eq!(named(&status, "pipelines", "load")["progress"][0]["finished"], true);
    assert_eq!(named(&status, "pipelines", "load")["recordsOut"], 240);
    let written = dev.wait_for_status(|status| named(status, "pipelines", "sum")["recordsOut"] == 3);
    dev.kill();
    let dev = home.start();
    let again = dev.wait_for_status(goes_on);
    assert_eq!(layout(&again), layout(&written));
    assert_eq!(named(&again, "pipelines", "load")["recordsOut"], 0);
    assert_eq!(named(&again, "pipelines", "sum")["recordsOut"], 0);
}

#[test]
fn a_wrong_query_and_one_that_would_lose_state_stop_nothing() {
    let home = home();
    let mut dev = home.start();
    let before = layout(&dev.wait_for_status(is_caught_up));
    home.write("sum.yaml", &SUM.replace("SUM(amount)", "SUM(amont)"));
    dev.wait_for_line("manifests/sum.yaml:7:36: Pipeline default/sum: spec.query: ");
    let status = dev.wait_for_status(|status| ready(status, "sum") == "False/PlanError");
    assert_eq!(named(&status, "pipelines", "sum")["phase"], "Running");
    home.write("sum.yaml", &SUM.replace("'1' HOUR", "'2' HOUR"));
    dev.wait_for_line("upgrade.allowStateLoss: true");
    let status = dev.wait_for_status(|status| ready(status, "sum") == "False/StateLossNotAllowed");
    assert_eq!((&named(&status, "pipelines", "sum")["phase"], layout(&status)), (&"Running".into(), before.clone()));
    home.write("sum.yaml", &(SUM.replace("'1' HOUR", "'2' HOUR") + "  upgrade: {allowStateLoss: true}\n"));
    let status = dev.wait_for_status(|status| layout(status) != before && is_caught_up(status));
    assert!(layout(&status).as_str().unwrap().ends_with("-2-64"));
}

#[test]
fn a_pipeline_whose_manifest_goes_leaves_and_the_results_stay() {
    let home = home();
    let mut dev = home.start();
    dev.wait_for_status(|status| is_caught_up(status) && named(status, "pipelines", "sum")["recordsOut"] == 3);
    home.remove("sum.yaml");
    dev.wait_for_line("Pipeline default/sum: gone");
    let status = dev.wait_for_status(|status| named(status, "pipelines", "sum").is_null());
    assert!(named(&status, "topics", "totals")["offsets"].as_u64() >= Some(3));
}

#[test]
fn ctrl_c_commits_and_the_next_start_goes_on() {
    let home = home();
    let mut dev = home.start();
    dev.wait_for_status(is_caught_up);
    dev.signal("INT");
    assert_eq!(dev.wait().code(), Some(0));
    home.start().wait_for_status(goes_on);
}
