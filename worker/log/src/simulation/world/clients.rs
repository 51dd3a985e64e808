//! What clients send and hear.

use super::*;

impl World {
    pub(super) fn produce(&mut self) {
        let index = self.random.below(PRODUCERS);
        // A producer that is not known may begin at any sequence: until it is, one batch at a time keeps the order.
        let in_flight_max = if self.clients[index].is_known { 4 } else { 1 };
        if self.clients[index].in_flight.len() >= in_flight_max {
            return;
        }
        self.payloads += 1;
        let (payload, size) = (self.payloads, [20, 200, 3000, 9000][self.random.below(4)]);
        let client = &mut self.clients[index];
        let sequence = client.next_sequence;
        client.next_sequence += 1;
        client.in_flight.push_back((payload, size, sequence));
        let (partition, producer) = (client.partition, client.id);
        self.ledgers.get_mut(&partition).expect("made").sent.insert(payload, (producer, sequence));
        self.send(index, payload, size, sequence);
    }

    pub(super) fn send(&mut self, index: usize, payload: u64, size: usize, sequence: i32) {
        let (partition, producer) = (self.clients[index].partition, self.clients[index].id);
        let forged = if producer == 0 { self.forge() } else { Vec::new() };
        let append = Append {
            batches: batch(payload, size, (producer, sequence), &forged),
            origin: Origin::Producer { guard: None },
            leader_epoch: None,
        };
        let heard = self.heard.clone();
        let done = Box::new(move |outcome| heard.lock().expect("one thread").push(Answer::Appended { producer: index, payload, outcome }));
        self.submit(Request::Append { partition: id(partition), append, done });
    }

    /// What looks like a group to whoever does not know the seal: it says that all groups so far were acknowledged.
    fn forge(&mut self) -> Vec<u8> {
        let engine = &self.live().engine;
        let (seq, file) = (engine.wal.last_seq() + 100, engine.wal.files.current());
        let header = GroupHeader { incarnation: engine.incarnation, file, body_bytes: 0, seq, acked_through: seq - 1, last_change: 0 };
        let mut group = vec![0; layout::HEADER_BYTES];
        header.write(&mut group, Seal::default());
        group
    }

    pub(super) fn delete_records(&mut self) {
        if self.random.chance(25) {
            (0..PARTITIONS).for_each(|partition| self.delete_records_of(partition, true));
        } else {
            let partition = i32::try_from(self.random.below(3)).expect("few");
            self.delete_records_of(partition, false);
        }
    }

    fn delete_records_of(&mut self, partition: i32, is_all: bool) {
        let Some(state) = self.live().engine.partitions.get(&id(partition)) else { return };
        let (start, end) = (state.log_start.0, state.high_watermark.0);
        if end <= start {
            return;
        }
        let some = start + i64::try_from(self.random.below(usize::try_from(end - start).expect("small") + 1)).expect("small");
        let before = if is_all { end } else { some };
        let ledger = self.ledgers.get_mut(&partition).expect("made");
        ledger.log_start_asked = ledger.log_start_asked.max(before);
        let heard = self.heard.clone();
        let done = Box::new(move |outcome| heard.lock().expect("one thread").push(Answer::LogStart { partition, outcome }));
        self.submit(Request::LogStart { partition: id(partition), before: Offset(before), done: Some(done) });
    }

    /// Idempotent clients send again what was not answered, in order; the others give it up.
    pub(super) fn repeat(&mut self) {
        for index in 0..PRODUCERS {
            if self.clients[index].id == 0 {
                self.clients[index].in_flight.clear();
                continue;
            }
            for (payload, size, sequence) in self.clients[index].in_flight.clone() {
                self.send(index, payload, size, sequence);
            }
        }
    }

    /// Tells the clients what the engine says.
    pub(super) fn hear(&mut self) -> Outcome {
        let ready = self.live().engine.take_ready();
        for ready in ready {
            match ready {
                Ready::Appended(done, outcome) => done(outcome),
                Ready::LogStart(done, outcome) => done(outcome),
                Ready::Changed(done, outcome) => done(outcome),
                Ready::Advanced(..) => {}
            }
        }
        let heard = std::mem::take(&mut *self.heard.lock().expect("one thread"));
        heard.into_iter().try_for_each(|answer| self.note(answer))
    }

    pub(super) fn note(&mut self, answer: Answer) -> Outcome {
        match answer {
            Answer::Appended { producer, payload, outcome } => self.note_append(producer, payload, outcome),
            Answer::LogStart { partition, outcome: Ok(offset) } => {
                let ledger = self.ledgers.get_mut(&partition).expect("made");
                ledger.log_start_acked = ledger.log_start_acked.max(offset.0);
                Ok(())
            }
            Answer::LogStart { .. } => Ok(()),
            Answer::Transactional { payload, outcome } => self.note_transactional(payload, outcome),
            Answer::Ended { outcome } => self.note_end(outcome),
        }
    }

    pub(super) fn note_append(&mut self, producer: usize, payload: u64, outcome: Result<Appended, AppendError>) -> Outcome {
        let client = &mut self.clients[producer];
        match outcome {
            Ok(appended) => {
                let ledger = self.ledgers.get_mut(&client.partition).expect("made");
                if ledger.acked.get(&appended.base_offset.0) == Some(&payload) {
                    return Ok(()); // The second answer to what was sent twice.
                }
                if client.id != 0 && client.in_flight.front().map(|sent| sent.0) != Some(payload) {
                    return Err(format!("{payload} was answered out of order: {:?}", client.in_flight));
                }
                client.in_flight.retain(|sent| sent.0 != payload);
                client.is_known = true;
                match ledger.acked.insert(appended.base_offset.0, payload) {
                    Some(other) if other != payload => {
                        Err(format!("offset {} acknowledged for {other} and {payload}", appended.base_offset))
                    }
                    _ => Ok(()),
                }
            }
            Err(AppendError::DiskFull | AppendError::OutOfOrderSequence { .. }) if client.id != 0 => {
                // The client sends it again, and all behind it, as clients do.
                Ok(())
            }
            Err(AppendError::DiskFull) => {
                client.in_flight.retain(|sent| sent.0 != payload);
                Ok(())
            }
            Err(AppendError::VolumeFailed(_)) => Ok(()),
            Err(error) => Err(format!("{payload}: {error}")),
        }
    }
}
