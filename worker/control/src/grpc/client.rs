//! The operator's side: one connection to one worker.

use std::{io, time::Duration};

use futures::{StreamExt, stream, stream::BoxStream};
use http::{Uri, header::CONTENT_TYPE, uri::PathAndQuery};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};
use tonic::{
    Request, Streaming,
    body::Body,
    client::Grpc,
    codec::CompressionEncoding::Gzip,
    transport::{Channel, Endpoint},
};
use tower::{ServiceExt, util::MapRequest};

use super::{
    CONNECTION_WINDOW_BYTES, CallError, ClientTls, ConnectError, GRPC_JSON, HEARTBEAT, KEEP_ALIVE, MESSAGE_BYTES_MAX, PUSH,
    STREAM_WINDOW_BYTES, WATCH, codec::Json, error::causes,
};
use crate::{Actual, Desired};

/// How long a connection may take to open.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// How long a worker may take to go through a desired state: 10,000 new topics take seconds on a slow volume.
const PUSH_PATIENCE: Duration = Duration::from_secs(120);
/// A watch that says nothing for so long is over.
const SILENCE_MAX: Duration = HEARTBEAT.saturating_mul(3);

type Service = MapRequest<Channel, fn(http::Request<Body>) -> http::Request<Body>>;

/// A handle on one worker; clones share its connection, which is opened again by itself when it breaks, with the certificates there are
/// then.
#[derive(Clone)]
pub struct Client {
    address: String,
    service: Service,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Client {
    /// Connects to the worker at `address` (`host:port`), whose certificate must be for `server_name`. A worker that does not let us in
    /// may say so only with the first call.
    ///
    /// # Errors
    /// [`ConnectError`].
    ///
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub async fn connect(address: &str, server_name: &str, tls: &ClientTls) -> Result<Self, ConnectError> {
        let none = |reason: String| ConnectError::Address(address.to_owned(), reason);
        let name = ServerName::try_from(server_name.to_owned()).map_err(|reason| none(format!("{server_name}: {reason}")))?;
        let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|reason| none(reason.to_string()))?;
        let endpoint = endpoint
            .connect_timeout(CONNECT_PATIENCE)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
        let (to, tls) = (address.to_owned(), tls.clone());
        // The scheme is plain as far as tonic knows: TLS is ours, with whatever certificates there are when a connection is opened.
        let connector = tower::service_fn(move |_: Uri| {
            let (to, name, tls) = (to.clone(), name.clone(), tls.clone());
            async move {
                let socket = TcpStream::connect(&to).await?;
                socket.set_nodelay(true)?;
                let stream = TlsConnector::from(tls.config()).connect(name, socket).await?;
                Ok::<_, io::Error>(TokioIo::new(stream))
            }
        });
        let channel = endpoint.connect_with_connector(connector).await.map_err(|error| {
            let reasons = causes(&error);
            let reason = if reasons.is_empty() { error.to_string() } else { reasons };
            ConnectError::Connect { address: address.to_owned(), reason }
        })?;
        Ok(Self { address: address.to_owned(), service: channel.map_request(as_json as fn(_) -> _) })
    }

    /// `host:port` of the worker.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Sends what the worker shall be; it has been gone through on return. Sending again is harmless.
    ///
    /// # Errors
    /// [`CallError`]. Even then it may have been gone through.
    ///
    /// # Cancel safety
    /// Dropping the future takes nothing back.
    pub async fn push(&self, desired: Desired) -> Result<Actual, CallError> {
        let mut grpc = self.grpc().await?;
        let mut request = Request::new(desired);
        request.set_timeout(PUSH_PATIENCE);
        let answer = grpc.unary(request, PathAndQuery::from_static(PUSH), Json::<Desired, Actual>::default()).await;
        answer.map(tonic::Response::into_inner).map_err(|status| CallError::of(&status))
    }

    /// What the worker is: at once, when it changes, and as a sign of life. Ends with an error; then watch again.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn watch(&self) -> Result<BoxStream<'static, Result<Actual, CallError>>, CallError> {
        let mut grpc = self.grpc().await?;
        let answer = grpc.server_streaming(Request::new(()), PathAndQuery::from_static(WATCH), Json::<(), Actual>::default()).await;
        let messages = answer.map_err(|status| CallError::of(&status))?.into_inner();
        Ok(stream::unfold(Some(messages), |messages| async move { Some(next(messages?).await) }).boxed())
    }

    async fn grpc(&self) -> Result<Grpc<Service>, CallError> {
        let mut grpc = Grpc::new(self.service.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
            .accept_compressed(Gzip)
            .send_compressed(Gzip);
        grpc.ready().await.map_err(|error| CallError::Unavailable(format!("{error}: {}", causes(&error))))?;
        Ok(grpc)
    }
}

type Next = (Result<Actual, CallError>, Option<Streaming<Actual>>);

/// The next message, and the stream if it goes on.
async fn next(mut messages: Streaming<Actual>) -> Next {
    match tokio::time::timeout(SILENCE_MAX, messages.message()).await {
        Ok(Ok(Some(actual))) => (Ok(actual), Some(messages)),
        Ok(Ok(None)) => (Err(CallError::Unavailable("it ended the watch".into())), None),
        Ok(Err(status)) => (Err(CallError::of(&status)), None),
        Err(_) => (Err(CallError::Unavailable(format!("it says nothing for {SILENCE_MAX:?}"))), None),
    }
}

fn as_json(mut request: http::Request<Body>) -> http::Request<Body> {
    request.headers_mut().insert(CONTENT_TYPE, GRPC_JSON);
    request
}
