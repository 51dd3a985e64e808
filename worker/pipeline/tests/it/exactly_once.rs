//! A pipeline that is killed at random instants counts every row once.

use std::{collections::BTreeMap, time::Duration};

use crate::stack::{Stack, rows, table, until};

const ROWS: i64 = 6_000;
const KILLS: u64 = 12;

fn tables() -> Vec<control::Table> {
    let events = [("key", "STRING"), ("n", "BIGINT"), ("ts", "TIMESTAMP_LTZ(3)")];
    let totals = [("key", "STRING"), ("starts", "TIMESTAMP(3)"), ("total", "BIGINT"), ("rows", "BIGINT")];
    let copies = [("key", "STRING"), ("n", "BIGINT")];
    vec![
        table("events", &events, &["key"], Some(("ts", 0)), 3),
        table("totals", &totals, &["key"], None, 2),
        table("copies", &copies, &[], None, 2),
    ]
}

const QUERY: &str = "INSERT INTO copies SELECT `key`, n FROM events; \
    INSERT INTO totals SELECT `key`, window_start, SUM(n), COUNT(*) \
    FROM TABLE(HOP(TABLE events, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND)) GROUP BY `key`, window_start, window_end";

/// Sum and count by key and start of the window, in milliseconds since the beginning of 2024.
type Totals = BTreeMap<(String, i64), (i64, i64)>;

/// Row `n`, ten of them in a second of event time.
fn event(n: i64) -> (Option<&'static str>, String) {
    let ms = n * 100;
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    (None, format!(r#"{{"key":"k{}","n":{n},"ts":"2024-01-01 {hour:02}:{minute:02}:{second:02}.{:03}Z"}}"#, n % 11, ms % 1_000))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_count_once_through_kills_at_random_instants() {
    let mut stack = Stack::start().await;
    for (topic, partitions) in [("events", 3), ("totals", 2), ("copies", 2)] {
        stack.topic(topic, partitions).await;
    }
    let desired = stack.pipeline("kills", QUERY, &tables()).await;
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    let mut produced = 0;
    for kill in 0..KILLS {
        let handle = stack.run(&desired);
        while produced < ROWS * i64::try_from(kill + 1).unwrap() / i64::try_from(KILLS).unwrap() {
            let chunk: Vec<_> = (produced..produced + 100).collect();
            for partition in 0..3 {
                let rows: Vec<_> = chunk.iter().filter(|n| **n % 3 == i64::from(partition)).map(|n| event(*n)).collect();
                stack.produce("events", partition, &rows).await;
            }
            produced += 100;
        }
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        tokio::time::sleep(Duration::from_millis(random % 400)).await;
        handle.stop(kill % 4 == 3).await;
    }
    let handle = stack.run(&desired);
    let copies = rows(&stack, "copies", usize::try_from(ROWS).unwrap()).await;
    until(&handle, "no lag", |status| status.lag.is_some_and(|lag| lag.0 == 0)).await;
    let mut numbers: Vec<i64> = copies.iter().map(|(_, _, value)| number(value, "n")).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..ROWS).collect::<Vec<_>>(), "each row is copied once");
    let found = totals_of(&stack, ROWS).await;
    assert_eq!(found, batch_totals(ROWS));
    assert_eq!(handle.status().late_rows, 0);
    assert_eq!(handle.status().dead_letters, 0);
    handle.stop(true).await;
}

/// What a batch over the first `rows` gives: every window that ends at or before the watermark, with sum and count.
fn batch_totals(rows: i64) -> Totals {
    let watermark_ms = (rows - 3) * 100 - 1;
    let mut totals = Totals::new();
    for n in 0..rows {
        let last = n * 100 / 5_000 * 5_000;
        for start in [last, last - 5_000] {
            let window = totals.entry((format!("k{}", n % 11), start)).or_default();
            *window = (window.0 + n, window.1 + 1);
        }
    }
    totals.retain(|(_, start), _| start + 10_000 - 1 <= watermark_ms);
    totals
}

/// The windows that were output, each of which comes once.
async fn totals_of(stack: &Stack, of: i64) -> Totals {
    let mut found = Totals::new();
    for (_, key, value) in rows(stack, "totals", batch_totals(of).len()).await {
        let row: serde_json::Value = serde_json::from_str(&value).unwrap();
        let start = start_ms(row["starts"].as_str().unwrap());
        let sums = (row["total"].as_i64().unwrap(), row["rows"].as_i64().unwrap());
        let before = found.insert((key.clone().unwrap(), start), sums);
        assert!(before.is_none(), "window {start} of {key:?} came twice");
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_right_after_a_commit_loses_nothing_that_was_on_its_way_between_lanes() {
    let mut stack = Stack::start().await;
    for (topic, partitions) in [("events", 3), ("totals", 2), ("copies", 2)] {
        stack.topic(topic, partitions).await;
    }
    let desired = stack.pipeline("lanes", QUERY, &tables()).await;
    let desired = control::DesiredPipeline { commit_interval: units::DurationMs(10), ..desired };
    let all = 30_000;
    for chunk in 0..all / 500 {
        for partition in 0..3 {
            let of_chunk = chunk * 500..(chunk + 1) * 500;
            let rows: Vec<_> = of_chunk.filter(|n| n % 3 == i64::from(partition)).map(event).collect();
            stack.produce("events", partition, &rows).await;
        }
    }
    let mut before = None;
    loop {
        let handle = stack.run(&desired);
        // The first commit of a run with rows in it comes while others are still being read. The last of the run before is known from the
        // start.
        let is_done = |status: &control::ActualPipeline| status.lag.is_some_and(|lag| lag.0 == 0);
        let status = until(&handle, "a commit", |status| status.last_commit > before || is_done(status)).await;
        before = status.last_commit;
        let done = is_done(&status);
        handle.stop(done).await;
        if done {
            break;
        }
    }
    assert_eq!(totals_of(&stack, all).await, batch_totals(all));
}

fn number(value: &str, name: &str) -> i64 {
    serde_json::from_str::<serde_json::Value>(value).unwrap()[name].as_i64().unwrap()
}

/// Milliseconds since the beginning of 2024 of `2024-01-01 hh:mm:ss.mmm`; the window before it begins on the day before.
fn start_ms(text: &str) -> i64 {
    let part = |range: std::ops::Range<usize>| text[range].parse::<i64>().unwrap();
    let of_day = part(11..13) * 3_600_000 + part(14..16) * 60_000 + part(17..19) * 1_000 + part(20..23);
    if text.starts_with("2024") { of_day } else { of_day - 86_400_000 }
}
