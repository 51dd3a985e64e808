//! Who leads: one operator writes at a time.
//!
//! A Lease of coordination.k8s.io, taken and renewed by writes that are held to the version seen. A candidate never compares clocks of two
//! machines: it waits until the lease has not changed for as long as it promises. A leader counts from *before* the request that renewed it
//! went out, and stops a third earlier than others may begin: between the two nobody writes.
//!
//! A leader that cannot renew stops writing by itself, at once, and ends its process: what it had decided is decided anew by the next.

mod campaign;
mod decision;

pub use campaign::{Campaign, LeaseError};
pub use decision::{Decision, LeaseState, Seen};

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// How long a lease is promised.
pub const DURATION: Duration = Duration::from_secs(15);
/// How long after a renewal its holder writes.
pub const HOLDS: Duration = Duration::from_secs(10);
/// How long a request that was sent while it held may still be under way: what lies between its end and another's beginning, less a second.
pub const AFTERWARDS: Duration = Duration::from_secs(DURATION.as_secs() - HOLDS.as_secs() - 1);
/// How often it is renewed, or looked at.
pub const PERIOD: Duration = Duration::from_secs(2);

/// Whether we lead, for those who write.
#[derive(Clone, Debug, Default)]
pub struct Leadership {
    until: Arc<Mutex<Option<Instant>>>,
}

impl Leadership {
    /// One that holds for ever, where there is nobody else.
    #[must_use]
    pub fn alone() -> Self {
        let leadership = Self::default();
        leadership.extend(Instant::now() + Duration::from_secs(3600 * 24 * 365));
        leadership
    }

    /// Whether we lead now.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.left().is_some()
    }

    /// For how long it holds yet; `None` where it does not.
    #[must_use]
    pub fn left(&self) -> Option<Duration> {
        self.until().and_then(|until| until.checked_duration_since(Instant::now())).filter(|left| !left.is_zero())
    }

    /// When it ends, unless it is renewed.
    #[must_use]
    pub fn until(&self) -> Option<Instant> {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn extend(&self, until: Instant) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }

    /// It is over.
    pub fn end(&self) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
