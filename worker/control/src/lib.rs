//! What the operator (or `streamwright dev`) wants of the data plane, and what the data plane says back: plain data, no behaviour.
//!
//! The contract is level-triggered. A *desired* value is the whole truth about what it names, is numbered by a `generation` that only
//! grows, and may be sent any number of times; a worker applies the newest it has seen and ignores older ones. An *actual* value says
//! which generation it reflects. Nothing here is a command: losing or repeating a message changes nothing.
//!
//! ```text
//! custom resources --desired--> DesiredBroker, DesiredPipeline --broker, pipeline--> ActualBroker, ActualPipeline --desired--> status
//! ```
//!
//! Values cross process boundaries as JSON, between versions too: a field that is added has a default (`#[serde(default)]`), a reader skips
//! those it does not know, none is renamed or taken away. `tests/it/golden` holds what each minor version wrote.
//! Feature `grpc` ([`grpc`]): the contract as a service, which operator and pods speak.
//!
//! Durations are milliseconds, sizes are bytes, instants are milliseconds since 1970 UTC. An absent bound (`None`) means unlimited.

mod broker;
#[cfg(feature = "grpc")]
pub mod grpc;
mod layout;
mod message;
mod pipeline;
mod problem;
mod proposal;
mod table;
mod topic;

pub use broker::{
    ActualBroker, BrokerStorage, DamagedPartition, DesiredBroker, DesiredListener, Listener, ObjectStoreUse, StoreHealth, VolumeHealth,
};
pub use layout::{InvalidLayout, Layout};
pub use message::{Actual, Desired};
pub use pipeline::{ActualPipeline, DesiredPipeline, InternalTopic, InternalUse, Life, Phase, SourceProgress, StartFrom};
pub use problem::{PipelineProblem, PipelineReason, TopicProblem, TopicReason};
pub use proposal::{ProposalKind, ProposalRefusal, RefusalReason, TopicProposal};
pub use table::{Column, ColumnSource, EventTime, Format, Table};
pub use topic::{ActualTopic, Cleanup, ConfigEntry, DesiredTopic, ObjectRef, Owner, OwnerKind, Release, ReleasedTopic, Retention};
