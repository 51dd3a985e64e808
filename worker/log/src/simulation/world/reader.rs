//! Reading, and holding what is read against the ledgers.

use super::*;

impl World {
    pub(super) fn read_some(&mut self) -> Outcome {
        let partition = i32::try_from(self.random.below(3)).expect("few");
        self.check(partition)
    }

    pub(super) fn verify(&mut self) -> Outcome {
        (0..PARTITIONS).try_for_each(|partition| self.check(partition))?;
        self.check_names()
    }

    pub(super) fn check(&mut self, partition: i32) -> Outcome {
        self.store.plan(None);
        let seen = self.read_all(partition).map_err(|error| format!("partition {partition}: {error}"))?;
        self.trouble();
        let Some(seen) = seen else { return Ok(()) };
        if partition == TRANSACTED {
            self.store.plan(None);
            self.check_committed()?;
            self.trouble();
        }
        self.ledgers[&partition].check(&seen).map_err(|reason| format!("partition {partition}: {reason}"))
    }

    /// Reads a partition as clients do; `None` where its creation was not durable.
    pub(super) fn read_all(&mut self, partition: i32) -> Result<Option<Seen>, ReadError> {
        let Some(state) = self.live().engine.partitions.get(&id(partition)) else { return Ok(None) };
        let offsets = state.offsets();
        let mut seen = Seen { log_start: offsets.log_start.0, high_watermark: offsets.high_watermark.0, ..Seen::default() };
        let mut from = offsets.log_start;
        while from < offsets.high_watermark {
            let batches = self.read(partition, from, Isolation::ReadUncommitted)?;
            if batches.is_empty() {
                return Ok(Some(seen));
            }
            for piece in batches.into_iter().flat_map(records::split) {
                let (header, bytes) = piece.expect("whole batches");
                let records = records::Records::decode(&bytes, 1 << 20).expect("plain");
                for record in records.iter().map(|record| record.expect("whole")) {
                    let value = record.value.unwrap_or_default();
                    let payload = value.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
                    seen.records.insert(record.offset.0, payload);
                }
                from = header.next_offset();
            }
        }
        Ok(Some(seen))
    }

    pub(super) fn read(&mut self, partition: i32, from: Offset, isolation: Isolation) -> Result<Vec<Bytes>, ReadError> {
        let bytes_max = [1, 5000, 100_000][self.random.below(3)];
        let read = Read { from, bytes_max, whole_first_batch: true, isolation };
        let id = id(partition);
        let live = self.live();
        let found = live.engine.find(id, &read)?;
        if let Found::Wal(files, entries) = &found
            && spans::read(files, entries).is_err()
        {
            let (manifest, end) = live.engine.find_elsewhere(id, &read)?;
            let is_caught_up = live.engine.shipping.is_caught_up();
            let manifest = manifest.map_or_else(|| live.cold.manifest(id, is_caught_up), Ok);
            if let Ok((batches, _)) = manifest.and_then(|manifest| live.cold.read(id, &manifest, &read, end)) {
                return Ok(batches);
            }
        }
        match found {
            Found::Ready(fetched) => Ok(fetched.batches),
            Found::Wal(files, entries) => spans::read(&files, &entries).map_err(|error| match error {
                SpanError::Disk(source) => ReadError::Disk { partition: id, source },
                SpanError::Corrupt(entry) => {
                    ReadError::Corrupt { partition: id, offset: entry.base, place: format!("{:?}", entry.location) }
                }
            }),
            Found::Cold(manifest, end) => {
                let is_caught_up = live.engine.shipping.is_caught_up();
                let manifest = manifest.map_or_else(|| live.cold.manifest(id, is_caught_up), Ok)?;
                self.seen.is_cold = true;
                let live = self.live();
                Ok(live.cold.read(id, &manifest, &read, end)?.0)
            }
        }
    }
}
