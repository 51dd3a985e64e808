//! [`Connection`]: one socket to one broker, requests pipelined and answered in order.

mod io;
mod versions;

use std::{
    future::Future,
    marker::PhantomData,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::{mpsc, oneshot},
    time::Instant,
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};
use wire::{ApiKey, Message, Request, Str};

use crate::{CallError, ClientOptions};
use io::{InFlight, Outgoing};
pub(crate) use versions::Versions;

/// Requests that wait to be written. Whoever sends more waits for room.
const QUEUE_REQUESTS_MAX: usize = 64;

/// A handle on one open connection; clones share it. It closes when the last handle is gone and the last answer has come, when an answer
/// is late, or when the other side closes.
#[derive(Clone, Debug)]
pub struct Connection {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    address: Arc<str>,
    queue: mpsc::Sender<Outgoing>,
    versions: Versions,
    client_id: Str,
    request_timeout: Duration,
    next_correlation_id: AtomicI32,
}

impl Connection {
    /// Opens a connection to `address` and asks which versions the broker has (KIP-511).
    ///
    /// # Errors
    /// [`CallError::Connect`].
    ///
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub async fn open(address: &str, options: &ClientOptions) -> Result<Self, CallError> {
        let failed = |reason: String| CallError::Connect { address: address.into(), reason };
        let opening = async {
            let stream = TcpStream::connect(address).await.map_err(|error| failed(error.to_string()))?;
            // Requests are written whole; waiting for more only adds latency.
            stream.set_nodelay(true).map_err(|error| failed(error.to_string()))?;
            let Some(tls) = &options.tls else { return Self::over(stream, address, options).await };
            let name = ServerName::try_from(host(address).to_owned()).map_err(|error| failed(error.to_string()))?;
            let stream = TlsConnector::from(tls.config()).connect(name, stream).await.map_err(|error| failed(format!("TLS: {error}")))?;
            Self::over(stream, address, options).await
        };
        tokio::time::timeout(options.connect_timeout, opening).await.map_err(|_| failed("it takes too long".into()))?
    }

    /// Speaks over `stream`, which leads to a broker.
    ///
    /// # Errors
    /// [`CallError::Connect`] where the other side does not answer as a broker does.
    pub async fn over<S>(stream: S, address: &str, options: &ClientOptions) -> Result<Self, CallError>
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let address: Arc<str> = address.into();
        let (queue, outgoing) = mpsc::channel(QUEUE_REQUESTS_MAX);
        io::start(stream, outgoing, options.response_bytes_max);
        let shared = |queue, versions| Shared {
            address: address.clone(),
            queue,
            versions,
            client_id: options.client_id.clone(),
            request_timeout: options.request_timeout,
            next_correlation_id: AtomicI32::new(1),
        };
        let strange = Self { shared: Arc::new(shared(queue.clone(), Versions::first_contact())) };
        let versions =
            versions::ask(&strange).await.map_err(|error| CallError::Connect { address: address.clone(), reason: error.to_string() })?;
        Ok(Self { shared: Arc::new(shared(queue, versions)) })
    }

    /// The other side, as it was dialled.
    #[must_use]
    pub fn address(&self) -> &Arc<str> {
        &self.shared.address
    }

    /// Whether requests can still be sent; one that is sent may find otherwise.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.shared.queue.is_closed()
    }

    /// Level of a feature that is in force in the cluster (KIP-584); `None` where the broker names none.
    #[must_use]
    pub fn feature(&self, name: &str) -> Option<i16> {
        self.shared.versions.feature(name)
    }

    /// Whether the broker has `api` in `needed` or a later version that this client has too.
    #[must_use]
    pub fn has(&self, api: ApiKey, needed: i16) -> bool {
        self.shared.versions.pick(api, needed).is_some()
    }

    /// Sends `request` in the highest version both sides have, and waits for its answer.
    ///
    /// # Errors
    /// [`CallError`]; [`CallError::may_have_happened`] tells what is not known from what was not done.
    ///
    /// # Cancel safety
    /// Dropping the future does not take the request back: it may be sent and done, and its answer is thrown away.
    pub async fn call<R: Request>(&self, request: &R) -> Result<R::Response, CallError> {
        self.call_from(request, *R::API.versions().start(), Duration::ZERO).await
    }

    /// As [`Connection::call`], in version `needed` or above, for a request that asks the broker to wait up to `broker_waits`.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub async fn call_from<R: Request>(&self, request: &R, needed: i16, broker_waits: Duration) -> Result<R::Response, CallError> {
        self.send(request, needed, broker_waits).await?.await
    }

    /// Puts `request` in line, and returns once there is room for it: requests go out in the order in which this returned. The answer
    /// is what the [`Pending`] gives.
    ///
    /// # Errors
    /// Those that are known before anything is sent.
    ///
    /// # Cancel safety
    /// Dropping this future means the request is not sent; dropping the [`Pending`] only throws the answer away.
    pub async fn send<R: Request>(&self, request: &R, needed: i16, broker_waits: Duration) -> Result<Pending<R::Response>, CallError> {
        let Shared { address, versions, .. } = &*self.shared;
        let api = R::API;
        let version = versions.pick(api, needed).ok_or_else(|| CallError::Version { address: address.clone(), api, needed })?;
        self.send_as(request, version, broker_waits).await
    }

    async fn send_as<R: Request>(&self, request: &R, version: i16, broker_waits: Duration) -> Result<Pending<R::Response>, CallError> {
        let Shared { address, queue, client_id, request_timeout, next_correlation_id, .. } = &*self.shared;
        let api = R::API;
        let not_sent = || CallError::NotSent { address: address.clone(), api };
        let room = queue.reserve().await.map_err(|_| not_sent())?;
        let correlation_id = next_correlation_id.fetch_add(1, Ordering::Relaxed);
        let frame =
            wire::encode_request(request, version, correlation_id, Some(client_id)).map_err(|source| CallError::Encode { api, source })?;
        let (reply, answer) = oneshot::channel();
        let deadline = Instant::now() + *request_timeout + broker_waits;
        room.send(Outgoing { frame, in_flight: InFlight { correlation_id, deadline, reply } });
        Ok(Pending { answer, version, or_version: None, address: address.clone(), response: PhantomData })
    }
}

/// The host of `host:port`; an IPv6 address without its brackets.
fn host(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// An answer that is on its way.
#[derive(Debug)]
#[must_use = "an answer that nobody reads tells nobody whether it was done"]
pub struct Pending<R> {
    answer: oneshot::Receiver<Result<Bytes, Arc<str>>>,
    version: i16,
    /// The version an answer may have that says the version asked in is not there (ApiVersions, KIP-511).
    or_version: Option<i16>,
    address: Arc<str>,
    response: PhantomData<fn() -> R>,
}

impl<R: Message> Future for Pending<R> {
    type Output = Result<R, CallError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let (api, address) = (R::API, self.address.clone());
        let answer = match Pin::new(&mut self.answer).poll(context) {
            Poll::Pending => return Poll::Pending,
            // The request was dropped before it was written.
            Poll::Ready(Err(_)) => return Poll::Ready(Err(CallError::NotSent { address, api })),
            Poll::Ready(Ok(Err(reason))) => return Poll::Ready(Err(CallError::Lost { address, api, reason })),
            Poll::Ready(Ok(Ok(frame))) => frame,
        };
        let decoded = match self.or_version {
            Some(version) if says_unsupported(&answer) => wire::decode_response(answer, version),
            _ => wire::decode_response(answer, self.version),
        };
        Poll::Ready(decoded.map(|(_, response)| response).map_err(|source| CallError::Decode { api, source }))
    }
}

/// Whether an ApiVersions answer starts, behind its correlation id, with UNSUPPORTED_VERSION.
fn says_unsupported(answer: &Bytes) -> bool {
    answer.get(4..6) == Some(&wire::ErrorCode::UnsupportedVersion.code().to_be_bytes())
}
