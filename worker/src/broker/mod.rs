//! `streamwright broker --config FILE`: the process of a broker's pod.
//!
//! ```text
//! operator --Push(DesiredBroker)--> control port --> Broker::apply --> topics, listeners
//!          <--Watch: ActualBroker--                  Broker::actual
//! kubelet  --/livez, /readyz----->  health port      collectors --/metrics-->
//! ```
//!
//! It serves what it was told last, before anybody tells it anything: the operator may be away for as long as it likes. On SIGTERM it answers
//! what it has begun, saves its checkpoint and ends with 0; a second signal ends it at once, which loses nothing that was acknowledged.

mod config;
mod metrics;
mod worker;

use std::{process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context;
use broker::{Broker, BrokerConfig, ClientChanges};
use store::ObjectStore;
use units::BrokerId;

use crate::{
    pod::{self, Arguments, control::ControlPort, health, name, store::open_store},
    stop,
};

use self::{config::BrokerFile, worker::BrokerWorker};

/// How often an object store that a start needs is asked again.
const STORE_RETRY: Duration = Duration::from_secs(2);

/// Runs until a signal says stop.
///
/// # Errors
/// Where it cannot start: the file, a port, certificates, the volume.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let file: BrokerFile = pod::config::read(&arguments.config)?;
    pod::logging::start(arguments.log_format);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(serve(file))
}

async fn serve(file: BrokerFile) -> anyhow::Result<ExitCode> {
    let mut stop = stop::on_signal().context("listen for signals")?;
    let config = broker_config(&file)?;
    let control = ControlPort::open(&file.control).await?;
    let worker = Arc::new(BrokerWorker::new(file.cluster.clone()));
    health::serve(&file.health, Arc::clone(&worker)).await?;
    let store = open_store(file.object_store.as_ref(), Some(&file.data_dir.join("objects")))?;
    // From the first moment: what stands in the way of a start is for the operator to say.
    let serving = control.serve(Arc::clone(&worker));
    let broker = tokio::select! {
        broker = start(config, store, &worker) => broker?,
        // Nothing was acknowledged yet, and recovery starts over; it is not waited for.
        _ = &mut stop => std::process::exit(0),
    };
    let recovered = broker.recovered.clone();
    tracing::info!(cluster = %file.cluster, cluster_id = broker.cluster_id(), ?recovered, "the log is open");
    worker.begin(broker).await;
    let _ = stop.await;
    tracing::info!("stopping; once more ends it at once");
    serving.abort();
    if let Some(broker) = worker.end().await {
        broker.shutdown().await;
    }
    tracing::info!("stopped");
    // All is durable: threads that still hold something are not waited for.
    std::process::exit(0)
}

/// Starts the broker; where only the object store can say what a volume without anything was, as soon as it answers.
async fn start(config: BrokerConfig, store: Arc<dyn ObjectStore>, worker: &BrokerWorker) -> anyhow::Result<Broker> {
    let mut told = String::new();
    loop {
        let error = match Broker::start(config.clone(), Arc::clone(&store)).await {
            Ok(broker) => return Ok(broker),
            Err(error) => error,
        };
        let Some(health) = error.needs_store() else { return Err(error).context("start the broker") };
        let reason = error.to_string();
        if reason != told {
            tracing::warn!(reason, "waiting for the object store");
            worker.wait(reason.clone(), health).await;
            told = reason;
        }
        tokio::time::sleep(STORE_RETRY).await;
    }
}

fn broker_config(file: &BrokerFile) -> anyhow::Result<BrokerConfig> {
    let id = i32::try_from(name::ordinal(file.broker_id)?).context("the broker's id")?;
    let any = std::net::SocketAddr::from(([0, 0, 0, 0], 0));
    Ok(BrokerConfig {
        listen: None,
        listen_host: file.listen_host,
        tls_folder: file.tls_dir.clone(),
        client_changes: ClientChanges::Proposed,
        store_name: format!("{}.{}", file.cluster.namespace, file.cluster.name),
        ships_continuously: file.object_store.is_some(),
        ..BrokerConfig::new(BrokerId(id), file.data_dir.join("broker"), any)
    })
}
