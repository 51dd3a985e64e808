//! The write-ahead log: entries go into the open group, groups become durable, and acknowledgements follow in order.
//!
//! This is the deciding half. It places groups, says what to write and when, and learns what was written; it touches no
//! disk and no clock.

mod arena;
pub(crate) mod eras;
pub(crate) mod files;
pub(crate) mod group;
pub(crate) mod layout;
pub(crate) mod policy;
pub(crate) mod recovery;

use std::{collections::VecDeque, time::Duration};

use bytes::{Bytes, BytesMut};
use units::Incarnation;

use crate::{
    TopicPartitionId, aligned,
    partition::index::{IndexEntry, Location},
    rules::Rules,
};
use arena::Arenas;
use eras::{Era, Eras};
use files::Files;
pub(crate) use group::{Acked, FlushJob};
use group::{Closed, GroupState, Open};
use layout::{ENTRY_BYTES, EntryKind, GroupHeader, HEADER_BYTES, Seal};
use policy::{FlushDecision, FlushPolicy, FlushView};

/// Memory that groups are cut from, in one piece.
const ARENA_BYTES: usize = 4 << 20;
/// Left free for log starts and deletions when no spare file is there, since they are what frees space.
const CONTROL_RESERVE_BYTES: u64 = 64 << 10;

/// The log's groups. `E` is what happens when a group is durable.
pub(crate) struct Wal<E> {
    incarnation: Incarnation,
    seal: Seal,
    rules: Rules,
    policy: FlushPolicy,
    group_bytes_max: usize,
    pub(crate) files: Files,
    eras: Eras,
    /// Where the next group goes in the current file.
    position: u32,
    arena: BytesMut,
    arenas: Arenas,
    open: Option<Open<E>>,
    /// Closed and not acknowledged, in order: being written first, then waiting.
    closed: VecDeque<Closed<E>>,
    in_flight: usize,
    next_seq: u64,
    acked_through: u64,
    /// The newest group with an entry other than batches.
    last_change: u64,
}

/// What to write now.
pub(crate) enum FlushPoll {
    /// This; then call [`Wal::on_flushed`].
    Write(FlushJob),
    /// Nothing before this time.
    At(Duration),
    /// Nothing until something happens.
    Idle,
}

/// Where the log begins to write.
pub(crate) struct Start {
    pub(crate) incarnation: Incarnation,
    pub(crate) seal: Seal,
    pub(crate) next_seq: u64,
    pub(crate) files: Files,
    pub(crate) eras: Eras,
}

impl<E> Wal<E> {
    /// A log that goes on at the start of a spare file.
    pub(crate) fn new(start: Start, policy: FlushPolicy, group_bytes_max: usize, rules: Rules) -> Self {
        let (mut files, mut eras) = (start.files, start.eras);
        files.rotate();
        eras.begin(Era { incarnation: start.incarnation, file: files.current(), seq: start.next_seq });
        Self {
            incarnation: start.incarnation,
            seal: start.seal,
            rules,
            policy,
            group_bytes_max,
            files,
            eras,
            position: 0,
            arena: BytesMut::new(),
            arenas: Arenas::new(ARENA_BYTES.min(2 * aligned::round_up(group_bytes_max))),
            open: None,
            closed: VecDeque::new(),
            in_flight: 0,
            next_seq: start.next_seq,
            acked_through: start.next_seq - 1,
            last_change: 0,
        }
    }

    /// Who wrote the files that there are.
    pub(crate) fn eras(&mut self) -> &Eras {
        self.eras.drop_below(self.files.used.first_key_value().map_or(0, |(number, _)| *number));
        &self.eras
    }

    pub(crate) fn seal(&self) -> Seal {
        self.seal
    }

    /// Every group up to this sequence is durable.
    pub(crate) fn acked_through(&self) -> u64 {
        self.acked_through
    }

    /// Sequence of the newest group that has entries.
    pub(crate) fn last_seq(&self) -> u64 {
        self.next_seq - 1
    }

    /// Where the next group goes, once the open one is closed, and its sequence.
    pub(crate) fn close(&mut self) -> (Location, u64) {
        self.close_open();
        (Location { file: self.files.current(), position: self.position }, self.next_seq)
    }

    fn current_length(&self) -> u64 {
        self.files.used.last_key_value().map_or(0, |(_, file)| file.length)
    }

    fn reserve(&self, spares_left: usize, is_control: bool) -> u64 {
        if is_control || spares_left > 0 { 0 } else { CONTROL_RESERVE_BYTES.min(self.current_length() / 8) }
    }

    fn fits_current(&self, position: u32, group_bytes: usize, is_control: bool) -> bool {
        let end = u64::from(position) + aligned::round_up(group_bytes) as u64;
        end + self.reserve(self.files.spares.len(), is_control) <= self.current_length()
    }

    fn fits_open(&self, bytes: usize, is_control: bool) -> bool {
        let Some(open) = &self.open else { return false };
        let total = self.arena.len() + bytes;
        total <= self.group_bytes_max
            && aligned::round_up(total) <= self.arena.capacity()
            && self.fits_current(open.position, total, is_control)
    }

    /// Where a new group would go in the current file.
    fn next_position(&self) -> u32 {
        match &self.open {
            Some(open) => open.position + u32::try_from(aligned::round_up(self.arena.len())).expect("a group fits its file"),
            None => self.position,
        }
    }

    /// Whether an entry of `length` bytes can be placed now.
    pub(crate) fn has_room(&self, length: usize, is_control: bool) -> bool {
        let bytes = ENTRY_BYTES + length;
        if self.fits_open(bytes, is_control) || self.fits_current(self.next_position(), HEADER_BYTES + bytes, is_control) {
            return true;
        }
        let reserve = self.reserve(self.files.spares.len().saturating_sub(1), is_control);
        let needed = aligned::round_up(HEADER_BYTES + bytes) as u64 + reserve;
        self.files.spares.front().is_some_and(|spare| needed <= spare.length)
    }

    /// Copies an entry into the open group and gives its bytes to be changed, and their place. There must be room.
    pub(crate) fn push(&mut self, kind: EntryKind, partition: TopicPartitionId, bytes: &[u8], now: Duration) -> (&mut [u8], Location) {
        let is_control = kind != EntryKind::Batches;
        assert!(self.has_room(bytes.len(), is_control), "room is asked for before");
        let needed = ENTRY_BYTES + bytes.len();
        if !self.fits_open(needed, is_control) {
            self.begin(needed, is_control, now);
        }
        self.arena.extend_from_slice(&layout::entry_head(kind, partition, bytes.len()));
        let at = self.arena.len();
        self.arena.extend_from_slice(bytes);
        let open = self.open.as_ref().expect("just begun");
        if is_control {
            self.last_change = open.seq;
        }
        let position = open.position + u32::try_from(at).expect("a group fits its file");
        (&mut self.arena[at..], Location { file: self.files.current(), position })
    }

    fn begin(&mut self, needed: usize, is_control: bool, now: Duration) {
        self.close_open();
        let group_bytes = HEADER_BYTES + needed;
        if !self.fits_current(self.position, group_bytes, is_control) {
            self.files.rotate();
            self.position = 0;
        }
        if self.arena.capacity() < aligned::round_up(group_bytes) {
            self.arena = self.arenas.next(std::mem::take(&mut self.arena), aligned::round_up(group_bytes));
        }
        self.arena.resize(HEADER_BYTES, 0);
        let (seq, position, last_change) = (self.next_seq, self.position, self.last_change);
        self.open = Some(Open { seq, position, opened_at: now, is_due: false, last_change, effects: Vec::new() });
        self.next_seq += 1;
    }

    fn close_open(&mut self) {
        let Some(open) = self.open.take() else { return };
        let body_bytes = u32::try_from(self.arena.len() - HEADER_BYTES).expect("a group fits its file");
        let padded = aligned::round_up(self.arena.len());
        assert!(padded <= self.arena.capacity(), "an arena holds whole blocks, so a group never moves");
        self.arena.resize(padded, 0);
        let location = Location { file: self.files.current(), position: open.position };
        self.position = open.position + u32::try_from(padded).expect("a group fits its file");
        self.files.used.last_entry().expect("a file is in use").into_mut().last_seq = open.seq;
        let state = GroupState::Waiting { buffer: self.arena.split(), body_bytes };
        let Open { seq, last_change, effects, .. } = open;
        self.closed.push_back(Closed { seq, location, last_change, state, effects });
    }

    /// Adds what happens when the open group is durable; there must be one.
    pub(crate) fn attach(&mut self, effect: E) {
        self.open.as_mut().expect("an entry was pushed").effects.push(effect);
    }

    /// Adds what happens when all that has been pushed is durable, or gives it back where it is already.
    pub(crate) fn attach_last(&mut self, effect: E) -> Option<E> {
        match (&mut self.open, self.closed.back_mut()) {
            (Some(open), _) => open.effects.push(effect),
            (None, Some(closed)) => closed.effects.push(effect),
            (None, None) => return Some(effect),
        }
        None
    }

    /// The open group is to be written as soon as a flush may begin.
    pub(crate) fn hurry(&mut self) {
        if let Some(open) = &mut self.open {
            open.is_due = true;
        }
    }

    /// Whether anything is not durable yet.
    pub(crate) fn is_idle(&self) -> bool {
        self.open.is_none() && self.closed.is_empty()
    }

    /// What to write now.
    pub(crate) fn poll_flush(&mut self, now: Duration) -> FlushPoll {
        let mut waiting = self.closed.iter().position(|group| matches!(group.state, GroupState::Waiting { .. }));
        if let (None, Some(open)) = (waiting, &self.open) {
            let view = FlushView { in_flight: self.in_flight, opened_at: open.opened_at, is_due: open.is_due };
            match self.policy.decide(view, now) {
                FlushDecision::At(time) => return FlushPoll::At(time),
                FlushDecision::WhenFlushed => return FlushPoll::Idle,
                FlushDecision::Now => self.close_open(),
            }
            waiting = Some(self.closed.len() - 1);
        }
        match waiting {
            Some(index) if self.in_flight < self.policy.in_flight_max => FlushPoll::Write(self.start(index)),
            _ => FlushPoll::Idle,
        }
    }

    fn start(&mut self, index: usize) -> FlushJob {
        let group = &mut self.closed[index];
        let GroupState::Waiting { buffer, body_bytes } = std::mem::replace(&mut group.state, GroupState::Writing) else {
            panic!("only a waiting group is started");
        };
        self.in_flight += 1;
        let Closed { seq, location, last_change, .. } = *group;
        let acked_through = if self.rules.acked_through_is_honest { self.acked_through } else { 0 };
        let header = GroupHeader { incarnation: self.incarnation, file: location.file, body_bytes, seq, acked_through, last_change };
        let file = self.files.get(location.file).expect("a file with groups under way is not recycled");
        FlushJob { location, file, header, seal: self.seal, buffer }
    }

    /// The group `seq` is durable: gives the groups that may be acknowledged now, in order.
    pub(crate) fn on_flushed(&mut self, seq: u64, bytes: Bytes) -> Vec<Acked<E>> {
        self.in_flight -= 1;
        self.hurry();
        let index = self.closed.iter().position(|group| group.seq == seq).expect("it was started");
        self.closed[index].state = GroupState::Durable(bytes);
        let mut acked = Vec::new();
        if !self.rules.acks_in_order {
            let group = self.closed.remove(index).expect("just found");
            self.acked_through = self.acked_through.max(seq);
            return vec![group.into_acked()];
        }
        while let Some(Closed { state: GroupState::Durable(_), seq, .. }) = self.closed.front() {
            assert_eq!(*seq, self.acked_through + 1, "groups are acknowledged without a gap");
            self.acked_through = *seq;
            acked.push(self.closed.pop_front().expect("there is a front").into_acked());
        }
        acked
    }

    /// A flush failed: gives everything that will never be acknowledged.
    pub(crate) fn fail(&mut self) -> Vec<E> {
        let open = self.open.take().map(|open| open.effects);
        self.closed.drain(..).map(|group| group.effects).chain(open).flatten().collect()
    }

    /// Adds a batch to the list that becomes its file's summary.
    pub(crate) fn list(&mut self, partition: TopicPartitionId, entry: IndexEntry) {
        if let Some(file) = self.files.used.get_mut(&entry.location.file) {
            file.batches.push((partition, entry));
        }
    }

    /// A file that takes no more groups, all of them durable, and has no summary yet.
    pub(crate) fn file_to_summarise(&self) -> Option<u32> {
        let current = self.files.current();
        let is_done = |file: &files::UsedFile| !file.has_summary && file.last_seq <= self.acked_through;
        self.files.used.iter().find(|(number, file)| **number < current && is_done(file)).map(|(number, _)| *number)
    }
}
