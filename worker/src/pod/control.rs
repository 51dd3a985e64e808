//! The control port of a pod.

use std::sync::Arc;

use anyhow::Context;
use control::grpc::{ServerTls, Worker};
use tokio::{net::TcpListener, task::JoinHandle};

use super::config::ControlSection;

/// The control port, open but not served yet.
#[derive(Debug)]
pub(crate) struct ControlPort {
    listener: TcpListener,
    tls: ServerTls,
}

impl ControlPort {
    /// Listens.
    ///
    /// # Errors
    /// Where the port is taken, or the certificates cannot be used.
    pub(crate) async fn open(section: &ControlSection) -> anyhow::Result<Self> {
        let tls = ServerTls::open(&section.tls_dir).context("the control port's certificates")?;
        let listener = TcpListener::bind(section.bind).await.with_context(|| format!("listen on {} for the operator", section.bind))?;
        Ok(Self { listener, tls })
    }

    /// Serves `worker` to the operator, in a task of its own that ends when it is aborted.
    pub(crate) fn serve(self, worker: Arc<impl Worker>) -> JoinHandle<()> {
        let Self { listener, tls } = self;
        match listener.local_addr() {
            Ok(address) => tracing::info!(%address, "the operator is served"),
            Err(reason) => tracing::warn!(%reason, "the operator is served"),
        }
        tokio::spawn(control::grpc::serve(listener, tls, worker))
    }
}
