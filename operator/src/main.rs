//! The operator's program: `run`, and `plan`, which `run` starts for users' SQL.

use anyhow::Context;
use clap::{Parser, Subcommand};
use operator::{
    builder::Site,
    config::Config,
    health::{self, Health},
    lease::Campaign,
    planner::{self, Command, Plans},
    product::Product,
    shell::{self, Parts},
    workers::Connections,
};
use std::{process::ExitCode, sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::Notify,
};

/// The name of the lease that operators compete for.
const LEASE: &str = "streamwright-operator";

/// A look at thousands of objects makes hundreds of thousands of small texts that are gone with it: the system's allocator does not give their
/// pages back.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Runs Streamwright on Kubernetes.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    subcommand: Subcommands,
}

#[derive(Subcommand)]
enum Subcommands {
    /// Reconcile Clusters, Topics, RetentionPolicies and Pipelines until told to stop.
    Run(Config),
    /// Plan queries: one JSON text a line on standard input, one answer a line on standard output. Started by `run`.
    Plan,
}

fn main() -> anyhow::Result<ExitCode> {
    match Arguments::parse().subcommand {
        Subcommands::Plan => {
            planner::serve().context("plan")?;
            Ok(ExitCode::SUCCESS)
        }
        Subcommands::Run(config) => {
            let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
            tracing_subscriber::fmt().json().with_env_filter(filter).init();
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().context("start the runtime")?;
            runtime.block_on(run(config))
        }
    }
}

/// Stands by, leads, and ends when told to or when it does not lead any more: the next start decides everything anew.
async fn run(config: Config) -> anyhow::Result<ExitCode> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let namespaces = config.namespaces()?;
    let client = kube::Client::try_default().await.context("find the API server")?;
    let health = Arc::new(Health::default());
    let listener = TcpListener::bind(config.health).await.with_context(|| format!("listen on {}", config.health))?;
    tokio::spawn(health::serve(listener, health.clone()));
    let mut campaign = Campaign::new(client.clone(), &config.namespace, LEASE, config.pod_name.clone());
    tracing::info!(version = env!("CARGO_PKG_VERSION"), image = config.image, ?namespaces, "streamwright-operator");
    let mut beat = tokio::time::interval(Duration::from_secs(10));
    let won = async {
        loop {
            tokio::select! {
                () = campaign.win() => return,
                _ = beat.tick() => health.turn(),
            }
        }
    };
    tokio::select! {
        () = won => {}
        _ = terminate.recv() => return Ok(ExitCode::SUCCESS),
        _ = interrupt.recv() => return Ok(ExitCode::SUCCESS),
    }
    health.metrics.leader.set(1);
    let planned = Arc::new(Notify::new());
    let command = Command { program: std::env::current_exe().context("find this program")?, arguments: vec!["plan".into()] };
    let parts = Parts {
        client,
        site: Site { image: config.image, version: env!("CARGO_PKG_VERSION").into(), namespace: config.namespace },
        namespaces,
        instance: config.pod_name,
        builder: Arc::new(Product),
        workers: Arc::new(Connections::new(config.control_tls.clone())),
        control_tls: Some(config.control_tls),
        planner: Arc::new(Plans::new(&command, planned.clone())),
        planned,
        health,
        leadership: campaign.leadership(),
    };
    let code = tokio::select! {
        () = shell::run(parts) => ExitCode::FAILURE,
        lost = campaign.keep() => {
            tracing::error!("{lost}");
            ExitCode::FAILURE
        }
        _ = terminate.recv() => ExitCode::SUCCESS,
        _ = interrupt.recv() => ExitCode::SUCCESS,
    };
    campaign.give_back().await;
    tracing::info!("stopped; workers go on with what they were told last");
    Ok(code)
}
