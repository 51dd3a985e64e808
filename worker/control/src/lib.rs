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
//! Durations are milliseconds, sizes are bytes, instants are milliseconds since 1970 UTC. An absent bound (`None`) means unlimited.

mod broker;
mod layout;
mod pipeline;
mod problem;
mod table;
mod topic;

pub use broker::{ActualBroker, BrokerStorage, DesiredBroker, Listener, ObjectStoreUse, StoreHealth, VolumeHealth};
pub use layout::{InvalidLayout, Layout};
pub use pipeline::{ActualPipeline, DesiredPipeline, InternalTopic, InternalUse, Life, Phase, SourceProgress, StartFrom};
pub use problem::{PipelineProblem, PipelineReason, TopicProblem, TopicReason};
pub use table::{Column, ColumnSource, EventTime, Format, Table};
pub use topic::{ActualTopic, Cleanup, ConfigEntry, DesiredTopic, ObjectRef, Owner, OwnerKind, Release, ReleasedTopic, Retention};
