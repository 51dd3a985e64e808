//! Bounds and delays of the transaction coordinator, under Kafka's names where Kafka has one.

use units::{BrokerId, DurationMs, Incarnation, PartitionId};

/// How a transaction coordinator behaves. The defaults are Kafka's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Whose coordinator this is; producer ids carry it, so that no two brokers give out the same.
    pub broker: BrokerId,
    /// This start of the broker: the coordinator epoch of its markers.
    pub incarnation: Incarnation,
    /// How many partitions transactional ids are spread over (`transaction.state.log.num.partitions`). Never changes once there is data.
    pub partition_count: i32,
    /// How many partitions the group coordinator has ([`crate::groups::Config::partition_count`]).
    pub group_partition_count: i32,
    /// `transaction.max.timeout.ms`.
    pub timeout_max: DurationMs,
    /// `transactional.id.expiration.ms`: how long an id without an open transaction is kept.
    pub id_retention: DurationMs,
    /// How often kept ids are looked through (`transaction.remove.expired.transaction.cleanup.interval.ms`).
    pub id_check_interval: DurationMs,
    /// After how long markers that were not accepted, and decisions that were not written, are tried again.
    pub retry_backoff: DurationMs,
    /// The partition in which this broker reserves producer ids; it must stay with the broker, so that none is reserved twice.
    pub producer_id_partition: PartitionId,
    /// How many producer ids are reserved by one durable record.
    pub producer_id_block: i64,
    /// A partition writes a snapshot of itself, and trims what is before it, after so many records and as many as it has keys.
    pub snapshot_records: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            broker: BrokerId(0),
            incarnation: Incarnation(1),
            partition_count: 50,
            group_partition_count: 50,
            timeout_max: DurationMs(15 * 60_000),
            id_retention: DurationMs(7 * 24 * 3_600_000),
            id_check_interval: DurationMs(3_600_000),
            retry_backoff: DurationMs(100),
            producer_id_partition: PartitionId(0),
            producer_id_block: 1_000,
            snapshot_records: 100_000,
        }
    }
}
