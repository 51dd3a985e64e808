//! A broker alone, for benches and for trying a client: `cargo run --example serve -- FOLDER [ADDRESS [BUCKET]]`. Topics are made when asked
//! for. With a bucket (feature `s3`) it ships there, as a broker of a cluster does; endpoint and credentials come from the environment, and it
//! ends once all that it has acknowledged is there: on an empty folder the next one finds everything, and all of it cold.

use std::{sync::Arc, time::Duration};

use broker::{Broker, BrokerConfig};
use store::{FolderStore, ObjectStore};
use streamwright_broker as broker;
use units::{BrokerId, DurationMs};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("give the folder for the data")?;
    let listen = arguments.next().unwrap_or_else(|| "127.0.0.1:9092".into()).parse()?;
    let bucket = arguments.next();
    let store: Arc<dyn ObjectStore> = match &bucket {
        Some(bucket) => open_bucket(bucket)?,
        None => Arc::new(FolderStore::open(format!("{folder}/objects"))?),
    };
    let config = BrokerConfig { ships_continuously: bucket.is_some(), ..BrokerConfig::new(BrokerId(0), folder, listen) };
    let started = std::time::Instant::now();
    let broker = Broker::start(BrokerConfig { initial_rebalance_delay: DurationMs(0), ..config }, store).await?;
    let cluster = control::ObjectRef { namespace: "default".into(), name: "default".into() };
    let desired = control::DesiredBroker { auto_create_topics: true, ..control::DesiredBroker::new(1, cluster) };
    broker.apply(desired).await?;
    println!("serving {} after {:?}; recovered {:?}", broker.address(), started.elapsed(), broker.recovered);
    tokio::signal::ctrl_c().await?;
    while bucket.is_some() && broker.log_stats().at_risk_bytes > 0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    broker.shutdown().await;
    Ok(())
}

#[cfg(feature = "s3")]
fn open_bucket(bucket: &str) -> Result<Arc<dyn ObjectStore>, store::StoreError> {
    let endpoint = std::env::var("AWS_ENDPOINT_URL").ok();
    let config = store::S3Config { force_path_style: endpoint.is_some(), endpoint, ..store::S3Config::of_bucket(bucket) };
    Ok(Arc::new(store::S3Store::open(config)?))
}

#[cfg(not(feature = "s3"))]
fn open_bucket(bucket: &str) -> Result<Arc<dyn ObjectStore>, String> {
    Err(format!("bucket {bucket}: built without the feature s3"))
}
