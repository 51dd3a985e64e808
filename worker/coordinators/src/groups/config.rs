//! Bounds and delays of the group coordinator, under Kafka's names where Kafka has one.

use units::DurationMs;

/// How a group coordinator behaves. The defaults are Kafka's, except the lower session bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How many partitions group names are spread over (`offsets.topic.num.partitions`). Never changes once there is data.
    pub partition_count: i32,
    /// `group.initial.rebalance.delay.ms`: how long an empty group waits for more members after the first.
    pub initial_rebalance_delay: DurationMs,
    /// `group.min.session.timeout.ms`: 3 s here, 6 s in Kafka.
    pub session_timeout_min: DurationMs,
    /// `group.max.session.timeout.ms`.
    pub session_timeout_max: DurationMs,
    /// How long a join without heartbeats may take before it counts as a client that went away.
    pub new_member_join_timeout: DurationMs,
    /// `group.max.size`.
    pub members_max: usize,
    /// `offset.metadata.max.bytes`.
    pub offset_metadata_bytes_max: usize,
    /// `offsets.retention.minutes`, counted from when the group became empty.
    pub offsets_retention: DurationMs,
    /// `offsets.retention.check.interval.ms`.
    pub offsets_check_interval: DurationMs,
    /// `producer.id.expiration.ms`: how long the epoch of a producer without staged offsets is remembered.
    pub producer_retention: DurationMs,
    /// A partition writes a snapshot of itself, and trims what is before it, after so many records and as many as it has keys.
    pub snapshot_records: u64,
    /// Where made member ids begin; random for each start, so that no two starts make the same ids.
    pub member_id_seed: [u64; 2],
}

impl Default for Config {
    fn default() -> Self {
        Self {
            partition_count: 50,
            initial_rebalance_delay: DurationMs(3_000),
            session_timeout_min: DurationMs(3_000),
            session_timeout_max: DurationMs(30 * 60_000),
            new_member_join_timeout: DurationMs(5 * 60_000),
            members_max: usize::MAX,
            offset_metadata_bytes_max: 4096,
            offsets_retention: DurationMs(7 * 24 * 3_600_000),
            offsets_check_interval: DurationMs(10 * 60_000),
            producer_retention: DurationMs(24 * 3_600_000),
            snapshot_records: 100_000,
            member_id_seed: [0; 2],
        }
    }
}
