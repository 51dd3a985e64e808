//! Windows in event time: sums per window, windows over windows, late rows, state through checkpoints and restarts.

use std::collections::BTreeMap;

use crate::stack::{Stack, rows, table, until, until_running};

fn tables() -> Vec<control::Table> {
    let events = [("key", "STRING"), ("amount", "BIGINT"), ("ts", "TIMESTAMP(3)")];
    let totals = [("key", "STRING"), ("starts", "TIMESTAMP(3)"), ("total", "BIGINT"), ("rows", "BIGINT")];
    let worst = [("day", "TIMESTAMP(3)"), ("greatest", "BIGINT")];
    vec![
        table("events", &events, &["key"], Some(("ts", 0)), 2),
        table("totals", &totals, &["key"], None, 2),
        table("greatest", &worst, &[], None, 1),
    ]
}

const TOTALS: &str = "INSERT INTO totals SELECT `key`, window_start, SUM(amount), COUNT(*) \
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY `key`, window_start, window_end";

async fn stack() -> Stack {
    let mut stack = Stack::start().await;
    for (topic, partitions) in [("events", 2), ("totals", 2), ("greatest", 1)] {
        stack.topic(topic, partitions).await;
    }
    stack
}

/// A row `seconds` after the beginning of 2024.
fn event(key: &str, amount: i64, seconds: i64) -> (Option<&'static str>, String) {
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    (None, format!(r#"{{"key":"{key}","amount":{amount},"ts":"2024-01-01 {hour:02}:{minute:02}:{second:02}.000"}}"#))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn windows_are_summed_when_every_partition_has_passed_them() {
    let mut stack = stack().await;
    let desired = stack.pipeline("totals", TOTALS, &tables()).await;
    let handle = stack.run(&desired);
    stack.produce("events", 0, &[event("a", 1, 1), event("b", 2, 2), event("a", 3, 9), event("a", 100, 25)]).await;
    stack.produce("events", 1, &[event("c", 5, 4)]).await;
    until(&handle, "rows read", |status| status.rows_in == 5).await;
    assert!(stack.read("totals").await.is_empty(), "the second partition has not passed the window");
    stack.produce("events", 1, &[event("c", 6, 21)]).await;
    let mut totals: Vec<String> = rows(&stack, "totals", 3).await.into_iter().map(|(_, _, value)| value).collect();
    totals.sort();
    let expected = [
        r#"{"key":"a","starts":"2024-01-01 00:00:00.000","total":4,"rows":2}"#,
        r#"{"key":"b","starts":"2024-01-01 00:00:00.000","total":2,"rows":1}"#,
        r#"{"key":"c","starts":"2024-01-01 00:00:00.000","total":5,"rows":1}"#,
    ];
    assert_eq!(totals, expected);
    let status = until(&handle, "a watermark", |status| status.watermark.is_some()).await;
    assert_eq!(status.watermark.unwrap().0, 1_704_067_221_000 - 1);
    handle.stop(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn state_survives_a_checkpoint_and_late_rows_stay_late() {
    let mut stack = stack().await;
    let desired = stack.pipeline("totals", TOTALS, &tables()).await;
    for partition in 0..2 {
        stack.produce("events", partition, &[event("a", 1, 1), event("a", 2, 11), event("b", 4, 12)]).await;
    }
    let handle = stack.run(&desired);
    rows(&stack, "totals", 1).await;
    until(&handle, "all rows", |status| status.rows_in == 6).await;
    // A graceful stop seals the state; what comes after is restored from the manifest alone.
    handle.stop(true).await;
    let handle = stack.run(&desired);
    let status = until_running(&handle).await;
    assert!(status.unfolded_bytes.0 == 0, "{status:#?}");
    let state_topic = desired.state_topic().unwrap().name.as_str().to_owned();
    let starts = stack.log_starts(&state_topic).await;
    assert!(starts.iter().any(|start| *start > 0), "what is in the object store is trimmed from the log: {starts:?}");
    stack.produce("events", 0, &[event("a", 50, 2), event("a", 8, 13), event("a", 0, 40)]).await;
    stack.produce("events", 1, &[event("a", 0, 40)]).await;
    let totals = rows(&stack, "totals", 3).await;
    let total = |key: &str, starts: &str| {
        let of = |row: &&(i32, Option<String>, String)| row.1.as_deref() == Some(key) && row.2.contains(starts);
        totals.iter().filter(of).map(|row| row.2.clone()).collect::<Vec<_>>()
    };
    assert_eq!(total("a", "00:00:00"), [r#"{"key":"a","starts":"2024-01-01 00:00:00.000","total":2,"rows":2}"#]);
    assert_eq!(total("a", "00:00:10"), [r#"{"key":"a","starts":"2024-01-01 00:00:10.000","total":12,"rows":3}"#]);
    assert_eq!(total("b", "00:00:10"), [r#"{"key":"b","starts":"2024-01-01 00:00:10.000","total":8,"rows":2}"#]);
    until(&handle, "a late row", |status| status.late_rows == 1).await;
    handle.stop(false).await;
    // Counters commit with everything else.
    let handle = stack.run(&desired);
    until(&handle, "the late row of before", |status| status.late_rows == 1).await;
    handle.stop(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn windows_over_windows_pass_two_exchanges() {
    let mut stack = stack().await;
    let query = "CREATE VIEW tens AS SELECT `key`, SUM(amount) AS total, window_time AS wt \
            FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY `key`, window_start, window_end, window_time; \
        INSERT INTO greatest SELECT window_start, MAX(total) \
            FROM TABLE(TUMBLE(TABLE tens, DESCRIPTOR(wt), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end";
    let desired = stack.pipeline("greatest", query, &tables()).await;
    let handle = stack.run(&desired);
    let mut expected: BTreeMap<i64, i64> = BTreeMap::new();
    for partition in 0..2 {
        let mut events = Vec::new();
        for second in 0..300 {
            events.push(event(&format!("k{}", second % 7), second % 13, second));
        }
        stack.produce("events", partition, &events).await;
    }
    let mut tens: BTreeMap<(i64, i64), i64> = BTreeMap::new();
    (0..300).for_each(|second| *tens.entry((second % 7, second / 10)).or_default() += 2 * (second % 13));
    for ((_, ten), total) in tens {
        let greatest = expected.entry(ten / 6).or_default();
        *greatest = total.max(*greatest);
    }
    let greatest = rows(&stack, "greatest", 4).await;
    for minute in 0..greatest.len() {
        let minute = i64::try_from(minute).unwrap();
        let row = format!(r#"{{"day":"2024-01-01 00:0{minute}:00.000","greatest":{}}}"#, expected[&minute]);
        assert!(greatest.iter().any(|found| found.2 == row), "{row} is not in {greatest:#?}");
    }
    assert_eq!(greatest.len(), 4, "the last minute stays open");
    handle.stop(true).await;
}
