//! Offsets: committed at once, or staged in a transaction and made visible by its end; fetched and deleted.

use units::{GroupId, Offset, ProducerEpoch, ProducerId, TimestampMs, TopicName, TopicPartition};

use super::{
    CommitOffsets, CommittedOffset, DeleteOffsets, EndTransaction, FetchedOffset, Generation, GroupState, Groups, InstanceId, MemberId,
    OffsetToKeep, PerPartition, Response, Rule, StageOffsets, StageTicket, Step, Then,
    group::Group,
    record::{Change, OWN_OFFSET, StagedOffset, StoredOffset, StoredProducer},
};
use crate::{Refusal, Token};

/// Who wants to keep offsets.
struct Committer<'a> {
    group: &'a GroupId,
    generation: Generation,
    member: &'a MemberId,
    instance: Option<&'a InstanceId>,
    is_transactional: bool,
}

impl Groups {
    pub(super) fn commit_offsets(&mut self, now: TimestampMs, token: Token, commit: &CommitOffsets) {
        let committer = Committer {
            group: &commit.group,
            generation: commit.generation,
            member: &commit.member,
            instance: commit.instance.as_ref(),
            is_transactional: false,
        };
        if let Err(refusal) = self.admit(now, &committer) {
            return self.respond(token, Response::CommitOffsets(Err(refusal)));
        }
        let (answer, kept) = self.sift(now, &commit.offsets);
        let changes: Vec<_> = kept.into_iter().map(|(at, offset)| Change::Offset(commit.group.clone(), at, Some(offset))).collect();
        if changes.is_empty() {
            return self.respond(token, Response::CommitOffsets(Ok(answer)));
        }
        if self.is_broken(Rule::OffsetWaitsForDurability) {
            self.respond(token, Response::CommitOffsets(Ok(answer)));
            return self.append(&commit.group, changes, Step::Forgotten);
        }
        self.append(&commit.group, changes, Step::Committed { token, answer });
    }

    pub(super) fn stage_offsets(&mut self, now: TimestampMs, token: Token, stage: &StageOffsets) {
        let committer = Committer {
            group: &stage.group,
            generation: stage.generation,
            member: &stage.member,
            instance: stage.instance.as_ref(),
            is_transactional: true,
        };
        let admitted = self.admit(now, &committer).and_then(|()| self.check_ticket(stage));
        let epoch = match admitted.and_then(|()| self.check_producer(stage)) {
            Ok(epoch) => epoch,
            Err(refusal) => {
                self.forget_if_nothing(&stage.group);
                return self.respond(token, Response::StageOffsets(Err(refusal)));
            }
        };
        let (answer, kept) = self.sift(now, &stage.offsets);
        let always_wins = self.is_broken(Rule::LaterLogPositionWins);
        let staged = |(at, offset): (_, StoredOffset)| {
            let written_at = if always_wins { Offset(i64::MAX) } else { offset.written_at };
            let staged = StagedOffset { epoch, offset: StoredOffset { written_at, ..offset } };
            Change::Staged(stage.producer, stage.group.clone(), at, Some(staged))
        };
        let changes: Vec<_> = kept.into_iter().map(staged).collect();
        if changes.is_empty() {
            return self.respond(token, Response::StageOffsets(Ok(answer)));
        }
        self.append(&stage.group, changes, Step::Staged { token, answer });
    }

    /// What a stage that is verified (V1) takes before it asks, so that an end that comes between its verification and it is noticed.
    #[must_use]
    pub fn stage_ticket(&self, group: &GroupId, producer: ProducerId) -> StageTicket {
        StageTicket(self.ends.get(&(self.partition_of(group), producer)).copied().unwrap_or_default())
    }

    fn check_ticket(&self, stage: &StageOffsets) -> Result<(), Refusal> {
        let is_good = stage.ticket.is_none_or(|ticket| ticket == self.stage_ticket(&stage.group, stage.producer));
        if is_good || self.is_broken(Rule::StageChecksTicket) { Ok(()) } else { Err(Refusal::ConcurrentTransactions) }
    }

    /// An epoch below one that is in the log is a zombie's. (One that is on its way decides when it is applied.)
    fn check_producer(&self, stage: &StageOffsets) -> Result<ProducerEpoch, Refusal> {
        let known = self.store_of(&stage.group).and_then(|store| store.producer(stage.producer)).map(|known| known.epoch);
        match known {
            Some(known) if stage.epoch < known && self.is_broken(Rule::StageChecksEpoch) => Ok(known),
            Some(known) if stage.epoch < known => Err(Refusal::InvalidProducerEpoch),
            _ => Ok(stage.epoch),
        }
    }

    /// Whether offsets of this sender are kept: as Kafka's `ClassicGroup.validateOffsetCommit`.
    fn admit(&mut self, now: TimestampMs, committer: &Committer) -> Result<(), Refusal> {
        self.check_ready(committer.group)?;
        let has_member = !committer.member.is_none() || committer.instance.is_some();
        let ignore = self.is_broken(if committer.is_transactional { Rule::StageChecksGeneration } else { Rule::CommitChecksGeneration });
        let Some(group) = self.groups.get(committer.group) else {
            if committer.generation >= Generation(0) {
                return Err(Refusal::IllegalGeneration);
            }
            self.groups.insert(committer.group.clone(), Group::new(now));
            return Ok(());
        };
        if group.is_deleting {
            return Err(Refusal::CoordinatorNotAvailable);
        }
        if ignore || (committer.generation < Generation(0) && group.state == GroupState::Empty) {
            return Ok(());
        }
        if committer.generation >= Generation(0) || has_member {
            let is_checked = committer.instance.is_none() || !self.is_broken(Rule::StaticMemberIsFenced);
            if is_checked {
                group.check_member(committer.member, committer.instance)?;
            }
            if group.generation != committer.generation {
                return Err(Refusal::IllegalGeneration);
            }
        } else if !committer.is_transactional {
            return Err(Refusal::UnknownMemberId);
        }
        if !committer.is_transactional {
            if group.state == GroupState::CompletingRebalance {
                return Err(Refusal::RebalanceInProgress);
            }
            self.restart_session(now, committer.group, committer.member);
        }
        Ok(())
    }

    /// Parts what can be kept from what cannot; the answer has every partition, in the order of the request.
    fn sift(&self, now: TimestampMs, offsets: &[OffsetToKeep]) -> (PerPartition, Vec<(TopicPartition, StoredOffset)>) {
        let mut kept = Vec::with_capacity(offsets.len());
        let mut answer = Vec::with_capacity(offsets.len());
        for offset in offsets {
            let is_too_large = offset.metadata.len() > self.config.offset_metadata_bytes_max;
            answer.push((offset.partition.clone(), if is_too_large { Err(Refusal::OffsetMetadataTooLarge) } else { Ok(()) }));
            if !is_too_large {
                let stored = StoredOffset {
                    offset: offset.offset,
                    leader_epoch: offset.leader_epoch,
                    written_at: OWN_OFFSET,
                    committed: now,
                    metadata: offset.metadata.clone(),
                };
                kept.push((offset.partition.clone(), stored));
            }
        }
        (answer, kept)
    }

    pub(super) fn end_transaction(&mut self, now: TimestampMs, token: Token, end: &EndTransaction) {
        if let Err(refusal) = self.journal.check_ready(end.partition) {
            return self.respond(token, Response::EndTransaction(Err(refusal)));
        }
        // From now on, and not only once it is durable: a stage that comes after it is behind it in the log.
        *self.ends.entry((end.partition, end.producer)).or_default() += 1;
        let epoch = if self.is_broken(Rule::MarkerEndsOnlyItsTransaction) { end.epoch } else { end.transaction_epoch };
        let producer = StoredProducer {
            epoch: end.epoch,
            coordinator_epoch: end.coordinator_epoch,
            ended: Some((end.outcome, epoch.min(end.epoch))),
            at: now,
        };
        let then = Then { group: None, step: Step::TransactionEnded { token } };
        self.journal.append(end.partition, vec![Change::Producer(end.producer, Some(producer))], then);
    }

    /// What OffsetFetch answers for one group: `partitions`, or all it has. With `require_stable` (KIP-447) a partition with an offset in an
    /// open transaction is `UnstableOffsetCommit`. A group that does not exist has committed nothing.
    ///
    /// # Errors
    /// Why this is not the group's coordinator, or not yet.
    pub fn fetch_offsets(
        &self,
        group: &GroupId,
        partitions: Option<&[TopicPartition]>,
        require_stable: bool,
    ) -> Result<Vec<(TopicPartition, FetchedOffset)>, Refusal> {
        self.check_ready(group)?;
        let Some(store) = self.store_of(group) else { return Ok(Vec::new()) };
        let require_stable = require_stable && !self.is_broken(Rule::StableFetchSeesStaged);
        let fetch = |partition: &TopicPartition| {
            let fetched = if require_stable && store.is_staged(group, partition) {
                Err(Refusal::UnstableOffsetCommit)
            } else {
                Ok(store.offset(group, partition).map(committed))
            };
            (partition.clone(), fetched)
        };
        if let Some(partitions) = partitions {
            return Ok(partitions.iter().map(fetch).collect());
        }
        let mut all: std::collections::BTreeSet<&TopicPartition> = store.offsets(group).map(|(partition, _)| partition).collect();
        if require_stable {
            all.extend(store.staged(group).map(|(partition, _)| partition));
        }
        Ok(all.into_iter().map(fetch).collect())
    }

    pub(super) fn delete_offsets(&mut self, token: Token, delete: &DeleteOffsets) {
        let answer = self.check_ready(&delete.group).and_then(|()| {
            let group = self.groups.get(&delete.group).ok_or(Refusal::GroupIdNotFound)?;
            let one = |partition: &TopicPartition| {
                let is_read = group.state != GroupState::Empty && group.reads(partition.topic.as_str()).ok_or(Refusal::NonEmptyGroup)?;
                Ok((partition.clone(), if is_read { Err(Refusal::GroupSubscribedToTopic) } else { Ok(()) }))
            };
            delete.partitions.iter().map(one).collect::<Result<PerPartition, Refusal>>()
        });
        let changes: Vec<_> = answer
            .iter()
            .flatten()
            .filter(|(_, result)| result.is_ok())
            .map(|(partition, _)| Change::Offset(delete.group.clone(), partition.clone(), None))
            .collect();
        match answer {
            Ok(answer) if !changes.is_empty() => self.append(&delete.group, changes, Step::OffsetsDeleted { token, answer }),
            answer => self.respond(token, Response::DeleteOffsets(answer)),
        }
    }

    pub(super) fn delete_group(&mut self, token: Token, id: &GroupId) {
        let check = self.check_ready(id).and_then(|()| {
            let group = self.groups.get_mut(id).ok_or(Refusal::GroupIdNotFound)?;
            if group.is_deleting {
                return Err(Refusal::CoordinatorNotAvailable);
            }
            if group.state != GroupState::Empty || !group.promised.is_empty() {
                return Err(Refusal::NonEmptyGroup);
            }
            group.is_deleting = true;
            Ok(())
        });
        match check {
            Ok(()) => self.append(id, vec![Change::Group(id.clone(), None)], Step::GroupDeleted { token }),
            Err(refusal) => self.respond(token, Response::DeleteGroup(Err(refusal))),
        }
    }

    /// Topics are gone: every group forgets its offsets for them, staged ones too.
    pub fn on_topics_deleted(&mut self, topics: &[TopicName]) {
        let groups: Vec<GroupId> = self.groups.keys().cloned().collect();
        for id in groups {
            if self.check_ready(&id).is_err() {
                continue;
            }
            let Some(store) = self.store_of(&id) else { continue };
            let offsets = store.offsets(&id).map(|(partition, _)| Change::Offset(id.clone(), partition.clone(), None));
            let staged = store.staged(&id).flat_map(|(partition, producers)| {
                producers.iter().map(|producer| Change::Staged(*producer, id.clone(), partition.clone(), None))
            });
            let is_gone = |change: &Change| match change {
                Change::Offset(_, partition, _) | Change::Staged(_, _, partition, _) => topics.contains(&partition.topic),
                Change::Group(..) | Change::Producer(..) => false,
            };
            let changes: Vec<_> = offsets.chain(staged).filter(is_gone).collect();
            if !changes.is_empty() {
                self.append(&id, changes, Step::Forgotten);
            }
        }
    }
}

fn committed(stored: &StoredOffset) -> CommittedOffset {
    CommittedOffset { offset: stored.offset, leader_epoch: stored.leader_epoch, metadata: stored.metadata.clone() }
}
