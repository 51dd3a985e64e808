//! What the volume holds: the checkpoint, the groups after it, and where the batches of all files lie. What is damaged there
//! comes from the object store where that can be shown to hold it; else the log does not open, and says what is missing.

mod held;
mod hole;
mod old;
mod replay;

use std::collections::BTreeMap;

use units::{Incarnation, TimestampMs};

use crate::{
    Disk, OpenError, Recovered, TopicPartitionId,
    checkpoint::{self, Checkpoint},
    keys::Keys,
    partition::{Partition, index::Location},
    rules::Rules,
    wal::{
        eras::Eras,
        files::UsedFile,
        layout::{self, GroupHeader, Seal},
    },
};
pub(crate) use held::Held;
use replay::{Replay, first_bytes};

/// What recovery found.
pub(crate) struct Recovery {
    /// The incarnation of the checkpoint; 0 on a volume that has none.
    pub(crate) incarnation: Incarnation,
    pub(crate) seal: Seal,
    pub(crate) eras: Eras,
    pub(crate) next_seq: u64,
    pub(crate) partitions: BTreeMap<TopicPartitionId, Partition>,
    pub(crate) removed: Vec<TopicPartitionId>,
    /// Files that hold batches.
    pub(crate) used: BTreeMap<u32, UsedFile>,
    /// Files that hold nothing, with their lengths.
    pub(crate) free: Vec<(u32, u64)>,
    /// A number above that of every file.
    pub(crate) next_file: u32,
    /// Named objects of the broker that the volume keeps.
    pub(crate) names: BTreeMap<String, bytes::Bytes>,
    pub(crate) report: Recovered,
}

/// Reads back what `disk` holds. Changes nothing. `held` is asked only where something is damaged.
///
/// # Errors
/// [`OpenError::Corrupt`], [`OpenError::Lost`] and [`OpenError::CorruptFile`], naming what does not verify although it was
/// acknowledged.
pub(crate) fn recover(disk: &dyn Disk, rules: Rules, now: TimestampMs, held: &Held) -> Result<Recovery, OpenError> {
    let failed = |action: &'static str, name: &str| {
        let name = name.to_owned();
        move |source| OpenError::Disk { action, name, source }
    };
    let mut numbers: Vec<u32> =
        disk.list("wal").map_err(failed("list", "wal"))?.iter().filter_map(|name| layout::file_number(name)).collect();
    numbers.sort_unstable();
    let saved = disk.read(checkpoint::NAME).map_err(failed("read", checkpoint::NAME))?;
    let checkpoint = match saved {
        Some(bytes) => checkpoint::decode(&bytes).map_err(|malformed| corrupt_file(checkpoint::NAME, malformed.0))?,
        None => nothing_yet(disk, &numbers)?,
    };
    let mut replay = Replay::new(checkpoint, rules, now);
    replay.load_files_before(disk, &numbers)?;
    replay.replay(disk, &numbers, held)?;
    replay.check_reach(held)?;
    let mut recovery = replay.finish(disk, &numbers)?;
    for name in disk.list(NAMED).map_err(failed("list", NAMED))?.into_iter().filter(|name| Keys::is_name(name) && !name.ends_with(".new")) {
        let path = format!("{NAMED}/{name}");
        let bytes = disk.read(&path).map_err(failed("read", &path))?;
        recovery.names.extend(bytes.map(|bytes| (name, bytes.into())));
    }
    Ok(recovery)
}

/// The folder of named objects on the volume.
pub(crate) const NAMED: &str = "named";

fn corrupt_file(name: &str, reason: &str) -> OpenError {
    OpenError::CorruptFile { name: name.to_owned(), reason: reason.to_owned() }
}

/// A volume on which nothing was ever acknowledged: the first checkpoint is written before the first request is taken.
fn nothing_yet(disk: &dyn Disk, numbers: &[u32]) -> Result<Checkpoint, OpenError> {
    for number in numbers {
        if first_bytes(disk, *number)?.as_ref().and_then(|head| GroupHeader::unsealed(head)).is_some() {
            return Err(corrupt_file(checkpoint::NAME, "it is missing, and the log has groups"));
        }
    }
    Ok(Checkpoint {
        incarnation: Incarnation(0),
        seal: Seal::default(),
        eras: Eras::default(),
        location: Location { file: 0, position: 0 },
        next_seq: 1,
        is_last: true,
        partitions: BTreeMap::new(),
        removed: Vec::new(),
    })
}

impl Replay {
    fn finish(mut self, disk: &dyn Disk, numbers: &[u32]) -> Result<Recovery, OpenError> {
        let repaired = self.repairs();
        if let Some(repaired) = &repaired {
            tracing::warn!(repaired, "the volume is damaged; the object store serves what it holds");
        }
        let mut recovery = Recovery {
            incarnation: self.incarnation,
            seal: self.seal,
            eras: self.eras,
            next_seq: self.next_seq,
            removed: self.removed,
            used: BTreeMap::new(),
            free: Vec::new(),
            next_file: numbers.last().map_or(1, |number| number + 1),
            names: BTreeMap::new(),
            report: Recovered { partitions: self.partitions.len(), repaired, ..self.report },
            partitions: self.partitions,
        };
        for number in numbers {
            let name = layout::file_name(*number);
            let open = || disk.open(&name).and_then(|file| Ok((file.length()?, file)));
            let (length, file) = open().map_err(|source| OpenError::Disk { action: "open", name: name.clone(), source })?;
            let Some(batches) = self.batches.remove(number) else {
                recovery.free.push((*number, length));
                continue;
            };
            let has_summary = batches.is_none();
            let used = UsedFile { file, length, last_seq: 0, batches: batches.unwrap_or_default(), has_summary };
            recovery.used.insert(*number, used);
        }
        Ok(recovery)
    }
}
