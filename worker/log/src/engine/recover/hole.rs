//! Groups after the checkpoint that do not verify. That is where the log ends, unless a later group says that they were
//! acknowledged: then what they held must come from the store.
//!
//! What a group held nobody else says, so it is shown from four sides that the store has all of it: the next group says that
//! nothing but batches was in it (`last_change`); the newest segment says that all batches of groups up to some later one are
//! in the store (`covers`); every manifest names that segment; and what follows on the volume fits what the store gave, offset
//! for offset. The store's batches are then replayed in place of the group's, since they are the same bytes.

use std::sync::Arc;

use super::{Held, Replay, held::note_shipped};
use crate::{
    Disk, OpenError, TopicPartitionId,
    batch::{BatchView, is_intact},
    manifest::Manifest,
    partition::index::Location,
    wal::{layout::GroupHeader, recovery::FileBytes},
};

/// Four groups of half a file each may be under way at once.
const FILES_IN_FLIGHT: usize = 3;

/// A place where the next group should be and does not verify, and what lies behind it.
pub(super) struct Hole {
    place: Location,
    /// The group that is missing.
    seq: u64,
    later: Vec<Later>,
}

/// A group behind a hole, whose header is whole.
struct Later {
    place: Location,
    header: GroupHeader,
    /// Its body is, too.
    is_whole: bool,
}

impl Hole {
    pub(super) fn find(replay: &Replay, disk: &dyn Disk, (file, position): (&FileBytes, u64), ahead: &[u32]) -> Result<Self, OpenError> {
        let (seq, incarnation) = (replay.next_seq, replay.incarnation);
        let position = u32::try_from(position).unwrap_or(u32::MAX);
        let mut hole = Self { place: Location { file: file.number, position }, seq, later: Vec::new() };
        hole.look_behind(file, u64::from(position), replay);
        for (index, number) in ahead.iter().enumerate() {
            // Groups that were under way with the missing one reach into the next files, whose first may be missing as well.
            // Further on, a file that holds an acknowledged group has an acknowledged first one.
            let is_ours = |header: GroupHeader| header.file == *number && header.incarnation == incarnation;
            if index < FILES_IN_FLIGHT || replay.first_header(disk, *number)?.is_some_and(is_ours) {
                hole.look_behind(&FileBytes::read(disk, *number, replay.seal, replay.rules)?, 0, replay);
            }
        }
        Ok(hole)
    }

    fn look_behind(&mut self, file: &FileBytes, position: u64, replay: &Replay) {
        let headers = file.headers_after(position, self.seq, replay.incarnation);
        self.later.extend(headers.filter_map(|(at, header)| {
            let place = Location { file: file.number, position: u32::try_from(at).ok()? };
            Some(Later { place, header, is_whole: file.group(at, Some(replay.incarnation)).is_some() })
        }));
    }

    fn acked_through(&self) -> u64 {
        self.later.iter().map(|later| later.header.acked_through).max().unwrap_or(0)
    }

    /// The first whole group that may follow: every group before it was acknowledged.
    fn next(&self) -> Option<&Later> {
        let acked_through = self.acked_through();
        self.later.iter().filter(|later| later.is_whole && later.header.seq <= acked_through + 1).min_by_key(|later| later.header.seq)
    }

    fn refuse(&self, reason: impl Into<String>) -> OpenError {
        let Location { file, position } = self.place;
        OpenError::Corrupt { file, position: position.into(), seq: self.seq, acked_through: self.acked_through(), reason: reason.into() }
    }
}

impl Replay {
    /// Gives what a hole held, and says where the log goes on; `None` where it ends.
    pub(super) fn fill(&mut self, hole: Hole, held: &Held) -> Result<Option<Location>, OpenError> {
        if hole.acked_through() < hole.seq || !self.rules.corruption_is_loud {
            if !hole.later.is_empty() {
                let name = crate::wal::layout::file_name(hole.place.file);
                let (position, seq, count) = (hole.place.position, hole.seq, hole.later.len());
                self.report.cut = Some(format!("{name} at byte {position}: group {seq} and {count} behind it"));
            }
            return Ok(None);
        }
        let next = hole.next();
        let end = next.map_or(hole.acked_through(), |next| next.header.seq - 1);
        let said = hole.later.iter().map(|later| later.header).filter(|header| header.seq > end).min_by_key(|header| header.seq);
        if said.is_none_or(|header| header.last_change >= hole.seq) && self.rules.holes_hold_batches_alone {
            return Err(hole.refuse("it may have held settings, partitions or log starts, which only the volume keeps"));
        }
        self.take_from_store(end, held).map_err(|reason| hole.refuse(reason))?;
        let name = crate::wal::layout::file_name(hole.place.file);
        self.repaired.push(format!("groups {} to {end} of {name}", hole.seq));
        self.next_seq = end + 1;
        Ok(hole.next().map(|next| next.place))
    }

    /// Takes over everything that the store holds, if that is all there was in groups up to `seq`.
    fn take_from_store(&mut self, seq: u64, held: &Held) -> Result<(), String> {
        let unasked = |error| format!("the object store cannot be asked what it held ({error})");
        let manifests = held.manifests(self.partitions.keys()).map_err(|error| unasked(error.to_string()))?;
        let is_alive = |id: &TopicPartitionId| self.partitions.contains_key(id);
        let covers = held.covers(self.incarnation, &manifests, is_alive).map_err(|error| unasked(error.to_string()))?;
        if covers < seq && self.rules.holes_are_covered {
            return Err("the object store does not hold what it held".into());
        }
        for (id, manifest) in manifests {
            self.take_partition(id, manifest, held)?;
        }
        Ok(())
    }

    fn take_partition(&mut self, id: TopicPartitionId, manifest: Arc<Manifest>, held: &Held) -> Result<(), String> {
        let partition = self.partitions.get_mut(&id).expect("its manifest was asked for");
        if manifest.end() <= partition.log_end {
            return Ok(());
        }
        while partition.log_end < manifest.end() {
            let batches = held.batches(id, &manifest, partition.log_end).map_err(|error| error.to_string())?.concat();
            let views = BatchView::parse_all(&batches).map_err(|malformed| format!("the object store holds {id} badly: {malformed}"))?;
            let mut rest = &batches[..];
            for view in views {
                let (bytes, others) = rest.split_at(view.length);
                if view.base != partition.log_end || !is_intact(bytes) {
                    return Err(format!("the object store does not hold {id} from {} on", partition.log_end));
                }
                partition.take_elsewhere(&view, bytes, self.now);
                rest = others;
            }
        }
        partition.index.clear();
        self.taken.insert(id, partition.log_end);
        note_shipped(partition, manifest);
        Ok(())
    }
}
