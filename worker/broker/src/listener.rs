//! Accepts connections, up to a limit, and serves each in a task of its own.

use std::sync::Arc;

use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::task::TaskTracker;

use crate::{connection, shared::Shared};

/// Serves until [`Shared::stop`]; returns when every connection has been closed.
pub(crate) async fn run(listener: TcpListener, shared: Arc<Shared>) {
    let places = Arc::new(Semaphore::new(shared.config.connections_max));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = shared.stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(reason) => {
                // Most often too many open files: the next accept would fail at once, too.
                tracing::warn!(%reason, "accept a connection");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!(%peer, connections_max = shared.config.connections_max, "refuse a connection: there are as many as allowed");
            continue;
        };
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            if let Err(reason) = connection::serve(socket, peer, shared).await {
                tracing::debug!(%peer, %reason, "close a connection");
            }
            drop(place);
        });
    }
    connections.close();
    connections.wait().await;
}
