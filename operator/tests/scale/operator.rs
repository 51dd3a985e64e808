//! The process that is measured: the operator as it is, but that workers are found on this machine.

use anyhow::Context;
use control::{DesiredBroker, DesiredPipeline, ObjectRef};
use crds::Kind;
use futures::future::BoxFuture;
use operator::{
    builder::Site,
    health::{self, Health},
    lease::Leadership,
    planner::{Command, Plans},
    product::Product,
    shell::{self, Parts},
    workers::{Actual, Address, Connections, Workers},
};
use std::{
    collections::BTreeMap,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{net::TcpListener, sync::Notify};

use crate::stub::NAME;

/// `kind namespace/name` of each worker, and its port on loopback.
pub(crate) type Places = BTreeMap<String, u16>;

/// The key of a worker in [`Places`].
pub(crate) fn place(kind: Kind, object: &ObjectRef) -> String {
    format!("{kind} {object}")
}

/// Looks for every worker where its stub is.
struct Redirected {
    connections: Connections,
    places: Places,
}

impl Workers for Redirected {
    fn follow(&self, workers: BTreeMap<(Kind, ObjectRef), Address>) {
        let here = |(id, _): ((Kind, ObjectRef), Address)| {
            let port = self.places.get(&place(id.0, &id.1))?;
            Some((id, Address { address: format!("127.0.0.1:{port}"), server_name: NAME.into() }))
        };
        self.connections.follow(workers.into_iter().filter_map(here).collect());
    }

    fn actual(&self) -> Actual {
        self.connections.actual()
    }

    fn is_silent(&self, kind: Kind, worker: &ObjectRef) -> bool {
        self.connections.is_silent(kind, worker)
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        self.connections.changed()
    }

    fn push_broker(&self, cluster: ObjectRef, desired: DesiredBroker) -> BoxFuture<'static, Result<(), String>> {
        self.connections.push_broker(cluster, desired)
    }

    fn push_pipeline(&self, pipeline: ObjectRef, desired: DesiredPipeline) -> BoxFuture<'static, Result<(), String>> {
        self.connections.push_pipeline(pipeline, desired)
    }
}

/// Runs until standard input ends; says on standard output at which port its figures are.
pub(crate) async fn run(namespace: String, places: &Path, certificates: PathBuf) -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
    let client = kube::Client::try_default().await.context("find the API server")?;
    let (health, planned) = (Arc::new(Health::default()), Arc::new(Notify::new()));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{}", listener.local_addr()?.port());
    tokio::spawn(health::serve(listener, health.clone()));
    let places = serde_json::from_slice(&std::fs::read(places).with_context(|| format!("{}", places.display()))?)?;
    let command = Command { program: env!("CARGO_BIN_EXE_streamwright-operator").into(), arguments: vec!["plan".into()] };
    let parts = Parts {
        client,
        site: Site { image: "streamwright".into(), version: "0.1.0".into(), namespace: namespace.clone() },
        namespaces: vec![namespace],
        instance: "operator-0".into(),
        builder: Arc::new(Product),
        workers: Arc::new(Redirected { connections: Connections::new(certificates.clone()), places }),
        control_tls: Some(certificates),
        planner: Arc::new(Plans::new(&command, planned.clone())),
        planned,
        health,
        leadership: Leadership::alone(),
    };
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        // Whoever measures is gone.
        std::process::exit(0);
    });
    shell::run(parts).await;
    anyhow::bail!("the operator ended by itself")
}
