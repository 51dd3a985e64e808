//! One port that clients connect to: what those who came in by it are told, and the TLS they must speak.

use std::sync::{Arc, PoisonError, RwLock};

use tokio_util::sync::CancellationToken;

/// Host and port that clients are told to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Advertised {
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// A port that is listened on.
#[derive(Debug)]
pub(crate) struct Port {
    /// The listener's name.
    pub(crate) name: String,
    advertised: RwLock<Arc<Advertised>>,
    /// `None`: plain text.
    pub(crate) tls: Option<tls::Server>,
    /// Cancelled when it closes: nothing is accepted any more, and its connections end once they have answered what they began.
    pub(crate) stop: CancellationToken,
}

impl Port {
    pub(crate) fn new(name: &str, advertised: Advertised, tls: Option<tls::Server>, stop: CancellationToken) -> Self {
        Self { name: name.into(), advertised: RwLock::new(Arc::new(advertised)), tls, stop }
    }

    /// What clients are told now.
    pub(crate) fn advertised(&self) -> Arc<Advertised> {
        Arc::clone(&self.advertised.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on clients are told this, those that are connected too.
    pub(crate) fn advertise(&self, advertised: Advertised) {
        *self.advertised.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(advertised);
    }
}
