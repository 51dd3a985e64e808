//! The three files, parsed.

use std::{fs, path::Path, sync::Arc};

use rustls::{
    RootCertStore,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use rustls_pki_types::pem::PemObject;

use crate::TlsError;

pub(crate) const CA: &str = "ca.crt";
pub(crate) const CERTIFICATE: &str = "tls.crt";
pub(crate) const KEY: &str = "tls.key";

/// The one provider of cryptography: never the process-wide default, which others may set.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Those by whom the other side's certificate must be signed.
pub(crate) fn authorities(folder: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(folder, CA)? {
        roots.add(certificate).map_err(|reason| unusable(folder, reason))?;
    }
    Ok(roots)
}

/// Own certificate with its chain, and its key.
pub(crate) fn pair(folder: &Path) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let chain = certificates(folder, CERTIFICATE)?;
    let path = folder.join(KEY);
    let text = fs::read(&path).map_err(|source| TlsError::Read { path: path.clone(), source })?;
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(|_| TlsError::Pem {
        path,
        wanted: "private key",
        reason: "there is none of PKCS#8, PKCS#1 or SEC1".into(),
    })?;
    Ok((chain, key))
}

fn certificates(folder: &Path, name: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let path = folder.join(name);
    let text = fs::read(&path).map_err(|source| TlsError::Read { path: path.clone(), source })?;
    let damaged = |reason: String| TlsError::Pem { path: path.clone(), wanted: "certificate", reason };
    let found: Vec<_> = CertificateDer::pem_slice_iter(&text).collect::<Result<_, _>>().map_err(|reason| damaged(reason.to_string()))?;
    if found.is_empty() { Err(damaged("it has none".into())) } else { Ok(found) }
}

pub(crate) fn unusable(folder: &Path, reason: impl ToString) -> TlsError {
    TlsError::Unusable { folder: folder.to_owned(), reason: reason.to_string() }
}
