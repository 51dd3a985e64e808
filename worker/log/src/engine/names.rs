//! Small named objects, and when they leave: before data that they speak of, and within seconds else.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;

use super::{Engine, Now, ship::ShipTask};
use crate::{Ship, roster};

/// Several changes in a row make one put.
const COMPANY: u32 = 10;
/// After so many segments the roster says anew from where on the row is to be looked at.
pub(super) const SEGMENTS_BETWEEN: u64 = 64;

/// Up to which change something goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    changes: u64,
    starts: u64,
}

/// What is to be put.
#[derive(Debug)]
pub(crate) struct NamesTask {
    pub(crate) names: Vec<(String, Bytes)>,
    pub(crate) partitions: Vec<roster::Entry>,
    pub(crate) mark: Mark,
}

/// The named objects of this broker.
#[derive(Debug)]
pub(crate) struct Names {
    /// Each with the change that made it.
    objects: BTreeMap<String, (Bytes, u64)>,
    now: Mark,
    saved: Mark,
    put_at: Duration,
    /// They are wanted in the store at once.
    pub(super) is_wanted: bool,
}

impl Names {
    /// What the volume holds. Whether the store has it is not known.
    pub(crate) fn new(objects: BTreeMap<String, Bytes>) -> Self {
        let now = Mark { changes: 1, starts: 0 };
        let objects = objects.into_iter().map(|(name, bytes)| (name, (bytes, 1))).collect();
        Self { objects, now, saved: Mark::default(), put_at: Duration::ZERO, is_wanted: false }
    }

    /// A partition was made, changed or removed.
    pub(super) fn note_change(&mut self) {
        self.now.changes += 1;
    }

    /// A log start has moved.
    pub(super) fn note_start(&mut self) {
        self.now.starts += 1;
    }

    fn is_changed(&self) -> bool {
        self.now.changes != self.saved.changes
    }

    fn is_behind(&self) -> bool {
        self.now != self.saved
    }

    fn is_due(&self, ship: Ship, now: Duration) -> bool {
        let after = |wait| now >= self.put_at + wait;
        match ship {
            _ if self.is_wanted => self.is_behind(),
            Ship::Every(interval) => (self.is_changed() && after(interval / COMPANY)) || (self.is_behind() && after(interval)),
            Ship::WhenAsked => false,
        }
    }
}

impl Engine {
    /// Replaces a named object.
    pub(crate) fn put_named(&mut self, name: &str, bytes: Bytes) {
        self.names.note_change();
        self.names.objects.insert(name.to_owned(), (bytes, self.names.now.changes));
    }

    /// A named object.
    pub(crate) fn named(&self, name: &str) -> Option<Bytes> {
        self.names.objects.get(name).map(|(bytes, _)| bytes.clone())
    }

    pub(super) fn poll_names(&self, now: Now) -> Option<ShipTask> {
        self.names.is_due(self.config.ship, now.monotonic).then(|| self.names_task())
    }

    /// Whether something must leave before data may.
    pub(super) fn names_come_first(&self) -> bool {
        self.names.is_changed() && self.rules.names_before_data
    }

    pub(super) fn names_task(&self) -> ShipTask {
        let is_new =
            |(name, (bytes, change)): (&String, &(Bytes, u64))| (*change > self.names.saved.changes).then(|| (name.clone(), bytes.clone()));
        let entry = |(id, partition): (&crate::TopicPartitionId, &crate::partition::Partition)| roster::Entry {
            id: *id,
            config: partition.config.clone(),
            log_start: partition.log_start,
        };
        ShipTask::Names(NamesTask {
            names: self.names.objects.iter().filter_map(is_new).collect(),
            partitions: self.partitions.iter().map(entry).collect(),
            mark: self.names.now,
        })
    }

    pub(super) fn on_named(&mut self, mark: Mark, now: Now) {
        self.names.saved = mark;
        self.names.put_at = now.monotonic;
        self.names.is_wanted &= self.names.is_behind();
    }

    /// Whether the store has all that was wanted there.
    pub(super) fn are_names_put(&self) -> bool {
        !self.names.is_wanted || !self.names.is_behind()
    }

    /// When to look again at the latest.
    pub(super) fn next_names(&self) -> Option<Duration> {
        match self.config.ship {
            Ship::Every(interval) if self.names.is_changed() => Some(self.names.put_at + interval / COMPANY),
            Ship::Every(interval) if self.names.is_behind() => Some(self.names.put_at + interval),
            _ => None,
        }
    }
}
