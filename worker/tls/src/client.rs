//! The dialling side.

use std::{path::Path, sync::Arc};

use rustls::ClientConfig;

use crate::{
    TlsError,
    folder::Folder,
    material::{CERTIFICATE, authorities, pair, provider, unusable},
};

/// Dials whoever shows a certificate that is signed by a folder's CA and is for the name that was dialled. Clones share it.
#[derive(Clone, Debug)]
pub struct Client(Arc<Folder<Arc<ClientConfig>>>);

impl Client {
    /// `ca.crt` is needed; where there is a `tls.crt`, it is shown to servers that ask for one.
    ///
    /// # Errors
    /// [`TlsError`] where the files cannot be used now.
    pub fn open(folder: &Path) -> Result<Self, TlsError> {
        Self::build(folder, false, &[])
    }

    /// All three files are needed. `protocols` are the application protocols (ALPN) that are offered, best first.
    ///
    /// # Errors
    /// [`TlsError`] where the files cannot be used now.
    pub fn open_mutual(folder: &Path, protocols: &'static [&'static [u8]]) -> Result<Self, TlsError> {
        Self::build(folder, true, protocols)
    }

    fn build(folder: &Path, needs_pair: bool, protocols: &'static [&'static [u8]]) -> Result<Self, TlsError> {
        let build = move |folder: &Path| {
            let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
            let builder = builder.map_err(|reason| unusable(folder, reason))?.with_root_certificates(authorities(folder)?);
            let mut config = if needs_pair || folder.join(CERTIFICATE).exists() {
                let (chain, key) = pair(folder)?;
                builder.with_client_auth_cert(chain, key).map_err(|reason| unusable(folder, reason))?
            } else {
                builder.with_no_client_auth()
            };
            config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
            Ok(Arc::new(config))
        };
        Folder::open(folder, Box::new(build)).map(|folder| Self(Arc::new(folder)))
    }

    /// For the next handshake. Looks at the files now and then, which blocks for a moment.
    #[must_use]
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0.current())
    }

    /// Why the files that are there now are not used; `None` where they are.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.0.problem()
    }
}
