//! The WAL's files: those that hold groups, and the spare ones ahead.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::Arc,
};

use crate::{DiskFile, TopicPartitionId, partition::index::IndexEntry};

/// A file that holds groups.
pub(crate) struct UsedFile {
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) length: u64,
    /// Sequence of its last group; 0 before the first.
    pub(crate) last_seq: u64,
    /// Its batches in order, until its summary is written.
    pub(crate) batches: Vec<(TopicPartitionId, IndexEntry)>,
    pub(crate) has_summary: bool,
}

/// A file ahead of need.
pub(crate) struct SpareFile {
    pub(crate) number: u32,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) length: u64,
}

/// All files of the WAL.
#[derive(Default)]
pub(crate) struct Files {
    pub(crate) used: BTreeMap<u32, UsedFile>,
    pub(crate) spares: VecDeque<SpareFile>,
    /// Number that the next prepared file gets.
    pub(crate) next: u32,
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spares: Vec<_> = self.spares.iter().map(|spare| spare.number).collect();
        f.debug_struct("Files").field("used", &self.used.keys()).field("spares", &spares).field("next", &self.next).finish()
    }
}

impl Files {
    pub(crate) fn bytes(&self) -> u64 {
        self.used.values().map(|file| file.length).sum::<u64>() + self.spares.iter().map(|spare| spare.length).sum::<u64>()
    }

    /// The file that takes groups now: the newest in use.
    pub(crate) fn current(&self) -> u32 {
        self.used.last_key_value().map_or(0, |(number, _)| *number)
    }

    /// Begins the next spare file.
    pub(crate) fn rotate(&mut self) {
        let spare = self.spares.pop_front().expect("room was asked for before");
        let used = UsedFile { file: spare.file, length: spare.length, last_seq: 0, batches: Vec::new(), has_summary: false };
        self.used.insert(spare.number, used);
    }

    pub(crate) fn get(&self, number: u32) -> Option<Arc<dyn DiskFile>> {
        self.used.get(&number).map(|used| used.file.clone())
    }
}
