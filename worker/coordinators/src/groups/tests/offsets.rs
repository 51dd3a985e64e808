//! Committing, staging, fetching, deleting and forgetting offsets.

use units::TopicName;

use super::{
    super::*,
    bench::{Bench, at, commit, join, offset, stage},
};
use crate::Outcome as End;

#[test]
fn a_commit_is_seen_when_it_is_durable_and_not_before() {
    let mut bench = Bench::new();
    bench.holds = true;
    let token = bench.send(Request::CommitOffsets(commit(&MemberId::none(), Generation::NONE, 7)));
    assert_eq!((bench.answer(token), bench.fetch(false)), (None, Ok(None)));
    bench.write();
    assert!(matches!(bench.answer(token), Some(Response::CommitOffsets(Ok(_)))));
    assert_eq!(bench.fetch(false), Ok(Some(7)));
    let fetched = bench.groups.fetch_offsets(&"g".into(), None, false).unwrap().remove(0).1.unwrap().unwrap();
    assert_eq!((fetched.leader_epoch, &*fetched.metadata), (Some(units::LeaderEpoch(3)), "note"));
}

#[test]
fn a_commit_that_is_not_written_is_refused_and_not_seen() {
    let mut bench = Bench::new();
    bench.holds = true;
    let token = bench.send(Request::CommitOffsets(commit(&MemberId::none(), Generation::NONE, 7)));
    bench.lose();
    let Some(Response::CommitOffsets(Ok(answer))) = bench.answer(token) else { panic!("no answer") };
    assert_eq!((answer[0].1, bench.fetch(false)), (Err(Refusal::CoordinatorNotAvailable), Ok(None)));
}

#[test]
fn a_group_with_members_takes_commits_of_its_generation_only() {
    let mut bench = Bench::new();
    assert_eq!(bench.commit(&MemberId::none(), Generation(1), 1), Err(Refusal::IllegalGeneration));
    let (member, generation) = bench.settle(join(""));
    assert_eq!(bench.commit(&member, generation, 2), Ok(()));
    assert_eq!(bench.commit(&member, generation.next(), 3), Err(Refusal::IllegalGeneration));
    assert_eq!(bench.commit(&"stranger".into(), generation, 3), Err(Refusal::UnknownMemberId));
    assert_eq!(bench.commit(&MemberId::none(), Generation::NONE, 3), Err(Refusal::UnknownMemberId));
    bench.send(Request::Join(join(member.as_str())));
    assert_eq!(bench.state(), Some(GroupState::CompletingRebalance));
    assert_eq!(bench.commit(&member, generation.next(), 3), Err(Refusal::RebalanceInProgress));
    assert_eq!(bench.fetch(false), Ok(Some(2)));
}

#[test]
fn while_others_join_the_old_generation_may_still_commit() {
    let mut bench = Bench::new();
    let (member, generation) = bench.settle(join(""));
    bench.send(Request::Join(join("")));
    assert_eq!(bench.state(), Some(GroupState::PreparingRebalance));
    assert_eq!(bench.commit(&member, generation, 2), Ok(()));
}

#[test]
fn too_long_a_note_is_refused_alone() {
    let mut bench = Bench::new();
    let long = OffsetToKeep { metadata: "x".repeat(4097).into(), ..offset(1) };
    let fits = OffsetToKeep { partition: at(1), metadata: "x".repeat(4096).into(), ..offset(2) };
    let commit = CommitOffsets { offsets: vec![long, fits], ..commit(&MemberId::none(), Generation::NONE, 0) };
    let token = bench.send(Request::CommitOffsets(commit));
    let Some(Response::CommitOffsets(Ok(answer))) = bench.answer(token) else { panic!("no answer") };
    assert_eq!((answer[0].1, answer[1].1), (Err(Refusal::OffsetMetadataTooLarge), Ok(())));
    assert_eq!(bench.groups.fetch_offsets(&"g".into(), None, false).unwrap().len(), 1);
}

#[test]
fn a_staged_offset_is_seen_when_its_transaction_commits() {
    let mut bench = Bench::new();
    assert_eq!(bench.commit(&MemberId::none(), Generation::NONE, 1), Ok(()));
    assert_eq!(bench.stage(5, 0, 2), Ok(()));
    assert_eq!((bench.fetch(false), bench.fetch(true)), (Ok(Some(1)), Err(Refusal::UnstableOffsetCommit)));
    assert_eq!(bench.end(5, 0, 0, End::Commit), Ok(()));
    assert_eq!(bench.fetch(true), Ok(Some(2)));
    assert_eq!(bench.stage(5, 0, 3), Ok(()));
    assert_eq!(bench.end(5, 0, 0, End::Abort), Ok(()));
    assert_eq!(bench.fetch(true), Ok(Some(2)));
}

#[test]
fn a_stage_that_was_verified_before_its_transaction_ended_is_refused() {
    let mut bench = Bench::new();
    assert_eq!(bench.stage(5, 0, 1), Ok(()));
    let ticket = Some(bench.groups.stage_ticket(&"g".into(), units::ProducerId(5)));
    let other = Some(bench.groups.stage_ticket(&"g".into(), units::ProducerId(6)));
    bench.holds = true;
    let marker = EndTransaction {
        partition: super::bench::PARTITION,
        producer: units::ProducerId(5),
        epoch: units::ProducerEpoch(0),
        transaction_epoch: units::ProducerEpoch(0),
        coordinator_epoch: 1,
        outcome: End::Commit,
    };
    bench.send(Request::EndTransaction(marker));
    let late = bench.send(Request::StageOffsets(StageOffsets { ticket, ..stage(5, 0, 2) }));
    assert_eq!(bench.answer(late), Some(Response::StageOffsets(Err(Refusal::ConcurrentTransactions))));
    bench.write();
    assert_eq!(bench.fetch(true), Ok(Some(1)), "nothing is left staged, for the next transaction to commit");
    bench.holds = false;
    let elses = bench.send(Request::StageOffsets(StageOffsets { ticket: other, ..stage(6, 0, 3) }));
    assert!(matches!(bench.answer(elses), Some(Response::StageOffsets(Ok(_)))), "the end of one is not the end of another");
}

#[test]
fn a_plain_commit_after_the_stage_wins_over_it() {
    let mut bench = Bench::new();
    assert_eq!(bench.stage(5, 0, 2), Ok(()));
    assert_eq!(bench.commit(&MemberId::none(), Generation::NONE, 9), Ok(()));
    assert_eq!(bench.end(5, 0, 0, End::Commit), Ok(()));
    assert_eq!(bench.fetch(true), Ok(Some(9)));
}

#[test]
fn a_producer_below_a_known_epoch_is_refused_even_while_its_marker_is_on_its_way() {
    let mut bench = Bench::new();
    assert_eq!(bench.end(5, 3, 2, End::Abort), Ok(()));
    assert_eq!(bench.stage(5, 2, 1), Err(Refusal::InvalidProducerEpoch));
    bench.holds = true;
    let marker = EndTransaction {
        partition: super::bench::PARTITION,
        producer: units::ProducerId(5),
        epoch: units::ProducerEpoch(4),
        transaction_epoch: units::ProducerEpoch(3),
        coordinator_epoch: 1,
        outcome: End::Abort,
    };
    bench.send(Request::EndTransaction(marker));
    let late = bench.send(Request::StageOffsets(stage(5, 3, 1)));
    bench.write();
    assert_eq!(bench.answer(late), Some(Response::StageOffsets(Err(Refusal::InvalidProducerEpoch))));
    assert_eq!(bench.fetch(true), Ok(None), "nothing is staged");
}

#[test]
fn a_marker_that_comes_twice_leaves_the_next_transaction_alone() {
    let mut bench = Bench::new();
    assert_eq!(bench.stage(5, 0, 1), Ok(()));
    assert_eq!(bench.end(5, 1, 0, End::Commit), Ok(()));
    assert_eq!(bench.stage(5, 1, 2), Ok(()));
    assert_eq!(bench.end(5, 1, 0, End::Commit), Ok(()));
    assert_eq!((bench.fetch(false), bench.fetch(true)), (Ok(Some(1)), Err(Refusal::UnstableOffsetCommit)));
}

#[test]
fn a_marker_of_an_older_coordinator_is_refused() {
    let mut bench = Bench::new();
    assert_eq!(bench.stage(5, 0, 1), Ok(()));
    assert_eq!(bench.end_by(7, 5, 1, 0, End::Abort), Ok(()));
    assert_eq!(bench.stage(5, 1, 2), Ok(()));
    assert_eq!(bench.end_by(6, 5, 2, 1, End::Commit), Err(Refusal::TransactionCoordinatorFenced));
    assert_eq!(bench.end_by(7, 5, 0, 0, End::Commit), Err(Refusal::InvalidProducerEpoch));
    assert_eq!(bench.fetch(true), Err(Refusal::UnstableOffsetCommit));
}

#[test]
fn a_transactional_commit_is_checked_against_the_generation_where_one_is_given() {
    let mut bench = Bench::new();
    let (member, generation) = bench.settle(join(""));
    let of = |generation, member: &MemberId| StageOffsets { generation, member: member.clone(), ..stage(5, 0, 1) };
    let mut send = |stage| {
        let token = bench.send(Request::StageOffsets(stage));
        let Some(Response::StageOffsets(result)) = bench.answer(token) else { panic!("no answer") };
        result.map(|_| ())
    };
    assert_eq!(send(of(generation.next(), &member)), Err(Refusal::IllegalGeneration));
    assert_eq!(send(of(generation, &"stranger".into())), Err(Refusal::UnknownMemberId));
    assert_eq!(send(of(generation, &member)), Ok(()));
    assert_eq!(send(of(Generation::NONE, &MemberId::none())), Ok(()), "as Kafka: who names nothing is not checked");
}

#[test]
fn offsets_of_a_topic_that_members_read_are_not_deleted() {
    let mut bench = Bench::new();
    let (member, generation) = bench.settle(join(""));
    assert_eq!(bench.commit(&member, generation, 2), Ok(()));
    let delete = |bench: &mut Bench| {
        let token = bench.send(Request::DeleteOffsets(DeleteOffsets { group: "g".into(), partitions: vec![at(0)] }));
        let Some(Response::DeleteOffsets(result)) = bench.answer(token) else { panic!("no answer") };
        result.and_then(|answer| answer[0].1)
    };
    assert_eq!(delete(&mut bench), Err(Refusal::GroupSubscribedToTopic));
    assert_eq!(bench.leave(&member), Ok(()));
    assert_eq!(delete(&mut bench), Ok(()));
    assert_eq!(bench.fetch(false), Ok(None));
}

#[test]
fn a_group_is_deleted_only_when_it_is_empty() {
    let mut bench = Bench::new();
    let delete = |bench: &mut Bench| {
        let token = bench.send(Request::DeleteGroup("g".into()));
        let Some(Response::DeleteGroup(result)) = bench.answer(token) else { panic!("no answer") };
        result
    };
    assert_eq!(delete(&mut bench), Err(Refusal::GroupIdNotFound));
    let (member, generation) = bench.settle(join(""));
    assert_eq!(bench.commit(&member, generation, 2), Ok(()));
    assert_eq!(delete(&mut bench), Err(Refusal::NonEmptyGroup));
    assert_eq!(bench.leave(&member), Ok(()));
    assert_eq!(delete(&mut bench), Ok(()));
    assert_eq!((bench.fetch(false), bench.state()), (Ok(None), None));
    bench.restart();
    assert_eq!((bench.fetch(false), bench.state()), (Ok(None), None));
}

#[test]
fn offsets_go_a_week_after_the_group_became_empty() {
    let mut bench = Bench::new();
    let day = 24 * 3_600_000;
    let (member, generation) = bench.settle(join(""));
    assert_eq!(bench.commit(&member, generation, 2), Ok(()));
    for _ in 0..9 * 24 * 500 {
        bench.wait(7_200);
        assert_eq!(bench.beat(&member, generation), Ok(()));
    }
    assert_eq!(bench.leave(&member), Ok(()));
    bench.wait(7 * day - 1);
    assert_eq!(bench.fetch(false), Ok(Some(2)));
    bench.wait(700_000);
    assert_eq!((bench.fetch(false), bench.state()), (Ok(None), None));
}

#[test]
fn offsets_without_members_go_a_week_after_their_commit_unless_a_transaction_is_open() {
    let mut bench = Bench::new();
    let day = 24 * 3_600_000;
    assert_eq!(bench.commit(&MemberId::none(), Generation::NONE, 2), Ok(()));
    assert_eq!(bench.stage(5, 0, 3), Ok(()));
    bench.wait(30 * day);
    assert_eq!(bench.fetch(false), Ok(Some(2)));
    assert_eq!(bench.end(5, 1, 0, End::Abort), Ok(()));
    bench.wait(700_000);
    assert_eq!(bench.fetch(false), Ok(None));
}

#[test]
fn a_topic_that_is_gone_takes_its_offsets_along_staged_ones_too() {
    let mut bench = Bench::new();
    assert_eq!(bench.commit(&MemberId::none(), Generation::NONE, 2), Ok(()));
    assert_eq!(bench.stage(5, 0, 3), Ok(()));
    bench.groups.on_topics_deleted(&[TopicName::new("t").unwrap()]);
    bench.drain();
    assert_eq!(bench.fetch(true), Ok(None));
    assert_eq!(bench.end(5, 1, 0, End::Commit), Ok(()));
    assert_eq!(bench.fetch(true), Ok(None));
}
