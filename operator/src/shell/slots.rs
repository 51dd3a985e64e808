//! How much is under way at once. What is made and what is said of it have places apart, so that ten thousand statuses do not keep the objects
//! of one Cluster waiting.

use std::sync::Arc;
use tokio::sync::Semaphore;

use crate::write::Lane;

/// Requests to the API server at once, of either sort.
const REQUESTS: usize = 16;
/// Works begun and not ended: the rest is decided anew by then. Of what is said so many that they last until the next look, where a look at ten
/// thousand objects takes its time.
const MADE_MAX: usize = 1024;
const SAID_MAX: usize = 2048;

/// The places of both sorts.
pub(super) struct Slots {
    made: Pool,
    said: Pool,
}

struct Pool {
    requests: Arc<Semaphore>,
    works: usize,
    most: usize,
}

impl Default for Slots {
    fn default() -> Self {
        let pool = |most: usize| Pool { requests: Arc::new(Semaphore::new(REQUESTS)), works: 0, most };
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

    /// A place for one more work, and where each of its requests takes its turn; `None` where there are enough under way.
    pub(super) fn take(&mut self, lane: Lane) -> Option<Arc<Semaphore>> {
        let pool = self.of(lane);
        (pool.works < pool.most).then(|| {
            pool.works += 1;
            pool.requests.clone()
        })
    }

    /// How many more of a sort may be begun.
    pub(super) fn room(&mut self, lane: Lane) -> usize {
        let pool = self.of(lane);
        pool.most.saturating_sub(pool.works)
    }

    /// A work ended.
    pub(super) fn give_back(&mut self, lane: Lane) {
        let pool = self.of(lane);
        debug_assert!(pool.works > 0, "given back more than was taken");
        pool.works = pool.works.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_takes_no_place_of_what_is_made() {
        let mut slots = Slots::default();
        while slots.take(Lane::Status).is_some() {}
        assert!(slots.take(Lane::Telemetry).is_none() && slots.take(Lane::Objects).is_some());
        slots.give_back(Lane::Status);
        assert!(slots.take(Lane::Telemetry).is_some());
    }
}
