//! What a bucket is called, where it is, who we are to it, and how patient we are with it.

use std::{fmt, path::PathBuf, time::Duration};

/// A bucket and how it is reached. Its `Debug` shows no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Config {
    /// Name of the bucket; it is never created here.
    pub bucket: String,
    /// What every key begins with, without a `/` at either end; empty for none.
    pub prefix: String,
    /// The bucket's region; `None` takes `AWS_REGION`, then `AWS_DEFAULT_REGION`, then `us-east-1`. No metadata service is asked.
    pub region: Option<String>,
    /// URL of the service, `http` or `https`; `None` is Amazon's for the region.
    pub endpoint: Option<String>,
    /// Whether the bucket is part of the path rather than of the host name.
    pub force_path_style: bool,
    /// Who we are.
    pub credentials: S3Credentials,
    /// How much at once, and how long.
    pub limits: S3Limits,
}

impl S3Config {
    /// The bucket with the pod's own identity and the default limits.
    #[must_use]
    pub fn of_bucket(bucket: impl Into<String>) -> Self {
        Self {
            bucket: bucket.into(),
            prefix: String::new(),
            region: None,
            endpoint: None,
            force_path_style: false,
            credentials: S3Credentials::Chain,
            limits: S3Limits::default(),
        }
    }
}

/// Where the credentials come from.
#[derive(Clone, PartialEq, Eq)]
pub enum S3Credentials {
    /// The process's own identity: the environment, the shared files and their profile, web identity
    /// (`AWS_WEB_IDENTITY_TOKEN_FILE` and `AWS_ROLE_ARN`), then the container's or the machine's metadata service.
    Chain,
    /// A folder with the files `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and perhaps `AWS_SESSION_TOKEN`, as a mounted Secret
    /// is. Looked at before each request, so that what is rotated there is used at once.
    Folder(PathBuf),
    /// These keys.
    Keys {
        /// The access key's id.
        access_key_id: String,
        /// The access key.
        secret_access_key: String,
    },
}

impl fmt::Debug for S3Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chain => f.write_str("Chain"),
            Self::Folder(folder) => f.debug_tuple("Folder").field(folder).finish(),
            Self::Keys { .. } => f.write_str("Keys"),
        }
    }
}

/// Bounds on what is asked of a bucket at once, and on the time it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Limits {
    /// Time to a connection, TLS included.
    pub connect_timeout: Duration,
    /// Time for which one attempt may show no progress: no byte sent, none received.
    pub stall_timeout: Duration,
    /// Time after which a call begins no further attempt. It counts from when the call's lane let it in.
    pub call_timeout: Duration,
    /// Attempts in a call.
    pub attempts_max: u32,
    /// Pause before the second attempt, about; each further one doubles it.
    pub backoff_min: Duration,
    /// Longest pause between two attempts.
    pub backoff_max: Duration,
    /// Of reads, whole and by range, of questions for heads, and of listings.
    pub reads: LaneLimits,
    /// Of puts, their parts, and deletions.
    pub writes: LaneLimits,
    /// Bodies of more bytes than this are sent in parts.
    pub multipart_above_bytes: u64,
    /// Bytes of a part; more where there would be over 10,000.
    pub part_bytes: u64,
    /// Second requests for reads that are late, in percent of reads; 0 for none.
    pub hedge_percent: u32,
}

/// Bounds of a lane. Calls beyond wait for their turn, first come, first served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneLimits {
    /// Requests at once.
    pub requests_max: usize,
    /// Bytes of bodies under way at once. A larger body goes alone.
    pub bytes_max: u64,
}

impl Default for S3Limits {
    fn default() -> Self {
        const MIB: u64 = 1 << 20;
        Self {
            connect_timeout: Duration::from_secs(3),
            stall_timeout: Duration::from_secs(10),
            call_timeout: Duration::from_secs(30),
            attempts_max: 6,
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_secs(5),
            reads: LaneLimits { requests_max: 64, bytes_max: 128 * MIB },
            writes: LaneLimits { requests_max: 32, bytes_max: 256 * MIB },
            multipart_above_bytes: 64 * MIB,
            part_bytes: 16 * MIB,
            hedge_percent: 5,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown() {
        let mut config = S3Config::of_bucket("streams");
        config.credentials = S3Credentials::Keys { access_key_id: "AKIA7".into(), secret_access_key: "hush".into() };
        let shown = format!("{config:?}");
        assert!(shown.contains("streams") && !shown.contains("hush") && !shown.contains("AKIA7"), "{shown}");
    }
}
