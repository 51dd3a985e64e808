//! The quantities every other room speaks in: positions, identities and sizes of the log.
//!
//! One newtype per meaning, so that an offset is never passed where a count belongs. No I/O, no clock, no policy.

mod identity;
mod position;
mod quantity;

pub use identity::{
    BrokerId, GroupId, Incarnation, InstanceId, InvalidTopicName, MemberId, PartitionId, ProducerEpoch, ProducerId, TopicId, TopicName,
    TopicPartition, TransactionalId,
};
pub use position::{LeaderEpoch, Offset, Sequence};
pub use quantity::{ByteCount, DurationMs, RecordCount, TimestampMs};
