//! The log of a coordinator's partitions as its core sees it: what is on its way, what follows once it is durable, and snapshots.
//!
//! A partition's log is a sequence of changes; its state is the fold of them, by one function for what was just appended and for what is
//! replayed. A *snapshot* writes the whole state again so that what lies before it can be trimmed. It goes out when nothing else is on its
//! way, and what is asked for meanwhile is held behind it: so a snapshot is exactly the fold of what precedes it in the log, and replaying
//! it on top of that changes nothing.

use std::collections::{BTreeMap, VecDeque};

use units::{Offset, PartitionId};

use crate::{AppendFailed, AppendToken, Record, Refusal};

/// Something that can be written as one record.
pub(crate) trait Change {
    /// Its bytes.
    fn record(&self) -> Record;
}

/// What the journal wants its shell to do.
#[derive(Debug)]
pub(crate) enum Output {
    Append { partition: PartitionId, records: Vec<Record>, token: AppendToken },
    Trim { partition: PartitionId, below: Offset },
}

/// An append that has an outcome: what it changed and what was to follow.
#[derive(Debug)]
pub(crate) struct Outcome<C, T> {
    pub(crate) result: Result<Offset, AppendFailed>,
    pub(crate) changes: Vec<C>,
    pub(crate) then: T,
}

#[derive(Debug)]
enum InFlight<C, T> {
    Changes { changes: Vec<C>, then: T },
    Snapshot { last: bool },
}

/// An append on its way, and its outcome if that came before those of appends in front of it.
#[derive(Debug)]
struct Sent<C, T> {
    token: AppendToken,
    entry: InFlight<C, T>,
    result: Option<Result<Offset, AppendFailed>>,
}

#[derive(Debug)]
struct Lane<C, T> {
    loading: bool,
    in_flight: VecDeque<Sent<C, T>>,
    held: VecDeque<(Vec<C>, T)>,
    records_since_snapshot: u64,
    snapshot_wanted: bool,
    /// Where the snapshot under way begins; `None` once a part of it failed.
    snapshot_begin: Option<Offset>,
    snapshot_failed: bool,
}

/// All partitions of one coordinator. `C`: a change. `T`: what follows an append.
#[derive(Debug)]
pub(crate) struct Journal<C, T> {
    lanes: BTreeMap<PartitionId, Lane<C, T>>,
    partition_of: BTreeMap<AppendToken, PartitionId>,
    next_token: u64,
    outputs: VecDeque<Output>,
    snapshot_records: u64,
}

/// A snapshot is cut into appends of about so many bytes, as a batch is bounded.
const SNAPSHOT_APPEND_BYTES: usize = 256 * 1024;

impl<C: Change, T> Journal<C, T> {
    pub(crate) fn new(snapshot_records: u64) -> Self {
        Self {
            lanes: BTreeMap::new(),
            partition_of: BTreeMap::new(),
            next_token: 0,
            outputs: VecDeque::new(),
            snapshot_records: snapshot_records.max(1),
        }
    }

    pub(crate) fn begin_load(&mut self, partition: PartitionId) {
        let lane = Lane {
            loading: true,
            in_flight: VecDeque::new(),
            held: VecDeque::new(),
            records_since_snapshot: 0,
            snapshot_wanted: false,
            snapshot_begin: None,
            snapshot_failed: false,
        };
        self.lanes.insert(partition, lane);
    }

    /// Counts a replayed record, and says whether the partition is loading at all.
    pub(crate) fn count_replayed(&mut self, partition: PartitionId) -> bool {
        let Some(lane) = self.lanes.get_mut(&partition).filter(|lane| lane.loading) else { return false };
        lane.records_since_snapshot += 1;
        true
    }

    pub(crate) fn finish_load(&mut self, partition: PartitionId) {
        if let Some(lane) = self.lanes.get_mut(&partition) {
            lane.loading = false;
        }
    }

    /// Gives up a partition; returns what was to follow the appends that are on their way.
    pub(crate) fn unload(&mut self, partition: PartitionId) -> Vec<T> {
        self.partition_of.retain(|_, of| *of != partition);
        self.outputs.retain(|output| match output {
            Output::Append { partition: of, .. } | Output::Trim { partition: of, .. } => *of != partition,
        });
        let Some(lane) = self.lanes.remove(&partition) else { return Vec::new() };
        let in_flight = lane.in_flight.into_iter().filter_map(|sent| match sent.entry {
            InFlight::Changes { then, .. } => Some(then),
            InFlight::Snapshot { .. } => None,
        });
        in_flight.chain(lane.held.into_iter().map(|(_, then)| then)).collect()
    }

    /// Whether the partition is ours and loaded.
    pub(crate) fn check_ready(&self, partition: PartitionId) -> Result<(), Refusal> {
        match self.lanes.get(&partition) {
            None => Err(Refusal::NotCoordinator),
            Some(lane) if lane.loading => Err(Refusal::CoordinatorLoadInProgress),
            Some(_) => Ok(()),
        }
    }

    /// The partitions that are ours and loaded.
    pub(crate) fn ready(&self) -> impl Iterator<Item = PartitionId> + '_ {
        self.lanes.iter().filter(|(_, lane)| !lane.loading).map(|(partition, _)| *partition)
    }

    /// Sends `changes` on their way, or holds them behind a snapshot.
    pub(crate) fn append(&mut self, partition: PartitionId, changes: Vec<C>, then: T) {
        let lane = self.lanes.get_mut(&partition).expect("only a partition that was checked to be ready is appended to");
        assert!(!lane.loading && !changes.is_empty(), "an append has changes and a loaded partition");
        if lane.snapshot_wanted {
            lane.held.push_back((changes, then));
            return;
        }
        lane.records_since_snapshot += changes.len() as u64;
        let records = changes.iter().map(Change::record).collect();
        self.send(partition, records, InFlight::Changes { changes, then });
    }

    fn send(&mut self, partition: PartitionId, records: Vec<Record>, entry: InFlight<C, T>) {
        let token = AppendToken(self.next_token);
        self.next_token += 1;
        self.partition_of.insert(token, partition);
        let sent = Sent { token, entry, result: None };
        self.lanes.get_mut(&partition).expect("the caller holds this partition").in_flight.push_back(sent);
        self.outputs.push_back(Output::Append { partition, records, token });
    }

    /// Takes the outcome of an append: its records are in the log from this offset on, or never will be.
    ///
    /// What follows is taken with [`Journal::next_outcome`]. An outcome that comes before those of appends in front of it, such as a refusal
    /// that needs no I/O, waits for them: state is folded in the order of the log. One of a partition given up meanwhile is dropped.
    pub(crate) fn on_appended(&mut self, token: AppendToken, result: Result<Offset, AppendFailed>) -> Option<PartitionId> {
        let partition = self.partition_of.remove(&token)?;
        let sent = self.lanes.get_mut(&partition)?.in_flight.iter_mut().find(|sent| sent.token == token)?;
        sent.result = Some(result);
        Some(partition)
    }

    /// The next append of the partition that has an outcome, and nothing without one in front of it.
    pub(crate) fn next_outcome(&mut self, partition: PartitionId) -> Option<Outcome<C, T>> {
        loop {
            let lane = self.lanes.get_mut(&partition)?;
            let result = lane.in_flight.front()?.result?;
            match lane.in_flight.pop_front()?.entry {
                InFlight::Changes { changes, then } => return Some(Outcome { result, changes, then }),
                InFlight::Snapshot { last } => self.on_snapshot_part(partition, last, result),
            }
        }
    }

    fn on_snapshot_part(&mut self, partition: PartitionId, last: bool, result: Result<Offset, AppendFailed>) {
        let Some(lane) = self.lanes.get_mut(&partition) else { return };
        match result {
            Ok(offset) => lane.snapshot_begin = lane.snapshot_begin.or(Some(offset)),
            Err(_) => lane.snapshot_failed = true,
        }
        if last && !std::mem::take(&mut lane.snapshot_failed) {
            let below = lane.snapshot_begin.take().expect("a snapshot has a part, and none failed");
            self.outputs.push_back(Output::Trim { partition, below });
        }
    }

    /// Asks for a snapshot whatever the counts say.
    pub(crate) fn want_snapshot(&mut self, partition: PartitionId) {
        if let Some(lane) = self.lanes.get_mut(&partition) {
            lane.snapshot_wanted = !lane.loading;
        }
    }

    /// Whether a snapshot is to be written now, for a partition whose state has `keys` keys.
    pub(crate) fn is_snapshot_due(&mut self, partition: PartitionId, keys: usize) -> bool {
        let bound = self.snapshot_records.max(keys as u64);
        let Some(lane) = self.lanes.get_mut(&partition).filter(|lane| !lane.loading) else { return false };
        lane.snapshot_wanted |= lane.records_since_snapshot > bound;
        lane.snapshot_wanted && lane.in_flight.is_empty()
    }

    /// Sends a snapshot on its way, and what was held behind it.
    pub(crate) fn write_snapshot(&mut self, partition: PartitionId, state: impl Iterator<Item = C>) {
        let mut parts: Vec<Vec<Record>> = Vec::new();
        let mut bytes = usize::MAX;
        for record in state.map(|change| change.record()) {
            let length = record.key.len() + record.value.as_ref().map_or(0, bytes::Bytes::len);
            if bytes.saturating_add(length) > SNAPSHOT_APPEND_BYTES {
                parts.push(Vec::new());
                bytes = 0;
            }
            bytes += length;
            parts.last_mut().expect("pushed when the first record came").push(record);
        }
        let lane = self.lanes.get_mut(&partition).expect("a snapshot that is due has its partition");
        lane.snapshot_wanted = false;
        lane.records_since_snapshot = 0;
        (lane.snapshot_begin, lane.snapshot_failed) = (None, false);
        let held = std::mem::take(&mut lane.held);
        let last = parts.len().saturating_sub(1);
        for (index, records) in parts.into_iter().enumerate() {
            self.send(partition, records, InFlight::Snapshot { last: index == last });
        }
        for (changes, then) in held {
            self.append(partition, changes, then);
        }
    }

    pub(crate) fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Number(u8);

    impl Change for Number {
        fn record(&self) -> Record {
            Record { key: vec![self.0].into(), value: None }
        }
    }

    const AT: PartitionId = PartitionId(0);

    fn journal() -> Journal<Number, u8> {
        let mut journal = Journal::new(100);
        journal.begin_load(AT);
        journal.finish_load(AT);
        journal
    }

    fn sent(journal: &mut Journal<Number, u8>) -> Vec<AppendToken> {
        std::iter::from_fn(|| journal.poll())
            .filter_map(|output| match output {
                Output::Append { token, .. } => Some(token),
                Output::Trim { .. } => None,
            })
            .collect()
    }

    fn outcomes(journal: &mut Journal<Number, u8>) -> Vec<(u8, bool)> {
        std::iter::from_fn(|| journal.next_outcome(AT)).map(|outcome| (outcome.then, outcome.result.is_ok())).collect()
    }

    #[test]
    fn an_outcome_waits_for_those_in_front_of_it() {
        let mut journal = journal();
        for number in 0..3 {
            journal.append(AT, vec![Number(number)], number);
        }
        let tokens = sent(&mut journal);
        journal.on_appended(tokens[1], Err(AppendFailed::TooLarge));
        assert_eq!(outcomes(&mut journal), []);
        journal.on_appended(tokens[0], Ok(Offset(0)));
        assert_eq!(outcomes(&mut journal), [(0, true), (1, false)]);
        journal.on_appended(tokens[2], Ok(Offset(1)));
        assert_eq!(outcomes(&mut journal), [(2, true)]);
    }

    #[test]
    fn a_large_snapshot_goes_out_in_parts_and_trims_below_the_first() {
        struct Wide;
        impl Change for Wide {
            fn record(&self) -> Record {
                Record { key: vec![0; 100 * 1024].into(), value: None }
            }
        }
        let mut wide = Journal::<Wide, u8>::new(100);
        wide.begin_load(AT);
        wide.finish_load(AT);
        wide.want_snapshot(AT);
        wide.append(AT, vec![Wide], 7);
        assert!(wide.is_snapshot_due(AT, 0));
        wide.write_snapshot(AT, (0..5).map(|_| Wide));
        let parts: Vec<_> = std::iter::from_fn(|| wide.poll()).collect();
        let counts: Vec<_> = parts.iter().map(|part| if let Output::Append { records, .. } = part { records.len() } else { 0 }).collect();
        assert_eq!(counts, [2, 2, 1, 1], "five records of the snapshot, then what was held behind it");
        for (part, at) in parts.iter().zip([10, 12, 14, 15]) {
            let Output::Append { token, .. } = part else { panic!("nothing to trim yet") };
            wide.on_appended(*token, Ok(Offset(at)));
        }
        assert_eq!(std::iter::from_fn(|| wide.next_outcome(AT)).map(|outcome| outcome.then).collect::<Vec<_>>(), [7]);
        assert!(matches!(wide.poll(), Some(Output::Trim { below: Offset(10), .. })));
    }

    #[test]
    fn outcomes_of_a_partition_given_up_are_dropped() {
        let mut journal = journal();
        journal.append(AT, vec![Number(0)], 0);
        let tokens = sent(&mut journal);
        assert_eq!(journal.unload(AT), [0]);
        journal.begin_load(AT);
        assert_eq!(journal.on_appended(tokens[0], Ok(Offset(0))), None);
        assert_eq!(outcomes(&mut journal), []);
    }
}
