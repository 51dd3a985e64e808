//! The transactional producer and what its readers see.

use super::*;

impl World {
    /// The transactional producer, or its coordinator, goes one step further.
    pub(super) fn transact(&mut self) {
        if self.transactor.is_waiting {
            return;
        }
        if self.transactor.phase == Phase::Open && self.transactor.has_open() && self.random.chance(40) {
            let is_commit = self.random.chance(60);
            self.transactor.decide(is_commit);
        }
        self.transactor.is_waiting = true;
        match self.transactor.phase {
            Phase::Open => self.send_transactional(),
            Phase::Ending { is_commit } => self.send_marker(is_commit),
        }
    }

    pub(super) fn send_transactional(&mut self) {
        self.payloads += 1;
        let (payload, epoch, sequence) = (self.payloads, self.transactor.epoch, self.transactor.sequence);
        self.transactor.fates.insert(payload, Fate::Open);
        self.ledgers.get_mut(&TRANSACTED).expect("made").sent.insert(payload, (0, 0));
        let batches = crate::batch::tests::produced(1, &payload.to_le_bytes(), 1, Some((Transactor::ID, epoch, sequence, true)));
        let verification = self.live().engine.verification(id(TRANSACTED), ProducerId(Transactor::ID), ProducerEpoch(epoch));
        let guard = match verification.expect("made") {
            Verification::Ongoing => None,
            Verification::Needed(guard) => Some(guard),
        };
        let heard = self.heard.clone();
        let done = Box::new(move |outcome| heard.lock().expect("one thread").push(Answer::Transactional { payload, outcome }));
        let append = Append { batches, origin: Origin::Producer { guard }, leader_epoch: None };
        self.submit(Request::Append { partition: id(TRANSACTED), append, done });
    }

    pub(super) fn send_marker(&mut self, is_commit: bool) {
        let marker = Marker {
            producer_id: ProducerId(Transactor::ID),
            producer_epoch: ProducerEpoch(self.transactor.epoch + 1),
            coordinator_epoch: 1,
            outcome: if is_commit { TransactionOutcome::Commit } else { TransactionOutcome::Abort },
            timestamp: TimestampMs(1),
        };
        let heard = self.heard.clone();
        let done = Box::new(move |outcome| heard.lock().expect("one thread").push(Answer::Ended { outcome }));
        self.submit(Request::Marker { partition: id(TRANSACTED), marker, done });
    }

    pub(super) fn note_transactional(&mut self, payload: u64, outcome: Result<Appended, AppendError>) -> Outcome {
        self.transactor.is_waiting = false;
        match outcome {
            Ok(appended) => {
                self.transactor.sequence += 1;
                self.ledgers.get_mut(&TRANSACTED).expect("made").acked.insert(appended.base_offset.0, payload);
            }
            Err(AppendError::DiskFull) => drop(self.transactor.fates.insert(payload, Fate::Aborted)),
            // It may have landed all the same: the restart that follows aborts the transaction.
            Err(AppendError::VolumeFailed(_)) => {}
            Err(error) => return Err(format!("transactional {payload}: {error}")),
        }
        Ok(())
    }

    pub(super) fn note_end(&mut self, outcome: Result<Appended, AppendError>) -> Outcome {
        self.transactor.is_waiting = false;
        match outcome {
            Ok(_) => self.transactor.on_ended(),
            Err(AppendError::DiskFull | AppendError::VolumeFailed(_)) => {}
            Err(error) => return Err(format!("marker: {error}")),
        }
        Ok(())
    }

    /// What `read_committed` shows of the transactional producer.
    pub(super) fn check_committed(&mut self) -> Outcome {
        let Some(state) = self.live().engine.partitions.get(&id(TRANSACTED)) else { return Ok(()) };
        let offsets = state.offsets();
        let (mut from, mut shown) = (offsets.log_start, Vec::new());
        while from < offsets.last_stable_offset {
            let batches = self.read(TRANSACTED, from, Isolation::ReadCommitted).map_err(|error| error.to_string())?;
            if batches.is_empty() {
                break;
            }
            let aborted = self.live().engine.partitions[&id(TRANSACTED)].transactions.aborted(from, offsets.last_stable_offset);
            for (header, bytes) in batches.into_iter().flat_map(records::split).map(|piece| piece.expect("whole batches")) {
                from = header.next_offset();
                let is_aborted = aborted.iter().any(|aborted| {
                    aborted.producer_id == header.producer_id && (aborted.first_offset..aborted.last_offset).contains(&header.base_offset)
                });
                if header.attributes.is_transactional() && !header.attributes.is_control() && !is_aborted {
                    let records = records::Records::decode(&bytes, 1 << 20).expect("plain");
                    let payload =
                        |record: records::Record<'_>| record.value.and_then(|value| value.first_chunk().copied()).map(u64::from_le_bytes);
                    shown.extend(records.iter().filter_map(|record| payload(record.expect("whole"))));
                }
            }
        }
        if from < offsets.last_stable_offset {
            return Err(format!("read_committed stops at {from}, the last stable offset is {}", offsets.last_stable_offset));
        }
        let kept = self.ledgers[&TRANSACTED].acked.range(offsets.log_start.0..).map(|(_, payload)| *payload);
        self.transactor.check(&shown, kept)
    }
}
