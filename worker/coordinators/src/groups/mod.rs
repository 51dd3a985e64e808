//! Consumer groups: the classic group protocol and committed offsets, as one synchronous core.

mod config;
mod identity;
mod intention;
mod request;
mod response;

pub use config::Config;
pub use identity::{Generation, InstanceId, MemberId};
pub use intention::Intention;
pub use request::{
    CommitOffsets, DeleteOffsets, EndTransaction, Heartbeat, Join, Leave, Leaver, OffsetToKeep, Protocol, Request, StageOffsets, Sync,
};
pub use response::{
    CommittedOffset, FetchedOffset, GroupDescription, GroupListing, GroupState, JoinRefused, Joined, JoinedMember, Left, MemberDescription,
    Response, Synced,
};
