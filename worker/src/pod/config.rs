//! The sections that configuration files of pods have in common, and how such a file is read.
//!
//! Names are as in custom resources. Fields that a later operator adds are skipped: the data plane may be older than the operator.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Context;
use serde::{Deserialize, de::DeserializeOwned};

/// Where the operator reaches a worker.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ControlSection {
    /// Address to listen on.
    pub(crate) bind: SocketAddr,
    /// Folder with `ca.crt` (who vouches for the operator), `tls.crt` and `tls.key` (its own); read again when they change.
    pub(crate) tls_dir: PathBuf,
}

/// Where `/livez`, `/readyz` and `/metrics` are served, without TLS.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct HealthSection {
    /// Address to listen on.
    pub(crate) bind: SocketAddr,
}

/// An object store; exactly one of its kinds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct StoreSection {
    /// A bucket that speaks S3.
    pub(crate) s3: Option<S3Section>,
    /// A folder that every pod sees, for trying things out.
    pub(crate) folder: Option<PathBuf>,
}

/// A bucket.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct S3Section {
    /// Its name.
    pub(crate) bucket: String,
    /// Prefix of every object; absent = none.
    pub(crate) prefix: Option<String>,
    /// Its region.
    pub(crate) region: Option<String>,
    /// URL of the service; absent = Amazon's for the region.
    pub(crate) endpoint: Option<String>,
    /// Whether the bucket is part of the path.
    #[serde(default)]
    pub(crate) force_path_style: bool,
    /// Folder with the files AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and perhaps AWS_SESSION_TOKEN, read again when they change; absent =
    /// the pod's own identity.
    pub(crate) credentials_dir: Option<PathBuf>,
}

/// Reads a configuration file.
///
/// # Errors
/// Where it is not there, or not what it should be: with path, line and field.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    serde_yaml::from_str(&text).with_context(|| format!("{} is not a configuration", path.display()))
}
