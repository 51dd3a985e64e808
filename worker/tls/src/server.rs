//! The accepting side.

use std::{path::Path, sync::Arc};

use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    client::verify_server_name,
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{
        ParsedCertificate, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

use crate::{
    TlsError,
    folder::Folder,
    material::{authorities, pair, provider, unusable},
};

/// Accepts with the certificate of a folder. Clones share it.
#[derive(Clone, Debug)]
pub struct Server(Arc<Folder<Arc<ServerConfig>>>);

impl Server {
    /// Accepts anybody: `tls.crt` and `tls.key` are needed. No application protocol is negotiated, as Kafka's clients expect.
    ///
    /// # Errors
    /// [`TlsError`] where the files cannot be used now.
    pub fn open(folder: &Path) -> Result<Self, TlsError> {
        let build = |folder: &Path| {
            let (chain, key) = pair(folder)?;
            let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
            let builder = builder.map_err(|reason| unusable(folder, reason))?.with_no_client_auth();
            Ok(Arc::new(builder.with_single_cert(chain, key).map_err(|reason| unusable(folder, reason))?))
        };
        Folder::open(folder, Box::new(build)).map(|folder| Self(Arc::new(folder)))
    }

    /// Accepts only who shows a certificate for clients that is signed by `ca.crt` and names `client` among its DNS names. `protocols` are
    /// the application protocols (ALPN) that are offered, best first.
    ///
    /// # Errors
    /// [`TlsError`] where the files cannot be used now.
    pub fn open_mutual(folder: &Path, client: &'static str, protocols: &'static [&'static [u8]]) -> Result<Self, TlsError> {
        let build = move |folder: &Path| {
            let (chain, key) = pair(folder)?;
            let signed = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities(folder)?), provider()).build();
            let signed = signed.map_err(|reason| unusable(folder, reason))?;
            let name = ServerName::try_from(client).map_err(|reason| unusable(folder, reason))?;
            let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
            let builder = builder.map_err(|reason| unusable(folder, reason))?.with_client_cert_verifier(Arc::new(Named { signed, name }));
            let mut config = builder.with_single_cert(chain, key).map_err(|reason| unusable(folder, reason))?;
            config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
            Ok(Arc::new(config))
        };
        Folder::open(folder, Box::new(build)).map(|folder| Self(Arc::new(folder)))
    }

    /// For the next handshake. Looks at the files now and then, which blocks for a moment.
    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.current())
    }

    /// Why the files that are there now are not used; `None` where they are.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.0.problem()
    }
}

/// A client certificate must be signed by our CA, and be of the one who may speak: our CA signs other certificates, too.
#[derive(Debug)]
struct Named {
    signed: Arc<dyn ClientCertVerifier>,
    name: ServerName<'static>,
}

impl ClientCertVerifier for Named {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.signed.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.signed.verify_client_cert(end_entity, intermediates, now)?;
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, &self.name)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signed.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signed.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signed.supported_verify_schemes()
    }
}
