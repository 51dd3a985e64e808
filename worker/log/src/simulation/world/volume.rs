//! Writes that land in any order, and the ends of the process.

use super::*;

impl World {
    pub(super) fn begin_flush(&mut self) {
        let now = self.clock();
        let live = self.live();
        if let FlushPoll::Write(job) = live.engine.poll_flush(now) {
            let acked_through = live.engine.wal.acked_through();
            live.outstanding.push(Outstanding { group: job.seal(), acked_through });
        }
    }

    /// One of the writes under way comes to its end, whichever.
    pub(super) fn end_flush(&mut self) -> Outcome {
        let count = self.live().outstanding.len();
        if count == 0 {
            return Ok(());
        }
        let index = self.random.below(count);
        let Outstanding { group, acked_through } = self.live().outstanding.swap_remove(index);
        let written = group.write();
        if written.is_ok() {
            self.evidence = self.evidence.max(acked_through);
            let (file, position) = (group.location.file, group.location.position);
            self.written.push(Written { seq: group.seq, file, position, bytes: group.bytes.len() });
        }
        self.live().engine.on_flushed(group.seq, written.map(|()| group.bytes));
        self.restart_if_failed()
    }

    pub(super) fn restart_if_failed(&mut self) -> Outcome {
        if self.live().engine.has_failed() { self.crash(false) } else { Ok(()) }
    }

    pub(super) fn keep(&mut self) -> Outcome {
        let (now, disk) = (self.clock(), self.disk.clone());
        let free_bytes = disk.free_bytes().expect("it is memory");
        let live = self.live();
        let ChorePoll::Do(chore) = live.engine.poll_chore(free_bytes, now) else { return Ok(()) };
        match chore.perform(&disk) {
            Ok(done) => live.engine.on_chore(done, now),
            Err(error) => live.engine.fail(error.to_string()),
        }
        self.restart_if_failed()
    }

    /// The process ends at any point; writes under way leave anything behind. Then it starts again.
    pub(super) fn crash(&mut self, may_flip: bool) -> Outcome {
        self.disk.fail_after(None);
        self.disk.set_capacity(CAPACITY_BYTES);
        self.hear()?;
        if self.is_store_faulty && self.random.chance(50) {
            self.leave_on_the_way();
        }
        let flip = if may_flip && !self.is_store_away { self.choose_flip()? } else { None };
        let mut live = self.live.take().expect("the log is open between steps");
        for Outstanding { group, .. } in &std::mem::take(&mut live.outstanding) {
            let blocks = group.bytes.len() / 4096;
            let damage = match self.random.below(3) {
                0 => Damage::Lost,
                1 => Damage::Whole,
                _ => Damage::Torn((0..blocks).map(|_| self.random.chance(50)).collect()),
            };
            self.disk.leave(&layout::file_name(group.location.file), u64::from(group.location.position), &group.bytes, &damage);
        }
        if flip.is_none() && !live.engine.has_failed() && self.random.chance(30) {
            self.keep_as_zombie(live);
        } else {
            drop(live);
        }
        self.transactor.on_crash();
        self.heard.lock().expect("one thread").clear();
        if let Some(flip) = &flip {
            self.disk.flip(&flip.name, flip.position, flip.bit);
        }
        let outcome = self.open().map_err(|error| error.to_string()).and_then(|()| self.verify());
        match (outcome, flip) {
            (Ok(()), _) => {}
            (Err(reason), Some(flip)) if !flip.is_in_store && (reason.contains("corrupt") || reason.contains("does not verify")) => {
                // Loud, as it must be. The volume is restored.
                self.disk.flip(&flip.name, flip.position, flip.bit);
                self.open().map_err(|error| error.to_string())?;
                self.verify()?;
            }
            (Err(reason), _) => return Err(reason),
        }
        self.repeat();
        Ok(())
    }

    /// Chooses a bit in a group that is known, from elsewhere on the volume, to have been acknowledged.
    fn choose_flip(&mut self) -> Result<Option<Flip>, String> {
        let known: Vec<_> = self.written.iter().filter(|group| group.seq <= self.evidence).collect();
        if known.is_empty() {
            return Ok(None);
        }
        let Written { file, position: start, bytes, .. } = *known[self.random.below(known.len())];
        let position = u64::from(start) + self.random.below(bytes) as u64;
        let bit = u8::try_from(self.random.below(8)).expect("small");
        let is_in_store = self.is_in_store(file, start..start + u32::try_from(bytes).expect("small"))?;
        Ok(Some(Flip { name: layout::file_name(file), position, bit, is_in_store }))
    }
}

/// A bit that flips while nobody runs.
struct Flip {
    name: String,
    position: u64,
    bit: u8,
    /// The store holds all that is damaged: the log must open.
    is_in_store: bool,
}
