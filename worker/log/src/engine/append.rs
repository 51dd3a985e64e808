//! Requests that write: checked, given offsets, and copied into the open group.

use bytes::Bytes;
use units::{LeaderEpoch, Offset, TimestampMs};

use super::{Effect, Engine, Now, Ready};
use crate::{
    Append, AppendError, Appended, Done, Marker, Origin, PartitionConfig, TopicPartitionId, VolumeHealth,
    batch::{self, BatchView},
    partition::{self, Partition, index::Location, producers::Standing},
    wal::layout::EntryKind,
};

/// Something to be written.
pub(crate) enum Request {
    Append { partition: TopicPartitionId, append: Append, done: Done<Appended, AppendError> },
    Marker { partition: TopicPartitionId, marker: Marker, done: Done<Appended, AppendError> },
    LogStart { partition: TopicPartitionId, before: Offset, done: Option<Done<Offset, AppendError>> },
    Configure { partition: TopicPartitionId, config: PartitionConfig, may_create: bool, done: Done<(), AppendError> },
    Delete { partition: TopicPartitionId, done: Done<(), AppendError> },
}

impl Request {
    /// Batches may be held up by a full volume; what frees space may not.
    fn is_control(&self) -> bool {
        !matches!(self, Self::Append { .. } | Self::Marker { .. })
    }

    pub(super) fn refuse(self, error: AppendError) -> Ready {
        match self {
            Self::Append { done, .. } | Self::Marker { done, .. } => Ready::Appended(done, Err(error)),
            Self::LogStart { done, .. } => Ready::LogStart(done.unwrap_or_else(|| Box::new(|_| ())), Err(error)),
            Self::Configure { done, .. } | Self::Delete { done, .. } => Ready::Changed(done, Err(error)),
        }
    }
}

/// A request's fate.
enum Submitted {
    /// It is on its way, or answered.
    Taken,
    /// There is no room for it yet.
    NoRoom(Request),
}

/// Batches that passed the checks.
struct Checked {
    batches: Bytes,
    views: Vec<BatchView>,
}

impl Engine {
    /// Takes a request. Its answer comes through [`Engine::take_ready`], when it is durable.
    pub(crate) fn submit(&mut self, request: Request, now: Now) {
        if let Some(error) = self.refusal() {
            self.ready.push_back(request.refuse(error));
        } else if !self.parked.is_empty() && !request.is_control() {
            self.parked.push_back(request);
        } else if let Submitted::NoRoom(request) = self.place(request, now) {
            self.park(request);
        }
    }

    /// Why nothing is taken any more, if so.
    pub(crate) fn refusal(&self) -> Option<AppendError> {
        match &self.health {
            _ if self.is_closing => Some(AppendError::Closed),
            VolumeHealth::Failed(reason) => Some(AppendError::VolumeFailed(reason.clone())),
            _ => None,
        }
    }

    fn park(&mut self, request: Request) {
        if self.health == VolumeHealth::Full {
            self.ready.push_back(request.refuse(AppendError::DiskFull));
        } else {
            self.parked.push_back(request);
        }
    }

    /// A WAL file has become ready: what waited goes first.
    pub(super) fn unpark(&mut self, now: Now) {
        while let Some(request) = self.parked.pop_front() {
            if let Submitted::NoRoom(request) = self.place(request, now) {
                self.parked.push_front(request);
                return;
            }
        }
    }

    /// No WAL file can be made: what waits is refused.
    pub(super) fn on_full(&mut self) {
        self.health = VolumeHealth::Full;
        self.refuse_parked(&AppendError::DiskFull);
    }

    pub(super) fn is_starved(&self) -> bool {
        !self.parked.is_empty()
    }

    fn place(&mut self, request: Request, now: Now) -> Submitted {
        match request {
            Request::Append { partition, append, done } => self.place_append(partition, append, done, now),
            Request::Marker { partition, marker, done } => self.place_marker(partition, marker, done, now),
            Request::LogStart { partition, before, done } => self.place_log_start(partition, before, done, now),
            Request::Configure { partition, config, may_create, done } => self.place_config(partition, config, may_create, done, now),
            Request::Delete { partition, done } => self.place_deletion(partition, done, now),
        }
    }

    fn place_append(&mut self, id: TopicPartitionId, append: Append, done: Done<Appended, AppendError>, now: Now) -> Submitted {
        match self.check_append(id, &append) {
            Err(error) => self.answer(done, Err(error)),
            Ok((_, Standing::Duplicate(base))) => self.answer_duplicate(id, base, done),
            Ok((views, Standing::New)) if self.wal.has_room(append.batches.len(), false) => {
                let checked = Checked { batches: append.batches, views };
                self.write(id, checked, done, now);
            }
            Ok(_) => return Submitted::NoRoom(Request::Append { partition: id, append, done }),
        }
        Submitted::Taken
    }

    fn check_append(&self, id: TopicPartitionId, append: &Append) -> Result<(Vec<BatchView>, Standing), AppendError> {
        let partition = self.partitions.get(&id).ok_or(AppendError::UnknownPartition(id))?;
        let current = self.incarnation.leader_epoch();
        if let Some(got) = append.leader_epoch.filter(|got| *got != current) {
            return Err(AppendError::LeaderEpoch { got, current });
        }
        let bytes_max = self.config.append_bytes_max();
        if append.batches.len() > bytes_max {
            return Err(AppendError::TooLarge { bytes: append.batches.len(), bytes_max });
        }
        let views = BatchView::parse_all(&append.batches).map_err(|malformed| AppendError::Malformed(malformed.0))?;
        if matches!(append.origin, Origin::Producer { .. }) && views.iter().any(BatchView::is_control) {
            return Err(AppendError::Malformed("a producer sends a control batch"));
        }
        let standing = partition.producers.check(&views, append.origin)?;
        Ok((views, standing))
    }

    fn answer(&mut self, done: Done<Appended, AppendError>, outcome: Result<Appended, AppendError>) {
        self.ready.push_back(Ready::Appended(done, outcome));
    }

    /// The original may still be on its way: the answer waits for all that is.
    fn answer_duplicate(&mut self, id: TopicPartitionId, base: Offset, done: Done<Appended, AppendError>) {
        let effect = Effect::Appended { partition: id, end: Offset::ZERO, base, is_duplicate: true, done };
        let durable = if self.rules.duplicates_wait { self.wal.attach_last(effect) } else { Some(effect) };
        if let Some(effect) = durable {
            self.settle(effect, &mut Vec::new());
        }
    }

    fn place_marker(&mut self, id: TopicPartitionId, marker: Marker, done: Done<Appended, AppendError>, now: Now) -> Submitted {
        let batches = batch::marker(&marker);
        let checked = match self.partitions.get(&id) {
            Some(partition) => partition.producers.check_marker(&marker),
            None => Err(AppendError::UnknownPartition(id)),
        };
        if let Err(error) = checked {
            self.answer(done, Err(error));
        } else if self.wal.has_room(batches.len(), false) {
            let views = BatchView::parse_all(&batches).expect("a marker is a batch");
            self.write(id, Checked { batches, views }, done, now);
        } else {
            return Submitted::NoRoom(Request::Marker { partition: id, marker, done });
        }
        Submitted::Taken
    }

    /// Gives the batches their offsets and copies them into the open group.
    fn write(&mut self, id: TopicPartitionId, checked: Checked, done: Done<Appended, AppendError>, now: Now) {
        let epoch = self.incarnation.leader_epoch();
        let partition = self.partitions.get_mut(&id).expect("checked");
        let base = partition.log_end;
        let (bytes, location) = self.wal.push(EntryKind::Batches, id, &checked.batches, now.monotonic);
        let entries = place_batches(partition, bytes, &checked, (location, epoch), now.wall);
        partition.producers.bound(self.config.producers_per_partition_max);
        let end = partition.log_end;
        for entry in entries {
            self.wal.list(id, entry);
        }
        self.counters.appended_bytes += checked.batches.len() as u64;
        self.wal.attach(Effect::Appended { partition: id, end, base, is_duplicate: false, done });
        if !self.rules.watermark_is_durable {
            self.raise_watermark(id, end);
        }
    }

    fn place_log_start(&mut self, id: TopicPartitionId, before: Offset, done: Option<Done<Offset, AppendError>>, now: Now) -> Submitted {
        let Some(partition) = self.partitions.get_mut(&id) else {
            let request = Request::LogStart { partition: id, before, done };
            self.ready.push_back(request.refuse(AppendError::UnknownPartition(id)));
            return Submitted::Taken;
        };
        let (log_start, high_watermark) = (partition.log_start, partition.high_watermark);
        if before > high_watermark || before.0 < 0 {
            let error = AppendError::OffsetOutOfRange { got: before, log_start, high_watermark };
            self.ready.push_back(Request::LogStart { partition: id, before, done }.refuse(error));
            return Submitted::Taken;
        }
        if before > partition.log_start_next {
            if !self.wal.has_room(8, true) {
                return Submitted::NoRoom(Request::LogStart { partition: id, before, done });
            }
            partition.log_start_next = before;
            self.wal.push(EntryKind::LogStart, id, &before.0.to_le_bytes(), now.monotonic);
        }
        let effect = Effect::LogStart { partition: id, offset: before, done };
        let durable = if self.rules.log_start_is_durable { self.wal.attach_last(effect) } else { Some(effect) };
        if let Some(effect) = durable {
            self.settle(effect, &mut Vec::new());
        }
        Submitted::Taken
    }

    fn place_config(
        &mut self,
        id: TopicPartitionId,
        config: PartitionConfig,
        may_create: bool,
        done: Done<(), AppendError>,
        now: Now,
    ) -> Submitted {
        if !may_create && !self.partitions.contains_key(&id) {
            self.ready.push_back(Ready::Changed(done, Err(AppendError::UnknownPartition(id))));
            return Submitted::Taken;
        }
        if self.partitions.get(&id).is_none_or(|partition| partition.config != config) {
            let encoded = partition::encode_config(&config);
            if !self.wal.has_room(encoded.len(), true) {
                return Submitted::NoRoom(Request::Configure { partition: id, config, may_create, done });
            }
            self.wal.push(EntryKind::Configure, id, &encoded, now.monotonic);
            self.partitions.entry(id).or_default().config = config;
            self.names.note_change();
        }
        self.attach_change(done);
        Submitted::Taken
    }

    fn place_deletion(&mut self, id: TopicPartitionId, done: Done<(), AppendError>, now: Now) -> Submitted {
        if self.partitions.contains_key(&id) {
            if !self.wal.has_room(0, true) {
                return Submitted::NoRoom(Request::Delete { partition: id, done });
            }
            self.wal.push(EntryKind::Delete, id, &[], now.monotonic);
            self.partitions.remove(&id);
            self.shipping.removed.push(id);
            self.names.note_change();
        }
        self.attach_change(done);
        Submitted::Taken
    }

    fn attach_change(&mut self, done: Done<(), AppendError>) {
        if let Some(effect) = self.wal.attach_last(Effect::Changed { done }) {
            self.settle(effect, &mut Vec::new());
        }
    }
}

fn place_batches(
    partition: &mut Partition,
    bytes: &mut [u8],
    checked: &Checked,
    (location, epoch): (Location, LeaderEpoch),
    now: TimestampMs,
) -> Vec<crate::partition::index::IndexEntry> {
    let mut at = 0;
    let mut entries = Vec::with_capacity(checked.views.len());
    for view in &checked.views {
        let view = view.under(epoch);
        records::place(&mut bytes[at..at + view.length], partition.log_end, epoch);
        let position = location.position + u32::try_from(at).expect("a group fits its file");
        let source = &checked.batches[at..at + view.length];
        entries.push(partition.take(&view, source, Location { position, ..location }, now));
        at += view.length;
    }
    entries
}
