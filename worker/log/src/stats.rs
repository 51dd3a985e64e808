//! How the log is doing, for status and metrics.

use crate::TopicPartitionId;

/// A snapshot; counters run since the log was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Acknowledged bytes that only the volume holds.
    pub at_risk_bytes: u64,
    /// Free bytes of the volume when last looked at.
    pub free_disk_bytes: u64,
    /// Bytes of all WAL files, spare ones included.
    pub wal_bytes: u64,
    /// Bytes that the tail keeps in memory.
    pub tail_bytes: u64,
    /// Groups made durable.
    pub groups: u64,
    /// Bytes of batches appended.
    pub appended_bytes: u64,
    /// Duration of recent flushes in microseconds: median.
    pub flush_p50_us: u64,
    /// The same: 99th percentile.
    pub flush_p99_us: u64,
    /// Segments put into the store.
    pub segments: u64,
    /// Whether the volume takes appends.
    pub volume: VolumeHealth,
    /// Whether the store has confirmed this incarnation, which shipping waits for.
    pub is_claimed: bool,
    /// How the store answers.
    pub store: StoreState,
    /// Partitions that are not shipped since what the store has of them is damaged; the log says why.
    pub set_aside: Vec<TopicPartitionId>,
    /// Batches that the index of the WAL lists, 32 bytes each.
    pub index_entries: u64,
    /// Bytes that readers of the store have read ahead, in memory.
    pub cold_bytes: u64,
}

/// How the object store answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StoreState {
    /// It has not been asked yet.
    #[default]
    Unasked,
    /// It does what it is asked for.
    Reachable,
    /// It does not answer, or not clearly: shipping waits and is tried again. In words.
    Unreachable(String),
    /// It refuses the credentials. In words.
    AccessDenied(String),
    /// It accepts conditions on puts and does not hold them: nothing is entrusted to it. What it broke, in words.
    RefusedNoConditionalWrites(String),
}

/// Whether the volume takes appends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum VolumeHealth {
    /// It does.
    #[default]
    Healthy,
    /// No room for another WAL file: appends are refused, reads go on, and it heals when space is freed.
    Full,
    /// A flush failed, or a successor has fenced this incarnation: nothing is acknowledged until the broker starts anew.
    Failed(String),
}

/// What opening found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Partitions known.
    pub partitions: usize,
    /// Groups read after the checkpoint.
    pub groups: u64,
    /// Bytes of WAL read.
    pub scanned_bytes: u64,
    /// The torn tail of overlapped flushes that was cut off, none of it acknowledged: file and position.
    pub cut: Option<String>,
    /// What was damaged on the volume and is served by the object store, in words.
    pub repaired: Option<String>,
    /// What came back from the object store, since the volume was empty, in words.
    pub restored: Option<String>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}
