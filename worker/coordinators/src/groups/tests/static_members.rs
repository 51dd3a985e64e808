//! Members with a name that outlives the process (KIP-345, KIP-814).

use bytes::Bytes;
use units::DurationMs;

use super::{
    super::*,
    bench::{Bench, join, static_join, sync},
};

fn static_beat(bench: &mut Bench, member: &MemberId, instance: &str) -> Result<(), Refusal> {
    let beat = Heartbeat { group: "g".into(), generation: Generation(1), member: member.clone(), instance: Some(instance.into()) };
    let token = bench.send(Request::Heartbeat(beat));
    let Some(Response::Heartbeat(result)) = bench.answer(token) else { panic!("no answer") };
    result
}

#[test]
fn a_restarted_static_member_keeps_its_place_without_a_rebalance() {
    let mut bench = Bench::new();
    let (old, generation) = bench.settle(static_join("", "i"));
    let token = bench.send(Request::Join(static_join("", "i")));
    let joined = bench.joined(token).unwrap().unwrap();
    assert_eq!((joined.generation, bench.state()), (generation, Some(GroupState::Stable)));
    assert_eq!((&joined.leader, joined.members.len()), (&old, 0), "it is not told that it leads, so it does not assign");
    let token = bench.send(Request::Sync(Sync { instance: Some("i".into()), ..sync(&joined, Vec::new()) }));
    assert_eq!(bench.synced(token), Some(Ok(Bytes::from_static(b"all"))));
    assert_eq!(static_beat(&mut bench, &old, "i"), Err(Refusal::FencedInstanceId));
    assert_eq!(static_beat(&mut bench, &joined.member, "i"), Ok(()));
}

#[test]
fn a_restarted_static_leader_that_can_be_told_so_skips_the_assignment() {
    let mut bench = Bench::new();
    bench.settle(static_join("", "i"));
    let token = bench.send(Request::Join(Join { can_skip_assignment: true, ..static_join("", "i") }));
    let joined = bench.joined(token).unwrap().unwrap();
    assert!(joined.skip_assignment && joined.leader == joined.member && joined.members.len() == 1);
}

#[test]
fn the_place_of_a_static_member_is_durable_before_it_is_told() {
    let mut bench = Bench::new();
    bench.settle(static_join("", "i"));
    bench.holds = true;
    let token = bench.send(Request::Join(static_join("", "i")));
    assert_eq!(bench.joined(token), None);
    bench.write();
    let joined = bench.joined(token).unwrap().unwrap();
    bench.restart();
    assert_eq!(static_beat(&mut bench, &joined.member, "i"), Ok(()));
}

#[test]
fn a_rebalance_that_begins_meanwhile_takes_the_static_member_along() {
    let mut bench = Bench::new();
    bench.settle(static_join("", "i"));
    bench.holds = true;
    let returned = bench.send(Request::Join(static_join("", "i")));
    let other = bench.send(Request::Join(join("")));
    assert_eq!((bench.joined(returned), bench.joined(other)), (None, None));
    bench.write();
    assert_eq!(bench.joined(returned).unwrap().unwrap().generation, Generation(2));
    assert_eq!(bench.joined(other).unwrap().unwrap().generation, Generation(2));
}

#[test]
fn a_static_member_that_is_away_keeps_its_place_for_its_session() {
    let mut bench = Bench::new();
    let (first, _) = bench.settle(static_join("", "i"));
    bench.wait(9_000);
    assert_eq!(static_beat(&mut bench, &first, "i"), Ok(()));
    bench.wait(10_001);
    assert_eq!(bench.state(), Some(GroupState::Empty));
}

#[test]
fn a_static_member_is_sent_away_by_its_name_alone() {
    let mut bench = Bench::new();
    bench.settle(static_join("", "i"));
    let away = |bench: &mut Bench, member: &str, instance: &str| {
        let members = vec![Leaver { member: member.into(), instance: Some(instance.into()) }];
        let token = bench.send(Request::Leave(Leave { group: "g".into(), members }));
        let Some(Response::Leave(Ok(left))) = bench.answer(token) else { panic!("no answer") };
        left[0].result
    };
    assert_eq!(away(&mut bench, "other", "i"), Err(Refusal::FencedInstanceId));
    assert_eq!(away(&mut bench, "", "j"), Err(Refusal::UnknownMemberId));
    assert_eq!(away(&mut bench, "", "i"), Ok(()));
    assert_eq!(bench.state(), Some(GroupState::Empty));
}

#[test]
fn two_processes_with_one_name_fence_each_other_while_they_wait() {
    let mut bench = Bench::new();
    let (first, _) = bench.settle(join(""));
    let one = bench.send(Request::Join(static_join("", "i")));
    let two = bench.send(Request::Join(static_join("", "i")));
    assert_eq!(bench.joined(one), Some(Err(Refusal::FencedInstanceId)));
    bench.send(Request::Join(join(first.as_str())));
    assert!(bench.joined(two).unwrap().is_ok());
}

#[test]
fn a_generation_settles_with_a_static_member_that_is_away_and_without_others_that_are() {
    let mut bench = Bench::new();
    let patient = |member: &str| Join { session_timeout: DurationMs(60_000), rebalance_timeout: DurationMs(5_000), ..join(member) };
    let (first, _) = bench.settle(Join { instance: Some("i".into()), ..patient("") });
    let away = bench.send(Request::Join(patient("")));
    bench.wait(5_000);
    assert_eq!(bench.joined(away).unwrap().unwrap().members.len(), 2, "the static member has its place");
    let present = bench.send(Request::Join(patient("")));
    bench.wait(5_000);
    let joined = bench.joined(present).unwrap().unwrap();
    assert_eq!(joined.members.iter().filter(|member| member.member == first).count(), 1);
    assert_eq!(joined.members.len(), 2, "the other that was away is gone");
}
