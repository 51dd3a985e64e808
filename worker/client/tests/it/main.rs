//! The client against brokers: one that does as scripted, and real ones.

mod connections;
mod fake;
mod fetching;
mod members;
mod real;
mod transactions;

use std::time::Duration;

use fake::Fake;
use streamwright_client::{ClientOptions, Cluster};
use units::{PartitionId, TopicName, TopicPartition};

/// Options that lose patience soon: a test that waits is a test that fails late.
fn options(address: &str) -> ClientOptions {
    ClientOptions {
        connect_timeout: Duration::from_secs(2),
        request_timeout: Duration::from_millis(500),
        retry_timeout: Duration::from_secs(2),
        ..ClientOptions::new([address], "test")
    }
}

async fn cluster(fake: &Fake) -> Cluster {
    Cluster::connect(options(fake.address())).await.expect("the fake answers")
}

fn topic(name: &str) -> TopicName {
    TopicName::new(name).expect("a topic name")
}

fn partition(name: &str, number: i32) -> TopicPartition {
    TopicPartition { topic: topic(name), partition: PartitionId(number) }
}

/// Waits for `future`, but not for ever.
async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(30), future).await.expect("it takes too long")
}
