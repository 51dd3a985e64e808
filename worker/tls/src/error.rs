//! Why TLS material cannot be used.

use std::{io, path::PathBuf};

/// Why a folder's files cannot be used. Says paths and reasons, never what is in a key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is missing or cannot be read.
    #[error("read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not PEM, or holds nothing of what it should.
    #[error("{} holds no {wanted} in PEM: {reason}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        wanted: &'static str,
        /// Why.
        reason: String,
    },
    /// The files cannot be used together: the key is another certificate's, a CA is damaged.
    #[error("the certificates in {} cannot be used: {reason}", folder.display())]
    Unusable {
        /// The folder.
        folder: PathBuf,
        /// Why.
        reason: String,
    },
}
