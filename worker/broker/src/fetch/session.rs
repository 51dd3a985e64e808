//! Incremental fetch sessions (KIP-227): a consumer names its partitions once, then only what changes. Sans-IO.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use log::TopicPartitionId;
use units::{LeaderEpoch, Offset, PartitionId, TopicId, TopicName};
use wire::ErrorCode;

use crate::catalogue::Catalogue;

/// Epoch that asks for a new session, or says that none is wanted ([`FINAL_EPOCH`]).
pub(crate) const INITIAL_EPOCH: i32 = 0;
/// Epoch of a fetch outside sessions; with a session id it closes that session.
pub(crate) const FINAL_EPOCH: i32 = -1;
/// A session that was silent for this long may be replaced by a newcomer (Kafka's two minutes).
const EVICTABLE_AFTER: Duration = Duration::from_secs(120);

/// A partition as the fetching client names it: by id from version 13 on, by name before.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FetchKey {
    pub(crate) topic: FetchTopic,
    pub(crate) partition: PartitionId,
}

/// How the topic is named.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum FetchTopic {
    Id(TopicId),
    Name(TopicName),
}

/// The log's partition behind a key.
pub(crate) fn resolve(catalogue: &Catalogue, key: &FetchKey) -> Result<TopicPartitionId, ErrorCode> {
    let topic = match &key.topic {
        FetchTopic::Id(id) => catalogue.by_id(*id).ok_or(ErrorCode::UnknownTopicId)?,
        FetchTopic::Name(name) => catalogue.get(name.as_str()).ok_or(ErrorCode::UnknownTopicOrPartition)?,
    };
    topic.partition(key.partition).ok_or(ErrorCode::UnknownTopicOrPartition)
}

/// What a client wants of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) from: Offset,
    pub(crate) bytes_max: i32,
    /// Where the client last saw the log start; -1 for a consumer.
    pub(crate) log_start: Offset,
    pub(crate) leader_epoch: Option<LeaderEpoch>,
}

/// What was last told about a partition: it is told again only when something changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) high_watermark: Offset,
    pub(crate) log_start: Offset,
}

#[derive(Debug)]
struct Session {
    epoch: i32,
    last_used: Instant,
    in_order: Vec<FetchKey>,
    wanted: HashMap<FetchKey, (Wanted, Option<Told>)>,
}

/// What to do with a fetch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Answer all of these; no session (id 0).
    Sessionless(Vec<(FetchKey, Wanted)>),
    /// A new session: answer all of these under its id.
    Full { id: i32, partitions: Vec<(FetchKey, Wanted)> },
    /// A running session: answer those of these that changed.
    Incremental { id: i32, partitions: Vec<(FetchKey, Wanted)> },
    /// FETCH_SESSION_ID_NOT_FOUND: the client starts a new one.
    UnknownId,
    /// INVALID_FETCH_SESSION_EPOCH: the client starts a new one.
    InvalidEpoch,
}

/// All sessions of a broker, bounded in number and in partitions.
#[derive(Debug)]
pub(crate) struct Sessions {
    sessions: BTreeMap<i32, Session>,
    sessions_max: usize,
    partitions_max: usize,
    partitions: usize,
    next_id: i32,
}

impl Sessions {
    /// `first_id` should differ between starts of the broker, so that a session of the last one is not mistaken for one of this.
    pub(crate) fn new(sessions_max: usize, partitions_max: usize, first_id: i32) -> Self {
        Self { sessions: BTreeMap::new(), sessions_max, partitions_max, partitions: 0, next_id: first_id.max(1) }
    }

    /// Takes a fetch request's session part.
    pub(crate) fn plan(&mut self, now: Instant, id: i32, epoch: i32, wanted: Vec<(FetchKey, Wanted)>, forgotten: &[FetchKey]) -> Plan {
        if epoch == FINAL_EPOCH {
            self.close(id);
            return Plan::Sessionless(wanted);
        }
        if epoch == INITIAL_EPOCH {
            self.close(id);
            return self.open(now, wanted);
        }
        let Some(session) = self.sessions.get_mut(&id) else { return Plan::UnknownId };
        if session.epoch != epoch {
            return Plan::InvalidEpoch;
        }
        let before = session.in_order.len();
        session.epoch = if epoch == i32::MAX { 1 } else { epoch + 1 };
        session.last_used = now;
        session.forget(forgotten);
        session.want(wanted);
        let partitions = session.listed();
        self.partitions = self.partitions + partitions.len() - before;
        if self.partitions > self.partitions_max {
            self.close(id);
            return Plan::UnknownId;
        }
        Plan::Incremental { id, partitions }
    }

    /// What a partition of a session was last told.
    pub(crate) fn told(&self, id: i32, key: &FetchKey) -> Option<Told> {
        self.sessions.get(&id)?.wanted.get(key)?.1
    }

    /// Remembers what an answer says of a partition. `has_data` moves the partition behind the others, so that each gets its turn.
    pub(crate) fn tell(&mut self, id: i32, key: &FetchKey, told: Option<Told>, has_data: bool) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if let Some((_, last)) = session.wanted.get_mut(key) {
            *last = told;
        }
        if has_data && let Some(index) = session.in_order.iter().position(|known| known == key) {
            let key = session.in_order.remove(index);
            session.in_order.push(key);
        }
    }

    fn open(&mut self, now: Instant, wanted: Vec<(FetchKey, Wanted)>) -> Plan {
        let room = |sessions: &Self| {
            sessions.sessions.len() < sessions.sessions_max && sessions.partitions + wanted.len() <= sessions.partitions_max
        };
        while !room(self) {
            let oldest = self.sessions.iter().min_by_key(|(_, session)| session.last_used).map(|(id, session)| (*id, session.last_used));
            match oldest {
                Some((id, last_used)) if now.duration_since(last_used) > EVICTABLE_AFTER => self.close(id),
                _ => return Plan::Sessionless(wanted),
            }
        }
        let id = self.next_id;
        self.next_id = if id == i32::MAX { 1 } else { id + 1 };
        let mut session = Session { epoch: 1, last_used: now, in_order: Vec::new(), wanted: HashMap::new() };
        session.want(wanted);
        let partitions = session.listed();
        self.partitions += partitions.len();
        self.sessions.insert(id, session);
        Plan::Full { id, partitions }
    }

    fn close(&mut self, id: i32) {
        if let Some(session) = self.sessions.remove(&id) {
            self.partitions -= session.in_order.len();
        }
    }
}

impl Session {
    fn want(&mut self, wanted: Vec<(FetchKey, Wanted)>) {
        for (key, wanted) in wanted {
            match self.wanted.get_mut(&key) {
                Some((known, _)) => *known = wanted,
                None => {
                    self.in_order.push(key.clone());
                    self.wanted.insert(key, (wanted, None));
                }
            }
        }
    }

    fn forget(&mut self, forgotten: &[FetchKey]) {
        for key in forgotten {
            if self.wanted.remove(key).is_some() {
                self.in_order.retain(|known| known != key);
            }
        }
    }

    fn listed(&self) -> Vec<(FetchKey, Wanted)> {
        self.in_order.iter().map(|key| (key.clone(), self.wanted[key].0)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(partition: i32) -> FetchKey {
        FetchKey { topic: FetchTopic::Id(TopicId([7; 16])), partition: PartitionId(partition) }
    }

    fn wanted(from: i64) -> Wanted {
        Wanted { from: Offset(from), bytes_max: 1 << 20, log_start: Offset(-1), leader_epoch: None }
    }

    fn open(sessions: &mut Sessions, now: Instant, partitions: i32) -> i32 {
        let all = (0..partitions).map(|index| (key(index), wanted(0))).collect();
        match sessions.plan(now, 0, INITIAL_EPOCH, all, &[]) {
            Plan::Full { id, .. } => id,
            other => panic!("no session was opened: {other:?}"),
        }
    }

    #[test]
    fn a_session_remembers_what_is_not_named_again() {
        let (now, mut sessions) = (Instant::now(), Sessions::new(10, 100, 5));
        let id = open(&mut sessions, now, 3);
        let plan = sessions.plan(now, id, 1, vec![(key(1), wanted(40))], &[key(0)]);
        assert_eq!(plan, Plan::Incremental { id, partitions: vec![(key(1), wanted(40)), (key(2), wanted(0))] });
    }

    #[test]
    fn a_wrong_epoch_and_an_unknown_id_are_told_apart() {
        let (now, mut sessions) = (Instant::now(), Sessions::new(10, 100, 5));
        let id = open(&mut sessions, now, 1);
        assert_eq!(sessions.plan(now, id, 7, vec![], &[]), Plan::InvalidEpoch);
        assert_eq!(sessions.plan(now, id + 1, 1, vec![], &[]), Plan::UnknownId);
    }

    #[test]
    fn a_partition_that_gave_data_waits_behind_the_others() {
        let (now, mut sessions) = (Instant::now(), Sessions::new(10, 100, 5));
        let id = open(&mut sessions, now, 3);
        sessions.tell(id, &key(0), None, true);
        let Plan::Incremental { partitions, .. } = sessions.plan(now, id, 1, vec![], &[]) else { panic!("the session is gone") };
        assert_eq!(partitions.iter().map(|(key, _)| key.partition.0).collect::<Vec<_>>(), [1, 2, 0]);
    }

    #[test]
    fn a_full_house_serves_newcomers_without_a_session_until_one_falls_silent() {
        let (now, mut sessions) = (Instant::now(), Sessions::new(1, 100, 5));
        let first = open(&mut sessions, now, 1);
        assert!(matches!(sessions.plan(now, 0, INITIAL_EPOCH, vec![(key(0), wanted(0))], &[]), Plan::Sessionless(_)));
        let later = now + EVICTABLE_AFTER + Duration::from_millis(1);
        assert_ne!(open(&mut sessions, later, 1), first);
        assert_eq!(sessions.plan(later, first, 1, vec![], &[]), Plan::UnknownId);
    }

    #[test]
    fn partitions_are_counted_through_every_change() {
        let (now, mut sessions) = (Instant::now(), Sessions::new(10, 4, 5));
        let id = open(&mut sessions, now, 3);
        sessions.plan(now, id, 1, vec![(key(9), wanted(0))], &[key(0)]);
        assert_eq!(sessions.partitions, 3);
        assert_eq!(sessions.plan(now, id, 2, vec![(key(10), wanted(0)), (key(11), wanted(0))], &[]), Plan::UnknownId);
        assert_eq!(sessions.partitions, 0);
    }
}
