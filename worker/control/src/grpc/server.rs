//! A worker's side: accepts the operator, takes desired states, says what is.

use std::{convert::Infallible, future::Future, sync::Arc, time::Instant};

use futures::{Stream, stream};
use http::header::CONTENT_TYPE;
use hyper::{body::Incoming, server::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::Duration,
};
use tokio_rustls::TlsAcceptor;
use tonic::{Request, Response, Status, body::Body, codec::CompressionEncoding::Gzip, server::Grpc};

use super::{
    CONNECTION_WINDOW_BYTES, GRPC_JSON, KEEP_ALIVE, MESSAGE_BYTES_MAX, PUSH, PushError, STREAM_WINDOW_BYTES, ServerTls, WATCH, codec::Json,
    watch::Watching,
};
use crate::{Actual, Desired};

/// Connections at once: a leader, its successor, and room for those that are not closed yet or not let in.
const CONNECTIONS_MAX: usize = 64;
/// Calls at once on one connection.
const CALLS_MAX: u32 = 32;
/// How long a handshake may take.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);

/// What a worker does with a desired state, and what it says of itself.
pub trait Worker: Send + Sync + 'static {
    /// Goes through `desired`; what could not be brought about is said in [`Worker::actual`]. An older generation than the newest seen changes
    /// nothing and is no error. Not called off when the operator goes.
    ///
    /// # Errors
    /// [`PushError`].
    fn push(&self, desired: Desired) -> impl Future<Output = Result<(), PushError>> + Send;

    /// What is, now.
    fn actual(&self) -> impl Future<Output = Actual> + Send;

    /// Another number whenever something changed that somebody acts on: generations, phases, problems, proposals. Telemetry alone (bytes,
    /// lag, rows) does not change it. Asked twice a second, so it must be cheap.
    fn revision(&self) -> u64;
}

/// Serves `worker` to the operator until the future is dropped, which closes every connection.
///
/// # Cancel safety
/// A push that has begun is gone through to its end.
pub async fn serve<W: Worker>(listener: TcpListener, tls: ServerTls, worker: Arc<W>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(reason) => {
                tracing::warn!(%reason, "accept the operator");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!(%peer, "refuse a connection to the control port: there are {CONNECTIONS_MAX}");
            continue;
        };
        let (tls, worker) = (tls.clone(), Arc::clone(&worker));
        connections.spawn(async move {
            if let Err(reason) = converse(socket, tls, worker).await {
                tracing::warn!(%peer, %reason, "a connection to the control port ends");
            }
            drop(place);
        });
    }
}

async fn converse<W: Worker>(socket: TcpStream, tls: ServerTls, worker: Arc<W>) -> Result<(), String> {
    socket.set_nodelay(true).map_err(|reason| reason.to_string())?;
    let handshake = TlsAcceptor::from(tls.config()).accept(socket);
    let stream = tokio::time::timeout(HANDSHAKE_PATIENCE, handshake).await.map_err(|_| "the handshake takes too long".to_owned())?;
    let stream = stream.map_err(|reason| format!("handshake: {reason}"))?;
    let service = hyper::service::service_fn(move |request| {
        let worker = Arc::clone(&worker);
        async move { Ok::<_, Infallible>(answer(worker, request).await) }
    });
    let served = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .max_concurrent_streams(CALLS_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    served.map_err(|reason| reason.to_string())
}

async fn answer<W: Worker>(worker: Arc<W>, request: http::Request<Incoming>) -> http::Response<Body> {
    let mut response = match request.uri().path() {
        _ if request.headers().get(CONTENT_TYPE) != Some(&GRPC_JSON) => {
            Status::invalid_argument("messages are JSON: application/grpc+json").into_http()
        }
        PUSH => {
            let mut grpc = Grpc::new(Json::<Actual, Desired>::default())
                .max_decoding_message_size(MESSAGE_BYTES_MAX)
                .max_encoding_message_size(MESSAGE_BYTES_MAX)
                .accept_compressed(Gzip)
                .send_compressed(Gzip);
            let push = tower::service_fn(move |request: Request<Desired>| push(Arc::clone(&worker), request.into_inner()));
            grpc.unary(push, request).await
        }
        WATCH => {
            let mut grpc = Grpc::new(Json::<Actual, ()>::default())
                .max_decoding_message_size(MESSAGE_BYTES_MAX)
                .max_encoding_message_size(MESSAGE_BYTES_MAX)
                .accept_compressed(Gzip)
                .send_compressed(Gzip);
            let watch = tower::service_fn(move |_: Request<()>| {
                let stream = watch(Arc::clone(&worker));
                async move { Ok::<_, Status>(Response::new(stream)) }
            });
            grpc.server_streaming(watch, request).await
        }
        path => Status::unimplemented(format!("there is no {path} here")).into_http(),
    };
    response.headers_mut().insert(CONTENT_TYPE, GRPC_JSON);
    response
}

async fn push<W: Worker>(worker: Arc<W>, desired: Desired) -> Result<Response<Actual>, Status> {
    // In a task of its own: an operator that goes away must not leave half of a state.
    let pushed = tokio::spawn(async move {
        worker.push(desired).await?;
        Ok::<_, PushError>(worker.actual().await)
    });
    let actual = pushed.await.map_err(|reason| Status::internal(format!("a bug of ours stopped it: {reason}")))?;
    Ok(Response::new(actual?))
}

fn watch<W: Worker>(worker: Arc<W>) -> impl Stream<Item = Result<Actual, Status>> + Send + 'static {
    stream::unfold((worker, Watching::default()), |(worker, mut watching)| async move {
        while let Some(wait) = watching.wait(worker.revision(), Instant::now()) {
            tokio::time::sleep(wait).await;
        }
        // Asked before it is read: what changes between the two is said again.
        let revision = worker.revision();
        let actual = worker.actual().await;
        watching.say(revision, Instant::now());
        Some((Ok(actual), (worker, watching)))
    })
}
