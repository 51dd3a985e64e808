//! Memory as a budget: bytes are taken before they are read, and given back when they are written or dropped.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that one unit of the semaphore stands for: its count is 32 bits wide.
const UNIT_BYTES: usize = 1024;

/// A shared number of bytes. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    units: Arc<Semaphore>,
    units_total: usize,
}

/// Bytes taken; dropping it gives them back.
#[derive(Debug)]
pub(crate) struct Taken {
    permit: OwnedSemaphorePermit,
}

impl Taken {
    /// Gives back all but `bytes`.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        let spare = self.permit.num_permits().saturating_sub(bytes.div_ceil(UNIT_BYTES));
        drop(self.permit.split(spare));
    }
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        let units_total = (bytes / UNIT_BYTES).max(1);
        Self { units: Arc::new(Semaphore::new(units_total)), units_total }
    }

    /// Waits until `bytes` are free and takes them. What is larger than the whole budget takes all of it, so that it is served alone.
    ///
    /// # Cancel safety
    /// A dropped wait has taken nothing.
    pub(crate) async fn take(&self, bytes: usize) -> Taken {
        let units = bytes.div_ceil(UNIT_BYTES).clamp(1, self.units_total);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.units).acquire_many_owned(units).await.expect("the budget is never closed");
        Taken { permit }
    }

    /// Takes up to `wanted` bytes without waiting, and at most half of what is free, so that many takers all get something and the
    /// budget never runs dry. Gives how many bytes were taken.
    pub(crate) fn take_share(&self, wanted: usize) -> (usize, Option<Taken>) {
        let share = (self.units.available_permits() / 2).min(wanted.div_ceil(UNIT_BYTES));
        match u32::try_from(share)
            .ok()
            .filter(|share| *share > 0)
            .and_then(|share| Arc::clone(&self.units).try_acquire_many_owned(share).ok())
        {
            Some(permit) => (wanted.min(share * UNIT_BYTES), Some(Taken { permit })),
            None => (0, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_larger_than_the_budget_is_served_alone() {
        let budget = Budget::new(10 * UNIT_BYTES);
        let all = budget.take(usize::MAX).await;
        assert_eq!(budget.units.available_permits(), 0);
        drop(all);
        assert_eq!(budget.units.available_permits(), 10);
    }

    #[test]
    fn what_is_not_needed_is_given_back() {
        let budget = Budget::new(100 * UNIT_BYTES);
        let (_, taken) = budget.take_share(40 * UNIT_BYTES);
        let mut taken = taken.unwrap();
        taken.shrink_to(10 * UNIT_BYTES - 1);
        assert_eq!(budget.units.available_permits(), 90);
    }

    #[test]
    fn shares_halve_so_that_the_budget_never_runs_dry() {
        let budget = Budget::new(1024 * UNIT_BYTES);
        let taken: Vec<_> = (0..9).map(|_| budget.take_share(usize::MAX / 2)).collect();
        assert_eq!(taken[0].0, 512 * UNIT_BYTES);
        assert_eq!(taken[1].0, 256 * UNIT_BYTES);
        assert!(budget.units.available_permits() > 0);
        assert!(taken.iter().all(|(bytes, _)| *bytes > 0));
    }
}
