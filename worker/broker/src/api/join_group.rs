//! JoinGroup (11): into a group's next generation.

use std::sync::Arc;

use coordinators::{
    Refusal,
    groups::{InstanceId, Join, JoinRefused, Joined, MemberId, Protocol, Request, Response},
};
use units::{DurationMs, GroupId};
use wire::{JoinGroupRequest, JoinGroupResponse, Str, join_group as j};

use crate::{dispatch::Call, errors};

/// First versions of MEMBER_ID_REQUIRED (KIP-394) and of skipping the assignment (KIP-814).
const REQUIRES_MEMBER_ID: i16 = 4;
const SKIPS_ASSIGNMENT: i16 = 9;

pub(crate) fn answer(call: Call, request: JoinGroupRequest) -> impl Future<Output = JoinGroupResponse> + Send + 'static {
    let protocol = |protocol: j::JoinGroupRequestProtocol| Protocol {
        name: text(&protocol.name),
        metadata: bytes::Bytes::copy_from_slice(&protocol.metadata),
    };
    let join = Join {
        group: GroupId::from(&*request.group_id),
        member: MemberId::from(&*request.member_id),
        instance: request.group_instance_id.as_deref().map(InstanceId::from),
        client_id: Arc::clone(&call.client_id),
        client_host: format!("/{}", call.peer.ip()).into(),
        session_timeout: DurationMs(i64::from(request.session_timeout_ms)),
        rebalance_timeout: DurationMs(i64::from(if call.version == 0 { request.session_timeout_ms } else { request.rebalance_timeout_ms })),
        protocol_type: text(&request.protocol_type),
        protocols: request.protocols.into_iter().map(protocol).collect(),
        requires_known_member_id: call.version >= REQUIRES_MEMBER_ID,
        can_skip_assignment: call.version >= SKIPS_ASSIGNMENT,
    };
    let member = join.member.clone();
    let joining = call.shared.groups.request(Request::Join(join));
    async move {
        match joining.await {
            Some(Response::Join(Ok(joined))) => accepted(joined),
            Some(Response::Join(Err(refused))) => self::refused(call.version, refused),
            _ => refused(call.version, JoinRefused { refusal: Refusal::CoordinatorNotAvailable, member }),
        }
    }
}

fn text(text: &str) -> Arc<str> {
    text.into()
}

fn accepted(joined: Joined) -> JoinGroupResponse {
    let member = |member: coordinators::groups::JoinedMember| j::JoinGroupResponseMember {
        member_id: Str::from(member.member.as_str()),
        group_instance_id: member.instance.map(|instance| Str::from(instance.as_str())),
        metadata: member.metadata,
    };
    JoinGroupResponse {
        generation_id: joined.generation.0,
        protocol_type: Some(Str::from(&*joined.protocol_type)),
        protocol_name: Some(Str::from(&*joined.protocol_name)),
        leader: Str::from(joined.leader.as_str()),
        skip_assignment: joined.skip_assignment,
        member_id: Str::from(joined.member.as_str()),
        members: joined.members.into_iter().map(member).collect(),
        ..JoinGroupResponse::default()
    }
}

fn refused(version: i16, refused: JoinRefused) -> JoinGroupResponse {
    JoinGroupResponse {
        error_code: errors::of_refusal(refused.refusal),
        member_id: Str::from(refused.member.as_str()),
        // Null is allowed from version 7 on.
        protocol_name: (version < 7).then_some(Str::EMPTY),
        ..JoinGroupResponse::default()
    }
}
