//! How much is under way at once. What is made and what is said of it have places apart, so that ten thousand statuses do not keep the objects
//! of one Cluster waiting.

use std::sync::Arc;
use tokio::sync::Semaphore;

use crate::write::Lane;

/// Requests to the API server at once, of either sort.
const REQUESTS: usize = 16;
/// Requests of works that are begun and not ended, each with its text in memory: so many that they last until the next look, where a look at
/// ten thousand objects takes its time. The rest is decided anew by then.
const MADE_MAX: usize = 512;
const SAID_MAX: usize = 1024;

/// The places of both sorts.
pub(super) struct Slots {
    made: Pool,
    said: Pool,
}

struct Pool {
    requests: Arc<Semaphore>,
    begun: usize,
    most: usize,
}

impl Default for Slots {
    fn default() -> Self {
        let pool = |most: usize| Pool { requests: Arc::new(Semaphore::new(REQUESTS)), begun: 0, most };
        Self { made: pool(MADE_MAX), said: pool(SAID_MAX) }
    }
}

impl Slots {
    fn of(&mut self, lane: Lane) -> &mut Pool {
        match lane {
            Lane::Status | Lane::Telemetry => &mut self.said,
            Lane::Finalizer | Lane::Objects | Lane::Client | Lane::Push => &mut self.made,
        }
    }

    /// Places for one more work of so many requests, and where each of them takes its turn; `None` where there are enough under way. The last
    /// one may be larger than what is left.
    pub(super) fn take(&mut self, lane: Lane, requests: usize) -> Option<Arc<Semaphore>> {
        let pool = self.of(lane);
        (pool.begun < pool.most).then(|| {
            pool.begun += requests;
            pool.requests.clone()
        })
    }

    /// How many more requests of a sort may be begun.
    pub(super) fn room(&mut self, lane: Lane) -> usize {
        let pool = self.of(lane);
        pool.most.saturating_sub(pool.begun)
    }

    /// A work ended.
    pub(super) fn give_back(&mut self, lane: Lane, requests: usize) {
        let pool = self.of(lane);
        debug_assert!(pool.begun >= requests, "given back more than was taken");
        pool.begun = pool.begun.saturating_sub(requests);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_takes_no_place_of_what_is_made() {
        let mut slots = Slots::default();
        while slots.take(Lane::Status, 3).is_some() {}
        assert!(slots.take(Lane::Telemetry, 1).is_none() && slots.take(Lane::Objects, 7).is_some());
        slots.give_back(Lane::Status, 3);
        assert!(slots.take(Lane::Telemetry, 1).is_some());
    }
}
