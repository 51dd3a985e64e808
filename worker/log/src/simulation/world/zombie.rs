//! A process that was this broker: paused, cut off from its volume, and not aware of it. It still reaches the store.

use super::*;

/// Its log, and how much longer it goes on.
pub(super) struct Zombie {
    engine: Engine,
    shipper: Shipper,
    now: Duration,
    steps_left: usize,
}

impl World {
    /// The process that ends does not end altogether.
    pub(super) fn keep_as_zombie(&mut self, live: Live) {
        let steps_left = 1 + self.random.below(30);
        let Live { engine, shipper, .. } = live;
        self.zombie = Some(Zombie { engine, shipper, now: self.now, steps_left });
    }

    /// It does the next thing at the store. Whatever it wants, nothing of it must count once a successor has made its claim.
    pub(super) fn walk_zombie(&mut self) -> Outcome {
        let is_succeeded = self.live().engine.shipping.is_claimed();
        let Some(mut zombie) = self.zombie.take().filter(|zombie| zombie.steps_left > 0) else { return Ok(()) };
        zombie.steps_left -= 1;
        zombie.now += Duration::from_millis(30);
        zombie.engine.ship_all();
        let now = Now { monotonic: zombie.now, wall: TimestampMs(i64::try_from(zombie.now.as_millis()).expect("short")) };
        let Ok(task) = zombie.engine.poll_ship(now) else {
            self.zombie = Some(zombie);
            return Ok(());
        };
        match zombie.shipper.perform(&task) {
            Ok(ShipDone::Manifests { is_segment: true, .. }) if is_succeeded => {
                return Err("a process whose successor has claimed the store has put a segment".into());
            }
            Ok(done) => zombie.engine.on_shipped(done, now),
            Err(error) if error.is_fatal() => {
                self.seen.is_zombie_refused |= matches!(error, ShipError::Fenced { .. });
                return Ok(());
            }
            Err(error @ ShipError::Local(_) | error @ ShipError::Damaged { .. }) => {
                // Its volume is another's now.
                drop(error);
                return Ok(());
            }
            Err(error) => zombie.engine.on_ship_failed(&error, now),
        }
        drop(zombie.engine.take_ready());
        self.zombie = Some(zombie);
        Ok(())
    }
}
