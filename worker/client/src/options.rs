//! [`ClientOptions`]: where the cluster is, and how long to wait for it.

use std::time::Duration;

use wire::Str;

/// What all parts of a client share.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// `host:port` of some brokers; the others are learnt from them.
    pub bootstrap: Vec<String>,
    /// What the client calls itself to brokers.
    pub client_id: Str,
    /// TLS: whom to trust, and who to be. Brokers must show certificates for the host that is dialled. `None`: plain text.
    pub tls: Option<tls::Client>,
    /// How long a connection may take to open.
    pub connect_timeout: Duration,
    /// How long an answer may take, beyond what a request itself asks the broker to wait. After that the connection is closed.
    pub request_timeout: Duration,
    /// How long calls that can be repeated are repeated before they fail.
    pub retry_timeout: Duration,
    /// Largest answer that is read. Must exceed what fetches ask for.
    pub response_bytes_max: usize,
}

impl ClientOptions {
    /// Options with defaults for the cluster that one of `bootstrap` belongs to.
    #[must_use]
    pub fn new<S: Into<String>>(bootstrap: impl IntoIterator<Item = S>, client_id: &str) -> Self {
        Self {
            bootstrap: bootstrap.into_iter().map(Into::into).collect(),
            client_id: client_id.into(),
            tls: None,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(15),
            retry_timeout: Duration::from_secs(30),
            response_bytes_max: 128 << 20,
        }
    }
}
