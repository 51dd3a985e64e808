//! The shell around the two coordinators: one task each, with its partitions in the broker's own log.
//!
//! The cores decide (crate `coordinators`); here their records are appended, their markers written, their timers kept, and their requests
//! taken from connections. Their partitions are in the log under ids that no topic has.

mod actor;
mod journal;
mod markers;

use coordinators::{groups, transactions};
use log::TopicPartitionId;
use units::{PartitionId, TopicId};

pub(crate) use actor::{Actor, StartError, start, start_transactions};
pub use journal::LoadError;
pub(crate) use markers::MarkerWriter;

/// Partitions that group ids, and as many that transactional ids, are spread over. Fixed: it says where a name's records are.
pub(crate) const PARTITIONS: i32 = 16;

/// Under which id the group coordinator's partitions are in the log.
const GROUPS: TopicId = TopicId(*b"\0coord\0groups\0\0\0");
/// Under which id the transaction coordinator's partitions are in the log.
const TRANSACTIONS: TopicId = TopicId(*b"\0coord\0transact\0");

/// The group coordinator.
pub(crate) type Groups = Actor<groups::Groups>;
/// The transaction coordinator.
pub(crate) type Transactions = Actor<transactions::Transactions>;

/// Whether the partition is a coordinator's, not a topic's.
pub(crate) fn is_coordinators(partition: TopicPartitionId) -> bool {
    [GROUPS, TRANSACTIONS].contains(&partition.topic)
}

/// All partitions of one coordinator.
fn partitions(topic: TopicId) -> impl Iterator<Item = TopicPartitionId> {
    (0..PARTITIONS).map(move |index| TopicPartitionId { topic, partition: PartitionId(index) })
}
