//! One group through its life on a whole broker; the coordinator's own tests are in its crate.

use bytes::Bytes;
use units::{Offset, PartitionId};
use wire::{
    DescribeGroupsRequest, ErrorCode, HeartbeatRequest, JoinGroupRequest, ListGroupsRequest, OffsetCommitRequest, OffsetFetchRequest,
    SyncGroupRequest, join_group, offset_commit, offset_fetch, sync_group,
};

use crate::kit::{Peer, Served};

fn join(peer: &mut Peer, member: &str) -> wire::JoinGroupResponse {
    let protocols = vec![join_group::JoinGroupRequestProtocol { name: "range".into(), metadata: Bytes::from_static(b"subscription") }];
    peer.ask(&JoinGroupRequest {
        group_id: "readers".into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        member_id: member.into(),
        protocol_type: "consumer".into(),
        protocols,
        ..Default::default()
    })
}

fn fetched(peer: &mut Peer) -> Offset {
    let topics = vec![offset_fetch::OffsetFetchRequestTopics { name: "orders".into(), partition_indexes: vec![PartitionId(0)] }];
    let group = offset_fetch::OffsetFetchRequestGroup { group_id: "readers".into(), topics: Some(topics), ..Default::default() };
    let answer = peer.ask(&OffsetFetchRequest { groups: vec![group], ..Default::default() });
    answer.groups[0].topics[0].partitions[0].committed_offset
}

#[test]
fn a_member_joins_is_assigned_commits_and_is_remembered_across_a_restart() {
    let mut served = Served::start();
    let mut peer = served.peer();
    peer.create("orders", 1);
    let told = join(&mut peer, "");
    assert_eq!(told.error_code, ErrorCode::MemberIdRequired, "KIP-394");
    let joined = join(&mut peer, &told.member_id);
    assert_eq!((joined.error_code, &joined.leader), (ErrorCode::None, &told.member_id));
    let assignments =
        vec![sync_group::SyncGroupRequestAssignment { member_id: joined.member_id.clone(), assignment: Bytes::from_static(b"all of it") }];
    let synced = peer.ask(&SyncGroupRequest {
        group_id: "readers".into(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        assignments,
        ..Default::default()
    });
    assert_eq!((synced.error_code, &synced.assignment[..]), (ErrorCode::None, &b"all of it"[..]));
    let commit = |generation| {
        let partition = offset_commit::OffsetCommitRequestPartition {
            partition_index: PartitionId(0),
            committed_offset: Offset(7),
            ..Default::default()
        };
        OffsetCommitRequest {
            group_id: "readers".into(),
            generation_id_or_member_epoch: generation,
            member_id: joined.member_id.clone(),
            topics: vec![offset_commit::OffsetCommitRequestTopic { name: "orders".into(), partitions: vec![partition] }],
            ..Default::default()
        }
    };
    assert_eq!(peer.ask(&commit(joined.generation_id + 1)).topics[0].partitions[0].error_code, ErrorCode::IllegalGeneration);
    assert_eq!(peer.ask(&commit(joined.generation_id)).topics[0].partitions[0].error_code, ErrorCode::None);
    assert_eq!(fetched(&mut peer), Offset(7));
    served.restart();
    let mut peer = served.peer();
    assert_eq!(fetched(&mut peer), Offset(7));
    let beat = HeartbeatRequest {
        group_id: "readers".into(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        ..Default::default()
    };
    assert_eq!(peer.ask(&beat).error_code, ErrorCode::None, "a member outlives the broker's restart");
    let listed = peer.ask(&ListGroupsRequest::default());
    assert_eq!(
        listed.groups.iter().map(|group| (group.group_id.to_string(), group.group_state.to_string())).collect::<Vec<_>>(),
        [("readers".to_owned(), "Stable".to_owned())]
    );
    let described = peer.ask(&DescribeGroupsRequest { groups: vec!["readers".into()], ..Default::default() });
    assert_eq!(described.groups[0].members.len(), 1);
}
