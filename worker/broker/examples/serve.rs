//! A broker alone, for benches and for trying a client: `cargo run --example serve -- FOLDER [ADDRESS]`. Topics are made when asked for.

use std::sync::Arc;

use broker::{Broker, BrokerConfig};
use streamwright_broker as broker;
use units::{BrokerId, DurationMs};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("give the folder for the data")?;
    let listen = arguments.next().unwrap_or_else(|| "127.0.0.1:9092".into()).parse()?;
    let store = Arc::new(store::FolderStore::open(format!("{folder}/objects"))?);
    let config = BrokerConfig { initial_rebalance_delay: DurationMs(0), ..BrokerConfig::new(BrokerId(0), folder, listen) };
    let started = std::time::Instant::now();
    let broker = Broker::start(config, store).await?;
    let cluster = control::ObjectRef { namespace: "default".into(), name: "default".into() };
    let desired = control::DesiredBroker { auto_create_topics: true, ..control::DesiredBroker::new(1, cluster) };
    broker.apply(desired).await?;
    println!("serving {} after {:?}; recovered {:?}", broker.address(), started.elapsed(), broker.recovered);
    tokio::signal::ctrl_c().await?;
    broker.shutdown().await;
    Ok(())
}
