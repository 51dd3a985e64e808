//! Memory as a budget: bytes are taken before they are read, and given back when they are written or dropped.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that one unit of the semaphore stands for: its count is 32 bits wide.
const UNIT_BYTES: usize = 1024;
/// A share is at least this much, as the largest batch of most topics is: what is read comes in whole batches, so a smaller share would
/// bound nothing. An eighth of a budget that is smaller than eight of it; or all that was wanted.
const SHARE_UNITS_MIN: usize = 1024;

/// A shared number of bytes. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    units: Arc<Semaphore>,
    units_total: usize,
    starving: Arc<AtomicUsize>,
}

/// Bytes taken; dropping it gives them back.
#[derive(Debug)]
pub(crate) struct Taken {
    permit: OwnedSemaphorePermit,
    /// What was taken beside it, of this budget or another.
    others: Vec<OwnedSemaphorePermit>,
}

impl From<OwnedSemaphorePermit> for Taken {
    fn from(permit: OwnedSemaphorePermit) -> Self {
        Self { permit, others: Vec::new() }
    }
}

impl Taken {
    /// Both, held as long as each other.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.others.push(other.permit);
        self.others.extend(other.others);
        self
    }

    /// Gives back all but `bytes`, or takes more, as far as there is more.
    pub(crate) fn become_of(&mut self, bytes: usize) {
        let (units, wanted) = (self.permit.num_permits(), bytes.div_ceil(UNIT_BYTES));
        if wanted <= units {
            drop(self.permit.split(units - wanted));
        } else if let Some(more) =
            u32::try_from(wanted - units).ok().and_then(|more| Arc::clone(self.permit.semaphore()).try_acquire_many_owned(more).ok())
        {
            self.permit.merge(more);
        }
    }
}

/// Someone who waits; says so while it lives.
struct Starving<'a>(&'a AtomicUsize);

impl Drop for Starving<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        let units_total = (bytes / UNIT_BYTES).max(1);
        Self { units: Arc::new(Semaphore::new(units_total)), units_total, starving: Arc::default() }
    }

    /// Waits until `bytes` are free and takes them. What is larger than the whole budget takes all of it, so that it is served alone.
    ///
    /// # Cancel safety
    /// A dropped wait has taken nothing.
    pub(crate) async fn take(&self, bytes: usize) -> Taken {
        let units = bytes.div_ceil(UNIT_BYTES).clamp(1, self.units_total);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        if let Ok(permit) = Arc::clone(&self.units).try_acquire_many_owned(units) {
            return permit.into();
        }
        let _starving = self.starve();
        let permit = Arc::clone(&self.units).acquire_many_owned(units).await.expect("the budget is never closed");
        permit.into()
    }

    /// Takes up to `wanted` bytes without waiting, and at most half of what is free, so that many takers all get something. `None` where
    /// too little is free to be worth it. Gives how many bytes were taken.
    pub(crate) fn take_share(&self, wanted: usize) -> Option<(usize, Taken)> {
        let (wanted_units, worth) = self.wanted(wanted);
        let share = (self.units.available_permits() / 2).max(worth).min(wanted_units);
        let permit = Arc::clone(&self.units).try_acquire_many_owned(u32::try_from(share).ok()?).ok()?;
        Some((wanted.min(share * UNIT_BYTES), permit.into()))
    }

    /// Waits in turn for the least share that is worth it.
    ///
    /// # Cancel safety
    /// A dropped wait has taken nothing.
    pub(crate) async fn wait_for_share(&self, wanted: usize) -> (usize, Taken) {
        let (_, worth) = self.wanted(wanted);
        let taken = self.take(worth * UNIT_BYTES).await;
        (wanted.min(worth * UNIT_BYTES), taken)
    }

    fn starve(&self) -> Starving<'_> {
        self.starving.fetch_add(1, Ordering::Relaxed);
        Starving(&self.starving)
    }

    /// Whether anybody waits.
    pub(crate) fn is_short(&self) -> bool {
        self.starving.load(Ordering::Relaxed) > 0
    }

    /// Units that are wanted, and the least of them that is worth taking.
    fn wanted(&self, bytes: usize) -> (usize, usize) {
        let units = bytes.div_ceil(UNIT_BYTES).clamp(1, self.units_total);
        (units, units.min(SHARE_UNITS_MIN).min(self.units_total.div_ceil(8)))
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
    fn what_is_not_needed_is_given_back_and_what_is_on_top_is_taken() {
        let budget = Budget::new(100 * UNIT_BYTES);
        let (_, mut taken) = budget.take_share(40 * UNIT_BYTES).unwrap();
        taken.become_of(10 * UNIT_BYTES - 1);
        assert_eq!(budget.units.available_permits(), 90);
        taken.become_of(70 * UNIT_BYTES);
        assert_eq!(budget.units.available_permits(), 30);
        taken.become_of(101 * UNIT_BYTES);
        assert_eq!(budget.units.available_permits(), 30, "more than there is");
    }

    #[tokio::test]
    async fn a_budget_that_is_gone_gives_no_share_and_says_who_waits_until_there_is_one() {
        let budget = Budget::new(1024 * UNIT_BYTES);
        let mut all = budget.take(1000 * UNIT_BYTES).await;
        assert!(budget.take_share(usize::MAX / 2).is_none(), "24 units are not worth it");
        assert_eq!(budget.take_share(20 * UNIT_BYTES).map(|(bytes, _)| bytes), Some(20 * UNIT_BYTES), "unless they are all that is wanted");
        let mut waiting = Box::pin(budget.wait_for_share(usize::MAX / 2));
        assert!(!budget.is_short());
        assert!(futures::poll!(&mut waiting).is_pending() && budget.is_short());
        all.become_of(800 * UNIT_BYTES);
        assert_eq!(waiting.await.0, 128 * UNIT_BYTES);
        assert!(!budget.is_short());
    }

    #[test]
    fn shares_halve_until_what_is_left_is_not_worth_it() {
        let budget = Budget::new(1024 * UNIT_BYTES);
        let taken: Vec<_> = (0..5).map(|_| budget.take_share(usize::MAX / 2)).collect();
        let bytes: Vec<_> = taken.iter().map(|taken| taken.as_ref().map(|(bytes, _)| bytes / UNIT_BYTES)).collect();
        assert_eq!(bytes, [Some(512), Some(256), Some(128), Some(128), None]);
    }
}
