//! A lane: so many requests and so many bytes at once, and the rest wait for their turn.

use super::config::LaneLimits;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bounds what is under way; shared by cloning.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    requests: Arc<Semaphore>,
    requests_max: u32,
    /// In KiB, since that is what a semaphore can count.
    kib: Arc<Semaphore>,
    kib_max: u32,
}

/// A place in a lane; dropping it gives it back.
#[derive(Debug)]
#[must_use]
pub(super) struct Place {
    _requests: OwnedSemaphorePermit,
}

/// Bytes charged to a lane; dropping it gives them back.
#[derive(Debug)]
#[must_use]
pub(super) struct Charge {
    _kib: OwnedSemaphorePermit,
}

impl Lane {
    pub(super) fn new(limits: LaneLimits) -> Self {
        let requests_max = u32::try_from(limits.requests_max.clamp(1, 1 << 16)).expect("clamped");
        let kib_max = u32::try_from((limits.bytes_max / 1024).clamp(1, 1 << 28)).expect("clamped");
        Self {
            requests: Arc::new(Semaphore::new(requests_max as usize)),
            requests_max,
            kib: Arc::new(Semaphore::new(kib_max as usize)),
            kib_max,
        }
    }

    /// Waits for a place for `requests` at once; all there are, where that is more than the lane has.
    pub(super) async fn enter(&self, requests: u32) -> Place {
        let permits = Arc::clone(&self.requests).acquire_many_owned(requests.min(self.requests_max)).await;
        Place { _requests: permits.expect("a lane is never closed") }
    }

    /// A place for one request, if there is one now.
    pub(super) fn try_enter(&self) -> Option<Place> {
        Arc::clone(&self.requests).try_acquire_owned().ok().map(|permit| Place { _requests: permit })
    }

    /// Waits until `bytes` more may be under way; a body larger than the lane waits until it is alone.
    pub(super) async fn charge(&self, bytes: u64) -> Charge {
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).min(self.kib_max);
        Charge { _kib: Arc::clone(&self.kib).acquire_many_owned(kib).await.expect("a lane is never closed") }
    }
}
