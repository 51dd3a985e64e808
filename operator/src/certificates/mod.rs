//! The operator's own authority, and what it vouches for: the control endpoints of workers, listeners with TLS and no certificate of the
//! user's, and the operator itself towards workers.
//!
//! Deciding is pure and gets the time ([`authority::decide`], [`leaf::decide`], [`secrets::plan`]); only drawing keys is not.
//!
//! **Where they are.** The authority is one Secret in the operator's namespace. Certificates of workers are in a fixed, small number of
//! Secrets a namespace, [`SECRETS`], each with the files of many workers; a pod mounts its own files only. Fixed names are what lets the
//! operator's rights on Secrets be limited to these names: it can read no Secret of a user's, anywhere. Rights cannot be given by prefix. A list or
//! watch is allowed by name where its field selector is `metadata.name=<name>`, over all namespaces at once.
//!
//! **Life.** An authority lives five years, a listener's certificate 90 days, a control certificate 7 days; each is renewed after two thirds
//! of its life, or when an address is missing in it. A new authority is first trusted everywhere for a month, then signs; the one before
//! stays trusted until nothing that it signed can be in use. Files change in place: nobody restarts.

pub mod authority;
pub mod leaf;
mod parsed;
mod place;
pub mod secrets;
mod wanted;

pub use authority::Authority;
pub use leaf::{Identity, Issued, Usage};
pub use parsed::{Parsed, Unreadable};
pub use place::{Place, SECRETS, broker_control, listener, pipeline_control};
pub use wanted::{of_cluster, of_pipeline, operator};

use crds::Timestamp;

/// Seconds in a day.
const DAY: i64 = 24 * 3600;
/// How far a certificate reaches back, for clocks that are behind ours.
const CLOCK_SKEW: i64 = 300;

/// A certificate could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The library refuses: a name that is none, or a key that does not fit.
    #[error("make certificate {what}")]
    Make {
        /// Whose.
        what: String,
        /// Why.
        source: rcgen::Error,
    },
    /// The Secret of the authority does not hold one. It is never made anew by itself: everything that trusts it would have to follow.
    #[error(
        "Secret {} holds no usable authority ({}): restore it, or delete it to have a new one made, which cuts clients off until they trust it",
        authority::SECRET,
        .0
    )]
    Authority(#[from] Unreadable),
}

/// `now` and the seconds behind it, as the library wants them.
fn at(now: Timestamp, seconds: i64) -> time::OffsetDateTime {
    time::OffsetDateTime::from_unix_timestamp(now.as_second() + seconds).expect("a time within nine thousand years")
}

/// Whether two thirds of a life have passed.
fn is_due(now: Timestamp, parsed: &Parsed) -> bool {
    3 * (now.as_second() - parsed.not_before) >= 2 * (parsed.not_after - parsed.not_before)
}
