//! `/livez`, `/readyz` and `/metrics`, over HTTP/1.1 without TLS: nothing here is secret, and nothing can be changed here.
//!
//! `/livez` fails where only a restart helps; `/readyz` where clients are not served. Both say why in one line. `/metrics` is OpenMetrics text.

use std::{convert::Infallible, future::Future, sync::Arc, time::Duration};

use anyhow::Context;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

use super::{config::HealthSection, metrics::Snapshot};

/// Connections at once; probes and one or two collectors need few.
const CONNECTIONS_MAX: usize = 32;
/// How long a peer may take for the head of a request, and for a whole conversation.
const HEAD_PATIENCE: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(60);

/// What a worker says of its health.
pub(crate) trait Vitals: Send + Sync + 'static {
    /// Why only a restart helps; `None` where it lives.
    fn mortal(&self) -> impl Future<Output = Option<String>> + Send;
    /// Why clients are not served; `None` where they are.
    fn unready(&self) -> impl Future<Output = Option<String>> + Send;
    /// All metrics, now.
    fn metrics(&self) -> impl Future<Output = Snapshot> + Send;
}

/// Serves `vitals` from now on, in a task of its own that lives as long as the process.
///
/// # Errors
/// Where the port is taken.
pub(crate) async fn serve(section: &HealthSection, vitals: Arc<impl Vitals>) -> anyhow::Result<()> {
    let listener = TcpListener::bind(section.bind).await.with_context(|| format!("listen on {} for probes", section.bind))?;
    tracing::info!(address = %listener.local_addr()?, "probes and metrics are served");
    tokio::spawn(accept(listener, vitals));
    Ok(())
}

async fn accept(listener: TcpListener, vitals: Arc<impl Vitals>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let place = Arc::clone(&places).acquire_owned().await.expect("the places are never closed");
        let Ok((socket, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let vitals = Arc::clone(&vitals);
        tokio::spawn(async move {
            let _ = tokio::time::timeout(PATIENCE, converse(socket, vitals)).await;
            drop(place);
        });
    }
}

async fn converse(socket: TcpStream, vitals: Arc<impl Vitals>) {
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let vitals = Arc::clone(&vitals);
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        async move { Ok::<_, Infallible>(answer(&*vitals, &method, &path).await) }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_PATIENCE);
    let _ = server.serve_connection(TokioIo::new(socket), service).await;
}

async fn answer(vitals: &impl Vitals, method: &Method, path: &str) -> Response<Full<Bytes>> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "GET only\n".into());
    }
    match path {
        "/livez" => probe(vitals.mortal().await),
        "/readyz" => probe(vitals.unready().await),
        "/metrics" => {
            let mut response = text(StatusCode::OK, vitals.metrics().await.encode());
            let kind = header::HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            response
        }
        _ => text(StatusCode::NOT_FOUND, "/livez, /readyz and /metrics are here\n".into()),
    }
}

fn probe(problem: Option<String>) -> Response<Full<Bytes>> {
    match problem {
        None => text(StatusCode::OK, "ok\n".into()),
        Some(problem) => text(StatusCode::SERVICE_UNAVAILABLE, problem + "\n"),
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
