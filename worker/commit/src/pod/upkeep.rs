//! What goes on beside commits: routes and pauses, checkpoints by bytes, trims, draining, the way out.

use std::collections::{BTreeMap, BTreeSet};

use units::Offset;

use super::{Ask, Backoff, Phase, Pod};
use crate::{
    Burst, Committed, DataLoss, ExchangeIndex, Failure, HashPartition, Input, Intention, StopReason, Ticket, Time, intention::ManifestDue,
};

/// How a pod goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stop {
    leave: bool,
    /// The last checkpoint was made, or given up.
    checkpointed: bool,
}

/// Deltas are folded when they pass a bound of bytes, never by the clock: they are durable already.
#[derive(Debug, Default)]
pub(super) struct Checkpoint {
    pub(super) state_bytes: u64,
    /// What is being folded, with the bytes of its deltas.
    running: Option<(Ticket, Vec<(ManifestDue, u64)>)>,
    due: Vec<ManifestDue>,
    not_before: Ask,
    backoff: Backoff,
}

/// `DeleteRecords`, seldom, and only below positions in commits known committed.
#[derive(Debug, Default)]
pub(super) struct Trim {
    positions: BTreeMap<Input, Offset>,
    next: Option<Time>,
}

/// Records that are to be read next are gone. Either another pod reads this partition now, and trimmed what it had read; or data is
/// lost. The group's stable offset tells which.
#[derive(Debug, Default)]
pub(super) struct Verify {
    pub(super) ask: Ask,
    suspicion: Option<DataLoss>,
}

impl Checkpoint {
    /// Manifests that the next commit shall hold.
    pub(super) fn due(&self) -> Vec<ManifestDue> {
        self.due.clone()
    }

    pub(super) fn is_due(&self) -> bool {
        !self.due.is_empty()
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        self.not_before.deadline()
    }

    pub(super) fn reset(&mut self) {
        *self = Self { state_bytes: self.state_bytes, ..Self::default() };
    }
}

impl Trim {
    pub(super) fn deadline(&self) -> Option<Time> {
        self.next.filter(|_| !self.positions.is_empty())
    }

    pub(super) fn exchanges_read(&mut self, exchanges: &[(ExchangeIndex, HashPartition, Offset)]) {
        self.positions.extend(exchanges.iter().map(|&(exchange, hash, position)| (Input::Exchange(exchange, hash), position)));
    }

    /// These belong to another now; it trims them.
    pub(super) fn forget(&mut self, hashes: &BTreeSet<HashPartition>) {
        self.positions.retain(|input, _| match input {
            Input::Exchange(_, hash) | Input::State(hash) => !hashes.contains(hash),
            Input::Source(_) => false,
        });
    }
}

impl<B: Clone> Pod<B> {
    pub(super) fn advance_route(&mut self) {
        let route = self.route_now();
        if route != self.route {
            self.route = route;
            self.out.push_back(Intention::Route(route));
        }
    }

    pub(super) fn advance_upkeep(&mut self, now: Time) {
        let waits = self.pending_bytes >= self.config.burst_bytes_max && (self.transaction.is_some() || self.is_joining());
        let paused = waits || self.is_draining();
        if paused != self.paused {
            self.paused = paused;
            self.out.push_back(Intention::Pause(paused));
        }
        if self.is_releasing() && self.drained && self.transaction.is_none() {
            self.release();
            self.advance_join(now);
        }
        self.checkpoint_if_due(now);
        self.trim_if_due(now);
        self.verify_if_due(now);
    }

    fn is_draining(&self) -> bool {
        self.stop.is_some() || self.is_releasing()
    }

    /// A cut is due when there is something to commit and the time has come, or its bytes fill a burst, or the pod drains.
    pub(super) fn is_cut_due(&self, now: Time) -> bool {
        let any_ready = self.hashes.values().any(super::Hash::is_ready);
        let full = self.pending_bytes >= self.config.burst_bytes_max;
        let ripe = (self.changed || self.checkpoint.is_due()) && (full || now >= self.pace.due_at());
        let drains = self.is_draining() && (!self.drained || self.checkpoint.is_due());
        any_ready && (ripe || drains)
    }

    /// The cut that was asked for takes all there is; what comes later is reported anew.
    pub(super) fn cut_taken(&mut self) {
        (self.changed, self.pending_bytes) = (false, 0);
        self.checkpoint.due.clear();
    }

    fn checkpoint_if_due(&mut self, now: Time) {
        let busy = self.checkpoint.running.is_some() || self.checkpoint.is_due() || !self.checkpoint.not_before.is_due(now);
        let deltas: u64 = self.hashes.values().filter(|slot| slot.is_ready()).map(|slot| slot.delta_bytes).sum();
        let bound = self.config.checkpoint_bytes.max(self.checkpoint.state_bytes / 4);
        let last = self.stop.is_some_and(|stop| !stop.checkpointed) && self.drained && self.transaction.is_none();
        if busy || deltas == 0 || !(deltas >= bound || last) {
            return;
        }
        let dirty = self.hashes.iter_mut().filter(|(_, slot)| slot.is_ready() && slot.delta_bytes > 0);
        let due = dirty
            .map(|(&hash, slot)| (ManifestDue { hash, covers: slot.last, floor: slot.end }, std::mem::take(&mut slot.delta_bytes)))
            .collect::<Vec<_>>();
        let ticket = self.ticket();
        self.out.push_back(Intention::Checkpoint(ticket, due.iter().map(|&(manifest, _)| manifest).collect()));
        self.checkpoint.running = Some((ticket, due));
    }

    pub(super) fn checkpointed(&mut self, now: Time, ticket: Ticket, answer: Result<(), Failure>) {
        let Some((_, due)) = self.checkpoint.running.take_if(|(running, _)| *running == ticket) else { return };
        match answer {
            Ok(()) => {
                self.checkpoint.backoff.succeeded();
                let still_owned = due.into_iter().filter(|(manifest, _)| self.hashes.contains_key(&manifest.hash));
                self.checkpoint.due = still_owned.map(|(manifest, _)| manifest).collect();
            }
            Err(failure) => {
                self.trouble = Some(format!("checkpoint: {failure}"));
                self.checkpoint.not_before = self.checkpoint.backoff.next(now, 1_000);
                // Their deltas are counted again, so that the next attempt takes them too.
                for (manifest, bytes) in due {
                    self.hashes.entry(manifest.hash).and_modify(|slot| slot.delta_bytes += bytes);
                }
            }
        }
        if let Some(stop) = self.stop.as_mut() {
            stop.checkpointed = true;
        }
    }

    pub(super) fn manifests_committed(&mut self, manifests: &[ManifestDue]) {
        for manifest in manifests {
            self.hashes.entry(manifest.hash).and_modify(|slot| slot.floor = manifest.floor);
            self.trim.positions.insert(Input::State(manifest.hash), manifest.floor);
        }
    }

    /// A record that says all there is to know makes those before it superfluous, as a manifest does.
    pub(super) fn wholes_committed(&mut self, burst: &Burst<B>) {
        for touched in burst.hashes.iter().filter(|touched| touched.whole) {
            let Some(slot) = self.hashes.get_mut(&touched.hash) else { continue };
            (slot.floor, slot.delta_bytes) = (Offset(slot.end.0 - 1), 0);
            self.trim.positions.insert(Input::State(touched.hash), slot.floor);
        }
    }

    fn trim_if_due(&mut self, now: Time) {
        if self.trim.positions.is_empty() || self.trim.next.is_some_and(|next| now < next) {
            return;
        }
        self.trim.next = Some(now.plus(self.config.trim_interval_ms));
        let positions = std::mem::take(&mut self.trim.positions);
        self.out.push_back(Intention::Trim(positions.into_iter().collect()));
    }

    pub(super) fn out_of_range(&mut self, suspicion: DataLoss) {
        self.verify.suspicion.get_or_insert(suspicion);
    }

    fn verify_if_due(&mut self, now: Time) {
        let Some(DataLoss::RecordsGone { input, .. }) = self.verify.suspicion else { return };
        if self.verify.ask.is_due(now) {
            let ticket = self.ticket();
            self.verify.ask = Ask::Sent(ticket);
            self.out.push_back(Intention::FetchOffsets(ticket, vec![input]));
        }
    }

    pub(super) fn verified(&mut self, now: Time, answer: Result<Vec<(Input, Option<Committed>)>, Failure>) {
        let offsets = match answer {
            Ok(offsets) => offsets,
            Err(Failure::Fenced(which)) => return self.fenced(now, which),
            Err(failure) => {
                self.verify.ask = self.wait(now, &failure);
                return;
            }
        };
        let suspicion = self.verify.suspicion.take().expect("asked only with a suspicion");
        self.verify.ask = Ask::Now;
        let DataLoss::RecordsGone { needed, .. } = suspicion else { return };
        if offsets.iter().any(|(_, committed)| committed.is_some_and(|committed| committed.position > needed)) {
            self.reset(now, "another pod reads what this one owned");
        } else {
            self.halt(StopReason::DataLoss(suspicion));
        }
    }

    pub(super) fn stop_asked(&mut self, leave: bool) {
        if self.stop.is_none() {
            self.stop = Some(Stop { leave, checkpointed: false });
            self.drained = false;
        }
    }

    /// Nothing is left to commit: leave, or just stop.
    pub(super) fn advance_stop(&mut self) {
        let Some(stop) = self.stop.filter(|_| !matches!(self.phase, Phase::Stopped(_) | Phase::Leaving(_))) else { return };
        let any_ready = self.hashes.values().any(super::Hash::is_ready);
        let deltas = self.hashes.values().any(|slot| slot.delta_bytes > 0);
        let folded = stop.checkpointed || !deltas;
        let idle = self.transaction.is_none() && self.checkpoint.running.is_none() && !self.checkpoint.is_due();
        let done = !any_ready && self.transaction.is_none() || idle && self.drained && folded;
        if !done {
            return;
        }
        if stop.leave && self.membership.is_some() {
            let ticket = self.ticket();
            self.phase = Phase::Leaving(ticket);
            self.out.push_back(Intention::Leave(ticket));
        } else {
            self.halt(StopReason::Asked);
        }
    }
}
