//! [`Session`]: an incremental fetch session (KIP-227), the client's half. Only what changed is said again.

use std::collections::BTreeMap;

use units::{LeaderEpoch, Offset, PartitionId, TopicId};
use wire::{
    ErrorCode, FetchRequest,
    fetch::{FetchPartition, FetchTopic, ForgottenTopic},
};

/// A partition as brokers name it from Fetch version 13 on.
pub(super) type Key = (TopicId, PartitionId);

/// What is wanted of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) offset: Offset,
    pub(super) leader_epoch: LeaderEpoch,
    pub(super) bytes_max: i32,
}

/// What the broker remembers of what is wanted.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// 0: the broker remembers nothing, so everything is said.
    id: i32,
    epoch: i32,
    remembered: BTreeMap<Key, Wanted>,
}

impl Session {
    /// Fills partitions and session numbers of the next request, which asks for exactly `wanted`.
    pub(super) fn ask(&mut self, request: &mut FetchRequest, wanted: &BTreeMap<Key, Wanted>) {
        request.session_id = self.id;
        request.session_epoch = self.epoch;
        let is_new = |(key, want): &(&Key, &Wanted)| self.id == 0 || self.remembered.get(*key) != Some(*want);
        request.topics = topics(wanted.iter().filter(is_new));
        let is_forgotten = |(key, _): &(&Key, &Wanted)| self.id != 0 && !wanted.contains_key(*key);
        request.forgotten_topics_data = forgotten(self.remembered.iter().filter(is_forgotten).map(|(key, _)| *key));
        self.remembered.clone_from(wanted);
    }

    /// The answer came. False where the session was refused and the same is to be asked again, all of it.
    pub(super) fn answered(&mut self, code: ErrorCode, session_id: i32) -> bool {
        let is_refused =
            matches!(code, ErrorCode::FetchSessionIdNotFound | ErrorCode::InvalidFetchSessionEpoch | ErrorCode::FetchSessionTopicIdError);
        if is_refused || code != ErrorCode::None {
            self.reset();
            return !is_refused;
        }
        if self.id == 0 {
            self.id = session_id;
        }
        // Epoch 0 asks for a new session, so after the largest comes 1.
        self.epoch = if self.id == 0 { 0 } else { self.epoch.checked_add(1).unwrap_or(1) };
        true
    }

    /// The broker may or may not have seen the last request: everything is said again.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}

fn topics<'a>(wanted: impl Iterator<Item = (&'a Key, &'a Wanted)>) -> Vec<FetchTopic> {
    let mut topics: Vec<FetchTopic> = Vec::new();
    for ((topic_id, partition), want) in wanted {
        if topics.last().is_none_or(|last| last.topic_id != *topic_id) {
            topics.push(FetchTopic { topic_id: *topic_id, ..Default::default() });
        }
        let partition = FetchPartition {
            partition: *partition,
            fetch_offset: want.offset,
            current_leader_epoch: want.leader_epoch,
            partition_max_bytes: want.bytes_max,
            ..Default::default()
        };
        topics.last_mut().expect("one was just put there").partitions.push(partition);
    }
    topics
}

fn forgotten(keys: impl Iterator<Item = Key>) -> Vec<ForgottenTopic> {
    let mut topics: Vec<ForgottenTopic> = Vec::new();
    for (topic_id, partition) in keys {
        if topics.last().is_none_or(|last| last.topic_id != topic_id) {
            topics.push(ForgottenTopic { topic_id, ..Default::default() });
        }
        topics.last_mut().expect("one was just put there").partitions.push(partition);
    }
    topics
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(partitions: &[(u8, i32, i64)]) -> BTreeMap<Key, Wanted> {
        let want = |offset| Wanted { offset: Offset(offset), leader_epoch: LeaderEpoch(1), bytes_max: 100 };
        partitions.iter().map(|(topic, partition, offset)| ((TopicId([*topic; 16]), PartitionId(*partition)), want(*offset))).collect()
    }

    /// Session numbers, offsets said and partitions forgotten.
    fn ask(session: &mut Session, partitions: &[(u8, i32, i64)]) -> ((i32, i32), Vec<i64>, usize) {
        let mut request = FetchRequest::default();
        session.ask(&mut request, &wanted(partitions));
        let said = request.topics.iter().flat_map(|topic| &topic.partitions).map(|partition| partition.fetch_offset.0).collect();
        let forgotten = request.forgotten_topics_data.iter().map(|topic| topic.partitions.len()).sum();
        ((request.session_id, request.session_epoch), said, forgotten)
    }

    #[test]
    fn only_what_changed_is_said_again() {
        let mut session = Session::default();
        assert_eq!(ask(&mut session, &[(1, 0, 10), (1, 1, 20), (2, 0, 30)]), ((0, 0), vec![10, 20, 30], 0));
        assert!(session.answered(ErrorCode::None, 77));
        assert_eq!(ask(&mut session, &[(1, 0, 10), (1, 1, 25), (2, 0, 30)]), ((77, 1), vec![25], 0));
        assert!(session.answered(ErrorCode::None, 77));
        assert_eq!(ask(&mut session, &[(1, 1, 25), (3, 0, 5)]), ((77, 2), vec![5], 2));
        assert!(session.answered(ErrorCode::None, 77));
        assert_eq!(ask(&mut session, &[(1, 1, 25), (3, 0, 5)]), ((77, 3), vec![], 0));
    }

    #[test]
    fn a_broker_that_gives_no_session_is_told_everything_each_time() {
        let mut session = Session::default();
        for _ in 0..3 {
            assert_eq!(ask(&mut session, &[(1, 0, 10)]), ((0, 0), vec![10], 0));
            assert!(session.answered(ErrorCode::None, 0));
        }
    }

    #[test]
    fn a_session_that_is_refused_or_in_doubt_starts_again() {
        for code in [ErrorCode::FetchSessionIdNotFound, ErrorCode::InvalidFetchSessionEpoch, ErrorCode::FetchSessionTopicIdError] {
            let mut session = Session::default();
            ask(&mut session, &[(1, 0, 10)]);
            assert!(session.answered(ErrorCode::None, 5));
            ask(&mut session, &[(1, 0, 10)]);
            assert!(!session.answered(code, 0));
            assert_eq!(ask(&mut session, &[(1, 0, 10)]), ((0, 0), vec![10], 0));
        }
        let mut session = Session::default();
        ask(&mut session, &[(1, 0, 10)]);
        assert!(session.answered(ErrorCode::None, 5));
        session.reset();
        assert_eq!(ask(&mut session, &[(1, 0, 10)]), ((0, 0), vec![10], 0));
    }

    #[test]
    fn the_epoch_goes_round_and_leaves_zero_out() {
        let mut session = Session { id: 5, epoch: i32::MAX, ..Session::default() };
        assert!(session.answered(ErrorCode::None, 5));
        assert_eq!(session.epoch, 1);
    }
}
