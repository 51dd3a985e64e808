//! Both sides' certificates: only the operator may speak to a worker, and only to the one it means.

use std::{path::Path, sync::Arc};

use tls::TlsError;
use tokio_rustls::rustls::{ClientConfig, ServerConfig};

/// The DNS name in the certificate of the one client that workers let in.
pub const OPERATOR: &str = "streamwright-operator";

const PROTOCOLS: &[&[u8]] = &[b"h2"];

/// A worker's side: `ca.crt`, `tls.crt` and `tls.key` in a folder, read again when they change. Lets in [`OPERATOR`] only.
#[derive(Clone, Debug)]
pub struct ServerTls(tls::Server);

impl ServerTls {
    /// # Errors
    /// [`TlsError`] where the files cannot be used now.
    pub fn open(folder: &Path) -> Result<Self, TlsError> {
        tls::Server::open_mutual(folder, OPERATOR, PROTOCOLS).map(Self)
    }

    /// Why the files that are there now are not used; `None` where they are.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.0.problem()
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        self.0.config()
    }
}

/// The operator's side: `ca.crt`, `tls.crt` and `tls.key` in a folder, read again when they change.
#[derive(Clone, Debug)]
pub struct ClientTls(tls::Client);

impl ClientTls {
    /// # Errors
    /// [`TlsError`] where the files cannot be used now.
    pub fn open(folder: &Path) -> Result<Self, TlsError> {
        tls::Client::open_mutual(folder, PROTOCOLS).map(Self)
    }

    /// Why the files that are there now are not used; `None` where they are.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.0.problem()
    }

    pub(super) fn config(&self) -> Arc<ClientConfig> {
        self.0.config()
    }
}
