//! DescribeGroups (15): state and members of groups.

use bytes::Bytes;

use crate::{ErrorCode, Str};

message! {
    /// Asks for the state of groups.
    request DescribeGroupsRequest: DescribeGroups -> DescribeGroupsResponse {
        /// The groups.
        groups: Vec<Str>,
        /// Whether to say what the client may do with the group.
        include_authorized_operations: bool [3..; strict],
    }
}

message! {
    /// The state of groups.
    response DescribeGroupsResponse: DescribeGroups {
        /// Milliseconds for which a quota held this client back.
        throttle_time_ms: i32 [1..],
        /// The groups.
        groups: Vec<DescribedGroup>,
    }

    /// One group.
    struct DescribedGroup {
        /// What went wrong.
        error_code: ErrorCode,
        /// What went wrong, in words.
        error_message: Option<Str> [6..],
        /// The group.
        group_id: Str,
        /// State, as Kafka names it: `Stable`, `PreparingRebalance`, `CompletingRebalance`, `Empty`, `Dead`.
        group_state: Str,
        /// What kind of members these are: `consumer` for consumers.
        protocol_type: Str,
        /// The way of assigning in use; empty for none.
        protocol_data: Str,
        /// The members.
        members: Vec<DescribedGroupMember>,
        /// Bits of what the client may do with the group; the least number for not asked.
        authorized_operations: i32 [3..] = i32::MIN,
    }

    /// One member.
    struct DescribedGroupMember {
        /// The member; empty outside of group membership.
        member_id: Str,
        /// The name of a static member (KIP-345).
        group_instance_id: Option<Str> [4..],
        /// What the client calls itself.
        client_id: Str,
        /// Address of the client.
        client_host: Str,
        /// What the member said for the way of assigning in use.
        member_metadata: Bytes,
        /// What the member got.
        member_assignment: Bytes,
    }
}
