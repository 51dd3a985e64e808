//! Joining, syncing, staying and leaving.

use bytes::Bytes;
use units::DurationMs;

use super::{
    super::*,
    bench::{Bench, join, protocols, sync},
};

/// Two members, settled; the first leads.
fn two(bench: &mut Bench) -> (Joined, Joined) {
    let (first, generation) = bench.settle(join(""));
    let second = bench.send(Request::Join(join("")));
    assert_eq!(bench.beat(&first, generation), Err(Refusal::RebalanceInProgress));
    let again = bench.send(Request::Join(join(first.as_str())));
    let (first, second) = (bench.joined(again).unwrap().unwrap(), bench.joined(second).unwrap().unwrap());
    let parts = vec![(first.member.clone(), Bytes::from_static(b"1")), (second.member.clone(), Bytes::from_static(b"2"))];
    let waiting = bench.send(Request::Sync(sync(&second, Vec::new())));
    assert_eq!(bench.synced(waiting), None, "a follower waits for the leader");
    let leading = bench.send(Request::Sync(sync(&first, parts)));
    assert_eq!(bench.synced(leading), Some(Ok(Bytes::from_static(b"1"))));
    assert_eq!(bench.synced(waiting), Some(Ok(Bytes::from_static(b"2"))));
    (first, second)
}

#[test]
fn the_leader_learns_of_all_and_everyone_gets_its_part() {
    let mut bench = Bench::new();
    let (first, second) = two(&mut bench);
    assert_eq!((first.generation, second.generation), (Generation(2), Generation(2)));
    assert_eq!((&first.leader, &second.leader), (&first.member, &first.member));
    assert_eq!((first.members.len(), second.members.len()), (2, 0));
    assert_eq!(bench.state(), Some(GroupState::Stable));
    let described = bench.groups.describe(&"g".into()).unwrap();
    assert_eq!(described.members.iter().map(|member| member.assignment.len()).sum::<usize>(), 2);
}

#[test]
fn a_member_without_an_id_is_told_to_come_back_with_one() {
    let mut bench = Bench::new();
    let token = bench.send(Request::Join(Join { requires_known_member_id: true, ..join("") }));
    let Some(Response::Join(Err(refused))) = bench.answer(token) else { panic!("it got in") };
    assert_eq!(refused.refusal, Refusal::MemberIdRequired);
    let token = bench.send(Request::Join(join(refused.member.as_str())));
    assert_eq!(bench.joined(token).unwrap().unwrap().member, refused.member);
}

#[test]
fn a_promised_id_that_is_not_used_holds_nobody_up_for_ever() {
    let mut bench = Bench::new();
    let (first, _) = bench.settle(join(""));
    bench.send(Request::Join(Join { requires_known_member_id: true, ..join("") }));
    let token = bench.send(Request::Join(join(first.as_str())));
    assert_eq!(bench.joined(token), None, "the promised one may still come");
    bench.wait(10_000);
    assert!(bench.joined(token).unwrap().is_ok());
}

#[test]
fn the_first_rebalance_gathers_members_that_start_together() {
    let mut bench = Bench::with(|config| config.initial_rebalance_delay = DurationMs(3_000));
    let first = bench.send(Request::Join(join("")));
    bench.wait(2_000);
    let second = bench.send(Request::Join(join("")));
    bench.wait(1_500);
    assert_eq!(bench.joined(first), None, "another came, so it waits once more");
    bench.wait(3_000);
    assert_eq!(bench.joined(first).unwrap().unwrap().generation, Generation(1));
    assert_eq!(bench.joined(second).unwrap().unwrap().generation, Generation(1));
}

#[test]
fn gathering_ends_at_the_rebalance_timeout_however_many_come() {
    let mut bench = Bench::with(|config| config.initial_rebalance_delay = DurationMs(3_000));
    let first = bench.send(Request::Join(Join { rebalance_timeout: DurationMs(7_000), ..join("") }));
    for _ in 0..7 {
        assert_eq!(bench.joined(first), None);
        bench.wait(1_000);
        bench.send(Request::Join(Join { rebalance_timeout: DurationMs(7_000), ..join("") }));
    }
    assert_eq!(bench.joined(first).unwrap().unwrap().generation, Generation(1));
}

#[test]
fn a_silent_member_is_gone_after_its_session_and_not_before() {
    let mut bench = Bench::new();
    let (first, second) = two(&mut bench);
    bench.wait(9_999);
    assert_eq!(bench.beat(&first.member, first.generation), Ok(()));
    assert_eq!(bench.state(), Some(GroupState::Stable));
    bench.wait(2);
    assert_eq!(bench.beat(&first.member, first.generation), Err(Refusal::RebalanceInProgress));
    assert_eq!(bench.beat(&second.member, second.generation), Err(Refusal::UnknownMemberId));
}

#[test]
fn who_does_not_join_again_in_time_is_left_behind() {
    let mut bench = Bench::new();
    let (first, second) = two(&mut bench);
    let third = bench.send(Request::Join(join("")));
    let again = bench.send(Request::Join(join(first.member.as_str())));
    for _ in 0..11 {
        bench.wait(5_000);
        assert_eq!(bench.beat(&second.member, second.generation), Err(Refusal::RebalanceInProgress));
        assert_eq!(bench.joined(again), None);
    }
    bench.wait(5_000);
    assert_eq!(bench.joined(again).unwrap().unwrap().members.len(), 2);
    assert!(bench.joined(third).unwrap().is_ok());
    assert_eq!(bench.beat(&second.member, second.generation), Err(Refusal::UnknownMemberId));
}

#[test]
fn another_member_leads_when_the_leader_goes() {
    let mut bench = Bench::new();
    let (first, second) = two(&mut bench);
    assert_eq!(bench.leave(&first.member), Ok(()));
    let token = bench.send(Request::Join(join(second.member.as_str())));
    let joined = bench.joined(token).unwrap().unwrap();
    assert_eq!((joined.leader, joined.members.len()), (second.member.clone(), 1));
    assert_eq!(bench.leave(&first.member), Err(Refusal::UnknownMemberId));
}

#[test]
fn a_group_whose_last_member_leaves_is_empty_and_one_generation_on() {
    let mut bench = Bench::new();
    let (first, generation) = bench.settle(join(""));
    assert_eq!(bench.leave(&first), Ok(()));
    assert_eq!((bench.state(), bench.generation()), (Some(GroupState::Empty), generation.next()));
}

#[test]
fn a_join_that_changes_nothing_is_answered_with_what_is() {
    let mut bench = Bench::new();
    let (first, second) = two(&mut bench);
    let token = bench.send(Request::Join(join(second.member.as_str())));
    assert_eq!(bench.joined(token).unwrap().unwrap().generation, second.generation);
    assert_eq!(bench.state(), Some(GroupState::Stable));
    bench.send(Request::Join(join(first.member.as_str())));
    assert_eq!(bench.state(), Some(GroupState::PreparingRebalance), "a leader that joins again wants to assign again");
}

#[test]
fn a_follower_whose_metadata_changed_starts_a_rebalance() {
    let mut bench = Bench::new();
    let (_, second) = two(&mut bench);
    let mut changed = join(second.member.as_str());
    changed.protocols[0].metadata = Bytes::from_static(b"other");
    bench.send(Request::Join(changed));
    assert_eq!(bench.state(), Some(GroupState::PreparingRebalance));
}

#[test]
fn the_protocol_that_most_prefer_and_all_support_is_chosen() {
    let mut bench = Bench::with(|config| config.initial_rebalance_delay = DurationMs(1_000));
    let of = |names: &[&str]| Request::Join(Join { protocols: protocols(names), ..join("") });
    let tokens = [&["a", "b", "c"][..], &["b", "a"], &["c", "b", "a"]].map(|names| bench.send(of(names)));
    let lonely = bench.send(of(&["d"]));
    assert_eq!(bench.joined(lonely), Some(Err(Refusal::InconsistentGroupProtocol)));
    bench.wait(5_000);
    for token in tokens {
        assert_eq!(&*bench.joined(token).unwrap().unwrap().protocol_name, "b", "c is not supported by all, its voter's next is b");
    }
}

#[test]
fn a_wrong_generation_member_or_protocol_is_refused() {
    let mut bench = Bench::new();
    let (first, _) = two(&mut bench);
    assert_eq!(bench.beat(&first.member, Generation(1)), Err(Refusal::IllegalGeneration));
    assert_eq!(bench.beat(&"stranger".into(), first.generation), Err(Refusal::UnknownMemberId));
    let token = bench.send(Request::Sync(Sync { protocol_name: Some("other".into()), ..sync(&first, Vec::new()) }));
    assert_eq!(bench.synced(token), Some(Err(Refusal::InconsistentGroupProtocol)));
    let cases = [
        (Join { session_timeout: DurationMs(2_999), ..join("") }, Refusal::InvalidSessionTimeout),
        (Join { session_timeout: DurationMs(1_800_001), ..join("") }, Refusal::InvalidSessionTimeout),
        (Join { group: "".into(), ..join("") }, Refusal::InvalidGroupId),
        (Join { protocol_type: "connect".into(), ..join("") }, Refusal::InconsistentGroupProtocol),
        (Join { protocols: Vec::new(), ..join("") }, Refusal::InconsistentGroupProtocol),
        (join("stranger"), Refusal::UnknownMemberId),
        (Join { group: "h".into(), ..join("stranger") }, Refusal::UnknownMemberId),
    ];
    for (join, refusal) in cases {
        let token = bench.send(Request::Join(join));
        assert_eq!(bench.joined(token), Some(Err(refusal)));
    }
    assert_eq!(bench.groups.list().unwrap().len(), 1, "a refused join leaves no group behind");
}

#[test]
fn a_full_group_takes_nobody_more() {
    let mut bench = Bench::with(|config| config.members_max = 1);
    bench.settle(join(""));
    let token = bench.send(Request::Join(join("")));
    assert_eq!(bench.joined(token), Some(Err(Refusal::GroupMaxSizeReached)));
}

#[test]
fn members_that_never_sync_are_removed() {
    let mut bench = Bench::new();
    let first = bench.send(Request::Join(join("")));
    let first = bench.joined(first).unwrap().unwrap();
    for _ in 0..12 {
        bench.wait(5_000);
        let _ = bench.beat(&first.member, first.generation);
    }
    assert_eq!(bench.beat(&first.member, first.generation), Err(Refusal::UnknownMemberId));
}

#[test]
fn a_client_that_went_away_while_it_joined_does_not_stay_for_ever() {
    let mut bench = Bench::new();
    let (first, _) = bench.settle(Join { rebalance_timeout: DurationMs(900_000), ..join("") });
    let lost = bench.send(Request::Join(join("")));
    for _ in 0..61 {
        bench.wait(5_000);
        let _ = bench.beat(&first, Generation(1));
    }
    assert_eq!(bench.joined(lost), Some(Err(Refusal::UnknownMemberId)));
}

#[test]
fn requests_are_refused_while_loading_and_where_the_group_is_elsewhere() {
    let mut bench = Bench::new();
    bench.groups.begin_load(super::bench::PARTITION);
    assert_eq!(bench.beat(&"m".into(), Generation(1)), Err(Refusal::CoordinatorLoadInProgress));
    assert_eq!(bench.groups.list(), Err(Refusal::CoordinatorLoadInProgress));
    bench.groups.unload(super::bench::PARTITION);
    assert_eq!(bench.beat(&"m".into(), Generation(1)), Err(Refusal::NotCoordinator));
}
