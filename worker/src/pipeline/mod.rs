//! `streamwright pipeline --config FILE`: the process of a pipeline's pod.
//!
//! It begins with the desired state in a mounted file and follows a higher generation when the operator pushes one; without the operator it
//! goes on. On SIGTERM it commits what it has read, writes a checkpoint and ends with 0: it stays a member of its group until its session
//! ends, so that it finds its place when it comes back, unless it is not to come back (it is suspended, or its number is not among the
//! replicas any more): then it leaves. A second signal ends it at once, which loses and doubles nothing.

mod config;
mod files;
mod lanes;
mod metrics;
mod worker;

use std::{fs, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context;
use control::DesiredPipeline;
use pipeline::Environment;

use crate::{
    pod::{self, Arguments, control::ControlPort, health, name, store::open_store},
    stop,
};

use self::{config::PipelineFile, files::Files, worker::PipelineWorker};

/// How long a stop waits for the last commit and the checkpoint: within the 30 s that Kubernetes gives by default.
const STOP_PATIENCE: Duration = Duration::from_secs(25);

/// Runs until a signal says stop.
///
/// # Errors
/// Where it cannot start: a file, a port, certificates. That brokers are away is no such reason.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let file: PipelineFile = pod::config::read(&arguments.config)?;
    pod::logging::start(arguments.log_format);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(serve(file))
}

async fn serve(file: PipelineFile) -> anyhow::Result<ExitCode> {
    let stop = stop::on_signal().context("listen for signals")?;
    let environment = environment(&file)?;
    let desired = desired(&file)?;
    let control = ControlPort::open(&file.control).await?;
    tracing::info!(pipeline = %file.pipeline, ordinal = environment.ordinal, generation = desired.generation, "the pipeline begins");
    let files = files(&file, &environment)?;
    if let Some(files) = files.clone().filter(|_| files::reads_files(&desired)) {
        // So that the first look finds them; what does not come now comes later.
        let brought = tokio::task::spawn_blocking(move || files.bring()).await;
        brought.ok().and_then(Result::err).iter().for_each(|error| tracing::warn!("{error}"));
    }
    let files_dir = file.files_dir.clone().or_else(|| files.as_ref().map(|files| files.folder().to_owned()));
    let worker = Arc::new(PipelineWorker::start(desired, environment, files_dir));
    if let Some(files) = files {
        let worker = Arc::clone(&worker);
        tokio::spawn(files.follow(move || worker.desired()));
    }
    health::serve(&file.health, Arc::clone(&worker)).await?;
    let serving = control.serve(Arc::clone(&worker));
    let _ = stop.await;
    tracing::info!("stopping after a last commit; once more ends it at once");
    let ended = tokio::time::timeout(STOP_PATIENCE, worker.end()).await;
    serving.abort();
    match ended {
        Ok(()) => tracing::info!("stopped"),
        Err(_) => tracing::warn!("the last commit takes longer than {STOP_PATIENCE:?}; the next start goes on from the one before"),
    }
    // Lanes and readers that still hold something are not waited for: all that counts is committed.
    std::process::exit(0)
}

fn environment(file: &PipelineFile) -> anyhow::Result<Environment> {
    let bootstrap = file.kafka.bootstrap();
    anyhow::ensure!(!bootstrap.is_empty(), "kafka.bootstrapServers names no address");
    let tls = file.kafka.ca_dir.as_deref().map(tls::Client::open).transpose().context("the certificates that vouch for the brokers")?;
    Ok(Environment {
        bootstrap,
        tls,
        store: open_store(file.object_store.as_ref(), None)?,
        lanes: lanes::start(),
        ordinal: name::ordinal(file.ordinal)?,
    })
}

/// The files of the object store, where the pod has a place for them and is given no folder of its own.
fn files(file: &PipelineFile, environment: &Environment) -> anyhow::Result<Option<Files>> {
    let (None, Some(_), Some(scratch)) = (&file.files_dir, &file.object_store, &file.scratch_dir) else { return Ok(None) };
    Ok(Some(Files::new(Arc::clone(&environment.store), &file.pipeline.namespace, scratch.join("files"))?))
}

fn desired(file: &PipelineFile) -> anyhow::Result<DesiredPipeline> {
    let path = file.desired.display();
    let text = fs::read(&file.desired).with_context(|| format!("read {path}"))?;
    let desired: DesiredPipeline = serde_json::from_slice(&text).with_context(|| format!("{path} is no desired state of a pipeline"))?;
    anyhow::ensure!(desired.pipeline == file.pipeline, "{path} is of Pipeline {}, not of {}", desired.pipeline, file.pipeline);
    Ok(desired)
}
