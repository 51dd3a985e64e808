//! What is done at the store.

use super::*;

impl World {
    pub(super) fn ship(&mut self) -> Outcome {
        let now = self.clock();
        let live = self.live();
        let Ok(task) = live.engine.poll_ship(now) else { return Ok(()) };
        match live.shipper.perform(&task) {
            Ok(done) => live.engine.on_shipped(done, now),
            Err(error @ ShipError::Fenced { .. }) => return Err(error.to_string()),
            Err(ShipError::Local(error)) => return Err(format!("shipping reads {error:?}")),
            Err(ShipError::Corrupt(key, reason)) => return Err(format!("{key}: {reason}")),
            Err(_) => live.engine.on_ship_failed(now),
        }
        Ok(())
    }
}
