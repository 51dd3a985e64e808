//! The volume is lost, and the broker starts on an empty one.

use super::*;

impl World {
    /// Everything that had left must come back; what was at risk may be gone, and its clients begin anew.
    pub(super) fn lose_volume(&mut self) -> Outcome {
        self.hear()?;
        if self.is_store_away || !self.live().engine.shipping.is_claimed() {
            return Ok(());
        }
        let live = self.live.take().expect("the log is open between steps");
        let shipped: BTreeMap<_, _> = live.engine.partitions.iter().map(|(id, partition)| (*id, partition.shipped_to)).collect();
        let at_risk_bytes = live.engine.stats().at_risk_bytes;
        drop(live);
        // Volumes are not lost under processes that live on, and what one has deleted stays deleted.
        self.zombie = None;
        self.disk = SimulatedDisk::new(CAPACITY_BYTES);
        self.heard.lock().expect("one thread").clear();
        self.open().map_err(|error| format!("the volume is lost: {error}"))?;
        self.seen.is_restored = true;
        for (id, shipped_to) in shipped {
            let end = self.live().engine.partitions.get(&id).map_or(Offset::ZERO, |partition| partition.log_end);
            if end < shipped_to {
                return Err(format!("the volume is lost: {id} was shipped to {shipped_to} and came back to {end}"));
            }
            self.seen.is_restored_with_records |= end > Offset::ZERO;
        }
        for partition in 0..PARTITIONS {
            self.forget_beyond(partition, at_risk_bytes == 0)?;
        }
        self.make_partitions();
        self.drain()?;
        for client in self.clients.iter_mut().filter(|client| client.id != 0) {
            *client = Client { partition: client.partition, id: client.id + 100, ..Client::default() };
        }
        self.clients.iter_mut().for_each(|client| client.in_flight.clear());
        self.verify()
    }

    /// What was acknowledged beyond what came back is gone: none of it, where none was at risk.
    fn forget_beyond(&mut self, partition: i32, nothing_was_at_risk: bool) -> Outcome {
        let state = self.live().engine.partitions.get(&id(partition));
        let (start, end) = state.map_or((0, 0), |state| (state.log_start.0, state.log_end.0));
        let producers = state.map(|state| state.producers.states()).unwrap_or_default();
        let ledger = self.ledgers.get_mut(&partition).expect("made");
        if nothing_was_at_risk && let Some((lost, _)) = ledger.acked.range(end.max(ledger.log_start_acked)..).next() {
            return Err(format!("nothing was at risk, and offset {lost} of partition {partition} is lost"));
        }
        drop(ledger.acked.split_off(&end));
        ledger.log_start_acked = ledger.log_start_acked.min(start);
        ledger.log_start_asked = ledger.log_start_asked.max(start);
        if partition == TRANSACTED {
            let open = producers.iter().find(|producer| producer.producer_id.0 == Transactor::ID);
            let open = open.and_then(|producer| producer.transaction_start);
            let reopened = open.map(|from| ledger.acked.range(from.0..).map(|(_, payload)| *payload).collect::<Vec<_>>());
            self.transactor.on_loss(reopened);
        }
        Ok(())
    }
}
