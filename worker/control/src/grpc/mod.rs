//! The contract as a service, over gRPC: service `streamwright.control.v1.Worker`, messages as JSON (`application/grpc+json`), TLS on both
//! sides. decisions/2026-11-26-control-codec.md says why JSON.
//!
//! ```text
//! Push(Desired) -> Actual          idempotent; the highest generation counts; returns when it has been gone through
//! Watch(()) -> stream of Actual    what is, at once; then when it changes, at most twice a second; and every 10 s, whatever happens
//! ```
//!
//! The operator is the client, the pod is the server. Both show certificates of the operator's CA; a pod lets in who is
//! `streamwright-operator` by name, and nobody else. Certificates are folders that are read again when they change ([`tls`]).

mod client;
mod codec;
mod error;
mod server;
mod transport;
mod watch;

pub use client::Client;
pub use error::{CallError, ConnectError, PushError};
pub use server::{Worker, serve};
pub use tls::TlsError;
pub use transport::{ClientTls, OPERATOR, ServerTls};

use std::time::Duration;

/// Largest message in either direction, uncompressed: 10,000 topics are about 5 MB.
pub const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// A watch says what is at least this often.
pub const HEARTBEAT: Duration = Duration::from_secs(10);
/// A watch says something at most this often.
pub const CHANGE_INTERVAL: Duration = Duration::from_millis(500);

const PUSH: &str = "/streamwright.control.v1.Worker/Push";
const WATCH: &str = "/streamwright.control.v1.Worker/Watch";
/// The content type of gRPC with messages in JSON.
const GRPC_JSON: http::HeaderValue = http::HeaderValue::from_static("application/grpc+json");

/// How often a connection that says nothing is asked whether it lives, and how long it may take to answer.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Flow control: a state of 10,000 topics takes few round trips.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;
