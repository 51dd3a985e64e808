//! Accepts connections, up to a limit, shakes hands where the port asks for TLS, and serves each in a task of its own.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

use crate::{connection, port::Port, shared::Shared};

/// What the system may hold of answers for one connection, which is memory of ours too (`socket.send.buffer.bytes`).
const SEND_BUFFER_BYTES: u32 = 256 << 10;
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;
/// How long a peer may take to shake hands, waiting for its turn included.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);

/// Listens on `address`.
///
/// # Errors
/// Where the port is taken, or not allowed.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // So that a restart need not wait for connections of the last run to be forgotten.
    socket.set_reuseaddr(true)?;
    // Accepted sockets inherit it.
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until the port is stopped; the port is free on return. Its connections, in `connections`, end by themselves then.
pub(crate) async fn run(listener: TcpListener, port: Arc<Port>, shared: Arc<Shared>, connections: TaskTracker) {
    loop {
        let accepted = tokio::select! {
            () = port.stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(reason) => {
                // Most often too many open files: the next accept would fail at once, too.
                tracing::warn!(%reason, listener = port.name, "accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&shared.connections).try_acquire_owned() else {
            shared.counters.connections_refused.add(1);
            tracing::warn!(%peer, connections_max = shared.config.connections_max, "refuse a connection: there are as many as allowed");
            continue;
        };
        shared.counters.connections_accepted.add(1);
        let (shared, port) = (Arc::clone(&shared), Arc::clone(&port));
        connections.spawn(async move {
            if let Err(reason) = welcome(socket, peer, &port, &shared).await {
                tracing::debug!(%peer, listener = port.name, %reason, "close a connection");
            }
            drop(place);
        });
    }
    connections.close();
}

async fn welcome(socket: TcpStream, peer: SocketAddr, port: &Arc<Port>, shared: &Arc<Shared>) -> Result<(), String> {
    socket.set_nodelay(true).map_err(|reason| reason.to_string())?;
    let Some(tls) = &port.tls else {
        let (reader, writer) = socket.into_split();
        return connection::serve(reader, writer, peer, port, shared).await.map_err(|reason| reason.to_string());
    };
    let shake = async {
        // Those in the middle of a handshake are few: it costs memory and time before anybody has shown who they are.
        let _turn = shared.handshakes.acquire().await.expect("the lane of handshakes is never closed");
        TlsAcceptor::from(tls.config()).accept(socket).await
    };
    let shaken = tokio::select! {
        shaken = tokio::time::timeout(HANDSHAKE_PATIENCE, shake) => shaken,
        () = port.stop.cancelled() => return Ok(()),
    };
    let failed = |reason: String| {
        shared.counters.handshakes_failed.add(1);
        format!("handshake: {reason}")
    };
    let stream = shaken.map_err(|_| failed("it takes too long".into()))?.map_err(|reason| failed(reason.to_string()))?;
    let (reader, writer) = tokio::io::split(stream);
    connection::serve(reader, writer, peer, port, shared).await.map_err(|reason| reason.to_string())
}
