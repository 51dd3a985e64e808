//! What a restart keeps, what a failed write undoes, and how the log stays short.

use bytes::Bytes;

use super::{
    super::*,
    bench::{Bench, PARTITION, commit, join, sync},
};
use crate::Outcome as End;

#[test]
fn a_stable_group_goes_on_after_a_restart() {
    let mut bench = Bench::new();
    let (member, generation) = bench.settle(join(""));
    let before = bench.groups.describe(&"g".into());
    bench.restart();
    assert_eq!(bench.groups.describe(&"g".into()), before);
    assert_eq!(bench.beat(&member, generation), Ok(()));
    let token = bench.send(Request::Join(join(member.as_str())));
    assert_eq!(bench.joined(token).unwrap().unwrap().generation, generation.next());
}

#[test]
fn an_assignment_is_handed_out_when_it_is_durable_and_not_before() {
    let mut bench = Bench::new();
    let token = bench.send(Request::Join(join("")));
    let joined = bench.joined(token).unwrap().unwrap();
    bench.holds = true;
    let token = bench.send(Request::Sync(sync(&joined, vec![(joined.member.clone(), Bytes::from_static(b"all"))])));
    assert_eq!((bench.synced(token), bench.state()), (None, Some(GroupState::CompletingRebalance)));
    bench.write();
    assert_eq!((bench.synced(token).unwrap().unwrap(), bench.state()), (Bytes::from_static(b"all"), Some(GroupState::Stable)));
}

#[test]
fn an_assignment_that_is_not_written_makes_the_members_join_again() {
    let mut bench = Bench::new();
    let token = bench.send(Request::Join(join("")));
    let joined = bench.joined(token).unwrap().unwrap();
    bench.holds = true;
    let token = bench.send(Request::Sync(sync(&joined, Vec::new())));
    bench.lose();
    assert_eq!(bench.synced(token), Some(Err(Refusal::CoordinatorNotAvailable)));
    assert_eq!(bench.state(), Some(GroupState::PreparingRebalance));
}

#[test]
fn an_assignment_of_a_generation_that_is_over_is_not_handed_out() {
    let mut bench = Bench::new();
    let token = bench.send(Request::Join(join("")));
    let joined = bench.joined(token).unwrap().unwrap();
    bench.holds = true;
    let synced = bench.send(Request::Sync(sync(&joined, Vec::new())));
    bench.send(Request::Join(join("")));
    assert_eq!(bench.synced(synced), Some(Err(Refusal::RebalanceInProgress)));
    bench.write();
    assert_eq!(bench.state(), Some(GroupState::PreparingRebalance));
}

#[test]
fn staged_offsets_and_fences_survive_a_restart_and_a_snapshot() {
    let mut bench = Bench::new();
    assert_eq!(bench.commit(&MemberId::none(), Generation::NONE, 1), Ok(()));
    assert_eq!(bench.stage(5, 2, 2), Ok(()));
    assert_eq!(bench.end(6, 4, 3, End::Abort), Ok(()));
    for snapshot in [false, true] {
        if snapshot {
            bench.groups.snapshot(PARTITION);
            bench.drain();
            assert_eq!(bench.trimmed, 3, "all before the snapshot may go");
        }
        bench.restart();
        assert_eq!((bench.fetch(false), bench.fetch(true)), (Ok(Some(1)), Err(Refusal::UnstableOffsetCommit)));
        assert_eq!(bench.stage(6, 3, 9), Err(Refusal::InvalidProducerEpoch));
    }
    assert_eq!(bench.end(5, 3, 2, End::Commit), Ok(()));
    assert_eq!(bench.fetch(true), Ok(Some(2)));
}

#[test]
fn a_snapshot_waits_for_what_is_on_its_way_and_what_comes_waits_for_it() {
    let mut bench = Bench::new();
    bench.holds = true;
    let before = bench.send(Request::CommitOffsets(commit(&MemberId::none(), Generation::NONE, 1)));
    bench.groups.snapshot(PARTITION);
    let after = bench.send(Request::CommitOffsets(commit(&MemberId::none(), Generation::NONE, 2)));
    assert_eq!(bench.held.len(), 1, "neither the snapshot nor the later commit is on its way");
    bench.write();
    assert!(bench.answer(before).is_some() && bench.answer(after).is_none());
    bench.write();
    assert!(bench.answer(after).is_some());
    assert_eq!((bench.log.len(), bench.trimmed), (3, 1));
    bench.restart();
    assert_eq!(bench.fetch(false), Ok(Some(2)));
}

#[test]
fn a_snapshot_that_is_not_written_trims_nothing() {
    let mut bench = Bench::new();
    assert_eq!(bench.commit(&MemberId::none(), Generation::NONE, 1), Ok(()));
    bench.holds = true;
    bench.groups.snapshot(PARTITION);
    bench.drain();
    bench.lose();
    assert_eq!(bench.trimmed, 0);
}

#[test]
fn the_log_stays_short_by_itself() {
    let mut bench = Bench::with(|config| config.snapshot_records = 10);
    for offset in 0..1_000 {
        assert_eq!(bench.commit(&MemberId::none(), Generation::NONE, offset), Ok(()));
    }
    assert!(bench.log.len() - bench.trimmed < 20, "{} records are kept", bench.log.len() - bench.trimmed);
}

#[test]
fn giving_up_a_partition_answers_everyone_who_waits() {
    let mut bench = Bench::new();
    let (_, _) = bench.settle(join(""));
    let joining = bench.send(Request::Join(join("")));
    bench.holds = true;
    let ending = bench.send(Request::StageOffsets(super::bench::stage(5, 0, 1)));
    bench.groups.unload(PARTITION);
    bench.drain();
    assert_eq!(bench.joined(joining), Some(Err(Refusal::NotCoordinator)));
    assert_eq!(bench.answer(ending), Some(Response::StageOffsets(Err(Refusal::NotCoordinator))));
    assert_eq!(bench.groups.next_timeout().filter(|next| next.0 < bench.now.0 + 60_000), None, "no timer of the group is left");
}
