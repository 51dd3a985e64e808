//! One transactional producer and its coordinator, as KIP-890 has them: each marker raises the epoch.

use std::collections::BTreeMap;

/// What it does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// In a transaction, or about to begin one.
    Open,
    /// The outcome is decided; the marker is sent until it is answered.
    Ending { is_commit: bool },
}

/// What became of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Open,
    /// Decided, but the marker is not answered.
    Committing,
    Committed,
    Aborted,
}

/// The producer. It sends one thing at a time.
#[derive(Debug)]
pub(crate) struct Transactor {
    pub(crate) epoch: i16,
    pub(crate) sequence: i32,
    pub(crate) phase: Phase,
    pub(crate) is_waiting: bool,
    pub(crate) fates: BTreeMap<u64, Fate>,
}

impl Transactor {
    pub(crate) const ID: i64 = 77;

    pub(crate) fn new() -> Self {
        Self { epoch: 0, sequence: 0, phase: Phase::Open, is_waiting: false, fates: BTreeMap::new() }
    }

    pub(crate) fn has_open(&self) -> bool {
        self.fates.values().any(|fate| *fate == Fate::Open)
    }

    pub(crate) fn decide(&mut self, is_commit: bool) {
        self.phase = Phase::Ending { is_commit };
        self.change(Fate::Open, if is_commit { Fate::Committing } else { Fate::Aborted });
    }

    /// The marker is durable.
    pub(crate) fn on_ended(&mut self) {
        self.change(Fate::Committing, Fate::Committed);
        *self = Self { epoch: self.epoch + 1, sequence: 0, phase: Phase::Open, is_waiting: false, fates: std::mem::take(&mut self.fates) };
    }

    /// What was under way is unknown: a transaction that was not decided is aborted, a decided one ended again.
    pub(crate) fn on_crash(&mut self) {
        self.is_waiting = false;
        if self.phase == Phase::Open && self.has_open() {
            self.decide(false);
        }
    }

    /// What was at risk is lost, markers too. `reopened` are the payloads of the transaction that is open in what came back: its
    /// coordinator comes back from the same log and aborts it.
    pub(crate) fn on_loss(&mut self, reopened: Option<Vec<u64>>) {
        self.change(Fate::Open, Fate::Aborted);
        self.change(Fate::Committing, Fate::Committed);
        for payload in reopened.iter().flatten() {
            self.fates.insert(*payload, Fate::Aborted);
        }
        self.epoch += 1;
        (self.sequence, self.is_waiting) = (0, false);
        self.phase = if reopened.is_some() { Phase::Ending { is_commit: false } } else { Phase::Open };
    }

    fn change(&mut self, from: Fate, to: Fate) {
        for fate in self.fates.values_mut().filter(|fate| **fate == from) {
            *fate = to;
        }
    }

    /// Whether a `read_committed` reader saw what it must: `seen` are payloads, `acked` those answered and not deleted.
    pub(crate) fn check(&self, seen: &[u64], acked: impl Iterator<Item = u64>) -> Result<(), String> {
        for payload in seen {
            if let Some(fate @ (Fate::Open | Fate::Aborted)) = self.fates.get(payload) {
                return Err(format!("read_committed shows {payload}, which is {fate:?}"));
            }
        }
        for payload in acked {
            if self.fates.get(&payload) == Some(&Fate::Committed) && !seen.contains(&payload) {
                return Err(format!("read_committed misses {payload}, which is committed"));
            }
        }
        Ok(())
    }
}
