//! A group member against a coordinator that does as scripted. What it says when is tested beside its core; here are its connections.

use std::time::Duration;

use bytes::Bytes;
use streamwright_client::{Lost, Member, MemberEvent, MemberOptions};
use units::GroupId;
use wire::{
    ApiKey, ErrorCode, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupResponse, SyncGroupRequest, SyncGroupResponse,
};

use super::{
    cluster,
    fake::{Call, Fake, Reaction},
    soon,
};

/// A coordinator of a group of one; `beats` are its answers to heartbeats, the last one for good.
fn coordinate(mut beats: Vec<ErrorCode>) -> impl FnMut(&Call) -> Option<Reaction> + Send {
    let mut generation = 0;
    move |call| {
        Some(match call.api {
            ApiKey::JoinGroup => {
                generation += 1;
                let request = call.request::<JoinGroupRequest>();
                let metadata = request.protocols[0].metadata.clone();
                let member = wire::join_group::JoinGroupResponseMember { member_id: "m".into(), metadata, ..Default::default() };
                call.answer(&JoinGroupResponse {
                    generation_id: generation,
                    leader: "m".into(),
                    member_id: "m".into(),
                    protocol_name: Some("ours".into()),
                    protocol_type: Some(request.protocol_type),
                    members: vec![member],
                    ..Default::default()
                })
            }
            ApiKey::SyncGroup => {
                let assignments = call.request::<SyncGroupRequest>().assignments;
                let assignment = assignments.first().map(|mine| mine.assignment.clone()).unwrap_or_default();
                call.answer(&SyncGroupResponse { assignment, ..Default::default() })
            }
            ApiKey::Heartbeat => {
                let error_code = if beats.len() > 1 { beats.remove(0) } else { beats[0] };
                call.answer(&HeartbeatResponse { error_code, ..Default::default() })
            }
            ApiKey::LeaveGroup => call.answer(&LeaveGroupResponse::default()),
            _ => return None,
        })
    }
}

fn options() -> MemberOptions {
    let heartbeat_interval = Duration::from_millis(20);
    MemberOptions { heartbeat_interval, ..MemberOptions::new(GroupId::from("g"), Some("pod-0".into()), "ours") }
}

async fn member(fake: &Fake) -> Member {
    Member::new(cluster(fake).await, options())
}

/// Joins, leads, and gets what it gave itself.
async fn join(member: &mut Member, assignment: &'static [u8]) -> i32 {
    member.join(Bytes::from_static(b"mine"));
    let event = soon(member.next()).await;
    let Some(MemberEvent::Lead { members, .. }) = event else { panic!("{event:?}") };
    assert_eq!(members[0].metadata, b"mine"[..]);
    member.assign(vec![(members[0].member_id.clone(), Bytes::from_static(assignment))]);
    let event = soon(member.next()).await;
    let Some(MemberEvent::Assigned { generation, assignment: given }) = event else { panic!("{event:?}") };
    assert_eq!(given, assignment);
    generation.generation_id
}

#[tokio::test]
async fn a_member_joins_beats_rebalances_and_leaves() {
    let fake = Fake::start(coordinate(vec![ErrorCode::None, ErrorCode::RebalanceInProgress, ErrorCode::None])).await;
    let mut member = member(&fake).await;
    assert_eq!(join(&mut member, b"first").await, 1);
    assert_eq!(soon(member.next()).await, Some(MemberEvent::Rebalancing));
    assert_eq!(join(&mut member, b"second").await, 2);
    soon(member.leave()).await.unwrap();
    assert_eq!(fake.calls(ApiKey::LeaveGroup).len(), 1);
}

#[tokio::test]
async fn a_member_that_is_dropped_by_its_owner_does_not_leave() {
    let fake = Fake::start(coordinate(vec![ErrorCode::None])).await;
    let cluster = cluster(&fake).await;
    let mut member = Member::new(cluster.clone(), options());
    join(&mut member, b"all").await;
    drop(member);
    // Its own connection goes; the one that the cluster shares stays.
    soon(fake.connections_come_to(1)).await;
    assert!(fake.calls(ApiKey::LeaveGroup).is_empty());
}

#[tokio::test]
async fn a_coordinator_that_closes_the_connection_is_found_again() {
    let mut script = coordinate(vec![ErrorCode::None, ErrorCode::None, ErrorCode::RebalanceInProgress]);
    let mut closed = 0;
    let fake = Fake::start(move |call| {
        let closes =
            matches!(call.api, ApiKey::JoinGroup | ApiKey::SyncGroup | ApiKey::Heartbeat) && closed < 3 && call.correlation_id >= 2;
        closed += i32::from(closes);
        if closes && closed % 2 == 1 { Some(Reaction::Close) } else { script(call) }
    })
    .await;
    let mut member = member(&fake).await;
    join(&mut member, b"all").await;
    assert_eq!(soon(member.next()).await, Some(MemberEvent::Rebalancing));
}

#[tokio::test]
async fn a_member_may_leave_while_it_waits_for_others_to_join() {
    let mut script = coordinate(vec![ErrorCode::None]);
    let fake = Fake::start(move |call| if call.api == ApiKey::JoinGroup { Some(Reaction::Silence) } else { script(call) }).await;
    let member = member(&fake).await;
    member.join(Bytes::new());
    while fake.calls(ApiKey::JoinGroup).is_empty() {
        tokio::task::yield_now().await;
    }
    tokio::time::timeout(Duration::from_secs(5), member.leave()).await.expect("leaving does not wait for the join").unwrap();
    assert_eq!(fake.calls(ApiKey::LeaveGroup).len(), 1);
}

#[tokio::test]
async fn losing_the_membership_is_told_and_a_fence_is_the_end() {
    let fake = Fake::start(coordinate(vec![ErrorCode::UnknownMemberId, ErrorCode::None, ErrorCode::FencedInstanceId])).await;
    let mut member = member(&fake).await;
    join(&mut member, b"all").await;
    assert_eq!(soon(member.next()).await, Some(MemberEvent::Lost(Lost::Dropped)));
    join(&mut member, b"again").await;
    assert_eq!(soon(member.next()).await, Some(MemberEvent::Lost(Lost::Fenced)));
    assert_eq!(soon(member.next()).await, None);
}
