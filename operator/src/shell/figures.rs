//! When figures of an object may be written: at most every 30 s each, and not all at once after a start.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    time::Duration,
};
use tokio::time::Instant;

use crate::resource::Key;

/// Between two writes of one object's figures, at least.
const PERIOD: Duration = Duration::from_secs(30);

/// When each object's figures may be written next.
#[derive(Debug, Default)]
pub(super) struct Figures {
    next: HashMap<Key, Instant>,
    dice: RandomState,
}

impl Figures {
    /// Objects that there are: new ones have figures worth a write some time within the period, others are forgotten.
    pub(super) fn meet(&mut self, objects: impl Iterator<Item = Key>, now: Instant) {
        let mut left = std::mem::take(&mut self.next);
        self.next = objects
            .map(|key| {
                let at = left.remove(&key).unwrap_or_else(|| now + PERIOD.mul_f64(self.share(&key)));
                (key, at)
            })
            .collect();
    }

    /// From a third to the whole of the period.
    fn share(&self, key: &Key) -> f64 {
        let dice = u32::try_from(self.dice.hash_one(key) % 1000).unwrap_or(0);
        1.0 / 3.0 + f64::from(dice) / 1500.0
    }

    pub(super) fn may(&self, key: &Key, now: Instant) -> bool {
        self.next.get(key).is_some_and(|at| *at <= now)
    }

    pub(super) fn written(&mut self, key: &Key, now: Instant) {
        self.next.insert(key.clone(), now + PERIOD);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::Resource;

    #[test]
    fn figures_are_written_at_most_every_period_and_new_objects_spread_over_it() {
        let (mut figures, t0) = (Figures::default(), Instant::now());
        let keys: Vec<Key> = (0..200).map(|index| Key::new(Resource::Topic, "a", format!("t{index}"))).collect();
        figures.meet(keys.iter().cloned(), t0);
        let ready = |figures: &Figures, at: Duration| keys.iter().filter(|key| figures.may(key, t0 + at)).count();
        assert_eq!((ready(&figures, Duration::from_secs(9)), ready(&figures, PERIOD)), (0, 200));
        let half = ready(&figures, Duration::from_secs(20));
        assert!((50..150).contains(&half), "{half}");
        figures.written(&keys[0], t0 + PERIOD);
        figures.meet(keys.iter().cloned(), t0 + PERIOD);
        assert!(!figures.may(&keys[0], t0 + PERIOD * 2 - Duration::from_millis(1)) && figures.may(&keys[0], t0 + PERIOD * 2));
    }
}
