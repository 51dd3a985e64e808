//! Records that ask for more than there is room for: each is named in the dead letters, and costs no other row.

use control::ConfigEntry;
use records::{BatchBuilder, Compression};
use units::TimestampMs;

use crate::stack::{Stack, rows, table, until};

fn tables() -> [control::Table; 2] {
    let columns = [("id", "BIGINT NOT NULL"), ("name", "STRING")];
    [table("orders", &columns, &[], None, 1), table("copies", &columns, &["name"], None, 1)]
}

const COPY: &str = "INSERT INTO copies SELECT id, name FROM orders";

async fn stack() -> Stack {
    let mut stack = Stack::start().await;
    stack.topic("orders", 1).await;
    stack.topic("copies", 1).await;
    stack
}

fn order(id: i64, name: &str) -> (Option<&'static str>, String) {
    (None, format!(r#"{{"id":{id},"name":"{name}"}}"#))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_decompresses_to_more_than_there_is_room_for_is_one_dead_letter() {
    let mut stack = stack().await;
    let desired = stack.pipeline("bombs", COPY, &tables()).await;
    stack.produce("orders", 0, &[order(1, "before")]).await;
    let mut bomb = BatchBuilder::new(Compression::Zstd);
    let blank = vec![b' '; 48 << 20];
    for _ in 0..3 {
        bomb.push_plain(TimestampMs(7), None, Some(&blank));
    }
    stack.produce_batch("orders", 0, bomb).await;
    let mut many = BatchBuilder::new(Compression::Zstd);
    for _ in 0..=1 << 20 {
        many.push_plain(TimestampMs(7), None, None);
    }
    stack.produce_batch("orders", 0, many).await;
    stack.produce("orders", 0, &[order(2, "after")]).await;
    let handle = stack.run(&desired);
    assert_eq!(rows(&stack, "copies", 2).await.len(), 2);
    until(&handle, "dead letters", |status| status.dead_letters == 2).await;
    let letters = stack.headers("bombs-dead-letters").await;
    // Behind the first row and the marker of its transaction.
    for (letter, (offset, why)) in letters.iter().zip([("2", "decompress"), ("6", "1048577 records")]) {
        let told = ["topic", "partition", "offset"].map(|name| letter[&format!("streamwright.{name}")].as_str());
        assert_eq!(told, ["orders", "0", offset]);
        assert!(letter["streamwright.reason"].contains(why), "{letter:?}");
    }
    handle.stop(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_its_topic_does_not_take_is_a_dead_letter_and_not_a_commit_that_never_ends() {
    let mut stack = stack().await;
    let limit = ConfigEntry { name: "max.message.bytes".into(), value: "2000".into() };
    stack.alter("copies", |topic| topic.config = vec![limit]).await;
    let desired = stack.pipeline("large", COPY, &tables()).await;
    let long = "x".repeat(1500);
    let small: Vec<_> = (0..100).map(|id| order(id, "small")).collect();
    stack.produce("orders", 0, &[small, vec![order(100, &long), order(101, "last")]].concat()).await;
    let handle = stack.run(&desired);
    // Key and value are 1,500 bytes each.
    assert_eq!(rows(&stack, "copies", 101).await.len(), 101);
    until(&handle, "a dead letter", |status| status.dead_letters == 1).await;
    let letter = &stack.headers("large-dead-letters").await[0];
    assert!(letter["streamwright.reason"].contains("topic copies takes 2000"), "{letter:?}");
    handle.stop(true).await;
}
