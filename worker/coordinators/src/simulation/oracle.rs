//! What must hold, judged from the logs and from what is answered, by a second and simpler reading of both.

use std::collections::{BTreeMap, BTreeSet};

use units::{GroupId, Offset, ProducerEpoch, ProducerId, TopicPartition, TransactionalId};

use crate::{
    Outcome, Record,
    groups::{self, Generation, MemberId, Synced},
    transactions::{self, Producer, TransactionState},
};

/// Names one transaction, or one plain commit, of one client.
pub(crate) type Tag = u64;

/// Where something of a transaction is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Data(i32),
    Group(GroupId, TopicPartition),
}

#[derive(Clone, Debug)]
struct Staged {
    producer: ProducerId,
    epoch: ProducerEpoch,
    group: GroupId,
    partition: TopicPartition,
    position: Offset,
    tag: Tag,
}

/// An independent account of everything.
#[derive(Default)]
pub(crate) struct Oracle {
    /// What became of each transaction in each place it reached; `None` while it is open there.
    pub(crate) ledger: BTreeMap<Tag, BTreeMap<Place, Option<Outcome>>>,
    /// What clients were told of their transactions.
    pub(crate) told: BTreeMap<Tag, Outcome>,
    visible: BTreeMap<(GroupId, TopicPartition), (Offset, Tag)>,
    ever_durable: BTreeSet<Tag>,
    staged: Vec<Staged>,
    /// By partition and producer: its epoch, and its coordinator's.
    group_epochs: BTreeMap<(i32, ProducerId), (ProducerEpoch, i32)>,
    generations: BTreeMap<GroupId, groups::record::StoredGroup>,
    handed_out: BTreeMap<(GroupId, Generation), BTreeMap<String, bytes::Bytes>>,
    transactions: BTreeMap<TransactionalId, transactions::record::Stored>,
    latest: BTreeMap<TransactionalId, Producer>,
    given: BTreeSet<Producer>,
}

/// The text a client puts beside an offset: which transaction, which generation, which member.
pub(crate) fn metadata(tag: Tag, generation: Generation, member: &MemberId) -> String {
    format!("{tag}|{generation}|{member}")
}

fn parse(metadata: &str) -> (Tag, Generation, MemberId) {
    let mut parts = metadata.splitn(3, '|');
    let mut part = || parts.next().unwrap();
    (part().parse().unwrap(), Generation(part().parse().unwrap()), MemberId::from(part()))
}

impl Oracle {
    /// A record of the group coordinator's is durable.
    pub(crate) fn on_group_record(&mut self, partition: i32, at: Offset, record: &Record) {
        use groups::record::Change;
        match groups::record::read(&record.key, record.value.as_deref()).unwrap() {
            Change::Group(group, Some(stored)) => {
                self.generations.insert(group, stored);
            }
            Change::Group(group, None) => {
                assert!(!self.staged.iter().any(|staged| staged.group == group), "an offset in an open transaction of {group} expired");
                self.generations.remove(&group);
                self.visible.retain(|(of, _), _| *of != group);
                // A group that comes again under this name counts anew; its members have other ids.
                self.handed_out.retain(|(of, _), _| *of != group);
            }
            Change::Offset(group, partition, Some(offset)) => {
                let (tag, generation, member) = parse(&offset.metadata);
                self.ever_durable.insert(tag);
                if offset.written_at == groups::record::OWN_OFFSET {
                    self.check_commit(&group, generation, &member);
                    self.make_visible(group, partition, at, tag);
                }
            }
            Change::Offset(group, partition, None) => {
                self.visible.remove(&(group, partition));
            }
            Change::Staged(producer, group, topic_partition, Some(staged)) => {
                self.on_staged(partition, at, producer, group, topic_partition, &staged);
            }
            Change::Staged(producer, group, partition, None) => {
                self.staged.retain(|staged| staged.producer != producer || staged.group != group || staged.partition != partition);
            }
            Change::Producer(producer, Some(stored)) => {
                let known = self.group_epochs.entry((partition, producer)).or_insert((stored.epoch, stored.coordinator_epoch));
                if let Some((outcome, epoch)) = stored.ended
                    && stored.epoch >= known.0
                    && stored.coordinator_epoch >= known.1
                {
                    *known = (stored.epoch, stored.coordinator_epoch);
                    self.on_group_end(partition, producer, epoch, outcome);
                }
            }
            Change::Producer(producer, None) => {
                self.group_epochs.remove(&(partition, producer));
            }
        }
    }

    fn on_staged(
        &mut self,
        log: i32,
        at: Offset,
        producer: ProducerId,
        group: GroupId,
        partition: TopicPartition,
        staged: &groups::record::StagedOffset,
    ) {
        if staged.offset.written_at != groups::record::OWN_OFFSET && staged.offset.written_at != Offset(i64::MAX) {
            return; // a snapshot
        }
        let known = self.group_epochs.entry((log, producer)).or_insert((staged.epoch, -1));
        if staged.epoch < known.0 {
            return;
        }
        known.0 = staged.epoch;
        let (tag, generation, member) = parse(&staged.offset.metadata);
        self.check_commit(&group, generation, &member);
        self.ever_durable.insert(tag);
        self.place(tag, Place::Group(group.clone(), partition.clone()));
        self.staged.retain(|other| other.producer != producer || other.group != group || other.partition != partition);
        self.staged.push(Staged { producer, epoch: staged.epoch, group, partition, position: at, tag });
    }

    fn on_group_end(&mut self, log: i32, producer: ProducerId, epoch: ProducerEpoch, outcome: Outcome) {
        let count = super::world::GROUP_PARTITIONS;
        let is_ended = |staged: &Staged| {
            staged.producer == producer && staged.epoch <= epoch && crate::partition_for(staged.group.as_str(), count).0 == log
        };
        let (ended, open): (Vec<_>, Vec<_>) = std::mem::take(&mut self.staged).into_iter().partition(is_ended);
        self.staged = open;
        for staged in ended {
            self.resolve(staged.tag, Place::Group(staged.group.clone(), staged.partition.clone()), outcome);
            if outcome == Outcome::Commit {
                self.make_visible(staged.group, staged.partition, staged.position, staged.tag);
            }
        }
    }

    fn make_visible(&mut self, group: GroupId, partition: TopicPartition, position: Offset, tag: Tag) {
        let present = self.visible.entry((group, partition)).or_insert((position, tag));
        if position >= present.0 {
            *present = (position, tag);
        }
    }

    /// A member that is fenced never commits: its generation is the last durable one or a later one, and it is in it.
    fn check_commit(&self, group: &GroupId, generation: Generation, member: &MemberId) {
        let Some(stored) = self.generations.get(group).filter(|_| generation >= Generation(0)) else { return };
        assert!(generation >= stored.generation, "{member} committed to {group} in {generation} after {}", stored.generation);
        let is_member = stored.members.iter().any(|known| known.id == *member);
        assert!(generation > stored.generation || is_member, "{member} committed to {group} in {generation} without being in it");
    }

    /// A record of the transaction coordinator's is durable.
    pub(crate) fn on_transaction_record(&mut self, record: &Record) {
        use transactions::record::Change;
        if let Change::Transaction(id, stored) = transactions::record::read(&record.key, record.value.as_deref()).unwrap() {
            match stored {
                Some(stored) => {
                    self.transactions.insert(id, stored);
                }
                None => {
                    self.transactions.remove(&id);
                }
            }
        }
    }

    /// A marker has been asked for: its decision is durable.
    pub(crate) fn check_markers(&self, markers: &transactions::Markers) {
        let stored = self.transactions.get(&markers.transactional_id).expect("a marker is of a known transaction");
        let is_decided = stored.decided() == Some(markers.outcome) && stored.producer == markers.producer;
        assert!(is_decided, "marker {markers:?} before its decision is durable: {stored:?}");
    }

    /// Every transaction that is complete is so in every place.
    pub(crate) fn check_complete(&self, open: &dyn Fn(ProducerId, ProducerEpoch) -> Option<Tag>) {
        for (id, stored) in &self.transactions {
            if !matches!(stored.state, TransactionState::CompleteCommit | TransactionState::CompleteAbort) {
                continue;
            }
            let owner = stored
                .previous
                .filter(|_| stored.next_id.is_none() && stored.producer.epoch == ProducerEpoch(0))
                .unwrap_or(stored.producer);
            assert_eq!(open(owner.id, stored.transaction_epoch), None, "{id} is complete, but open in a partition");
            let left = self.staged.iter().find(|staged| staged.producer == owner.id && staged.epoch <= stored.transaction_epoch);
            assert!(left.is_none(), "{id} is complete, but {left:?} is staged");
        }
    }

    /// Something of a transaction is in a place.
    pub(crate) fn place(&mut self, tag: Tag, place: Place) {
        let outcome = self.ledger.entry(tag).or_default().entry(place.clone()).or_insert(None);
        assert_eq!(*outcome, None, "transaction {tag} goes on in {place:?} after it ended there");
    }

    pub(crate) fn resolve(&mut self, tag: Tag, place: Place, outcome: Outcome) {
        let places = self.ledger.get_mut(&tag).expect("what ends was placed");
        assert!(places.values().flatten().all(|other| *other == outcome), "transaction {tag} is {outcome:?} in {place:?}, else {places:?}");
        places.insert(place, Some(outcome));
    }

    pub(crate) fn visible(&self, group: &GroupId) -> BTreeMap<TopicPartition, Tag> {
        self.visible.iter().filter(|((of, _), _)| of == group).map(|((_, partition), (_, tag))| (partition.clone(), *tag)).collect()
    }

    pub(crate) fn groups(&self) -> BTreeSet<GroupId> {
        self.visible.keys().map(|(group, _)| group.clone()).collect()
    }

    /// A stable fetch was answered.
    pub(crate) fn check_stable(&self, group: &GroupId, partition: &TopicPartition) {
        let staged = self.staged.iter().find(|staged| staged.group == *group && staged.partition == *partition);
        assert!(staged.is_none(), "a stable fetch of {partition} did not see {staged:?}");
    }

    /// A plain commit was answered.
    pub(crate) fn check_durable(&self, tag: Tag) {
        assert!(self.ever_durable.contains(&tag), "commit {tag} was answered before it was durable");
    }

    /// An assignment was handed out: durable, and the only one of its generation.
    pub(crate) fn on_synced(&mut self, group: &GroupId, generation: Generation, member: &MemberId, name: &str, synced: &Synced) {
        let durable = self.generations.get(group).filter(|stored| stored.generation == generation);
        let theirs = durable.and_then(|stored| stored.members.iter().find(|known| known.id == *member));
        assert_eq!(
            theirs.map(|known| &known.assignment),
            Some(&synced.assignment),
            "{member} was told of {group} {generation} what is not durable"
        );
        let all = self.handed_out.entry((group.clone(), generation)).or_default();
        let before = all.insert(name.to_owned(), synced.assignment.clone());
        assert!(before.is_none_or(|before| before == synced.assignment), "{group} {generation} has two assignments for {name}");
        let mut seen = BTreeSet::new();
        for part in all.values().flat_map(|assignment| assignment.iter()) {
            assert!(seen.insert(part), "{group} {generation} gives partition {part} to two members: {all:?}");
        }
    }

    /// A producer was given its id and epoch, by an init or by an end.
    pub(crate) fn on_given(&mut self, id: Option<&TransactionalId>, producer: Producer) {
        let is_repeated = id.is_some_and(|id| self.latest.get(id) == Some(&producer));
        assert!(self.given.insert(producer) || is_repeated, "{producer:?} was given to two producers, now to {id:?}");
        if let Some(id) = id {
            self.latest.insert(id.clone(), producer);
        }
    }

    /// A producer's end was accepted.
    pub(crate) fn on_ended(&mut self, id: &TransactionalId, given: Producer, next: Producer) {
        let latest = self.latest.get(id).copied();
        let is_latest = latest.is_none() || latest == Some(given) || latest == Some(next);
        assert!(is_latest, "{id}: {given:?} ended a transaction after {latest:?} had fenced it");
        if next != given {
            self.on_given(Some(id), next);
        }
    }

    /// At the end of everything nothing is open, and all are told the truth.
    pub(crate) fn check_end(&self) {
        assert!(self.staged.is_empty(), "offsets are staged for ever: {:?}", self.staged);
        for (tag, places) in &self.ledger {
            assert!(places.values().all(Option::is_some), "transaction {tag} hangs: {places:?}");
        }
        for (tag, outcome) in &self.told {
            let places = self.ledger.get(tag).into_iter().flatten();
            for (place, found) in places {
                assert_eq!(*found, Some(*outcome), "transaction {tag} was answered {outcome:?}, but not so in {place:?}");
            }
        }
    }
}
