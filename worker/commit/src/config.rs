//! What a pod is told before it starts.

/// Milliseconds on the caller's monotonic clock, from any fixed instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl Time {
    /// This instant, `ms` milliseconds later.
    #[must_use]
    pub fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds since `earlier`, 0 if that is in the future.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The plan's shape and the bounds a pod keeps.
#[derive(Clone, Debug)]
pub struct Config {
    /// Source partitions of the whole plan; a pod owns some of them.
    pub sources: u32,
    /// Hash partitions: `maxParallelism`, or 1 for a plan that keeps no keyed state.
    pub hash_partitions: u32,
    /// Keyed exchanges in the plan.
    pub exchanges: u32,
    /// Wished time between commits, in milliseconds.
    pub commit_interval_ms: u64,
    /// Bytes after which a commit is cut before its time.
    pub burst_bytes_max: u64,
    /// Transaction timeout first told to the coordinator; an open transaction is given up after two thirds of it. Each burst given up so
    /// doubles it, up to [`TRANSACTION_TIMEOUT_MAX_MS`]: on a slow link the same bytes would never get through otherwise.
    pub transaction_timeout_ms: u64,
    /// Session timeout of the group. A generation that left something unassigned is followed by another within this time.
    pub session_timeout_ms: u64,
    /// Deltas after which a checkpoint is taken, in bytes.
    pub checkpoint_bytes: u64,
    /// Least time between two trims, in milliseconds.
    pub trim_interval_ms: u64,
    /// First wait after a failure, in milliseconds; it doubles up to 64 times this.
    pub backoff_ms: u64,
}

/// Kafka's default `transaction.max.timeout.ms`: a coordinator refuses more.
pub const TRANSACTION_TIMEOUT_MAX_MS: u64 = 900_000;

impl Default for Config {
    fn default() -> Self {
        Self {
            sources: 1,
            hash_partitions: 64,
            exchanges: 0,
            commit_interval_ms: 200,
            burst_bytes_max: 64 << 20,
            transaction_timeout_ms: 15_000,
            session_timeout_ms: 10_000,
            checkpoint_bytes: 64 << 20,
            trim_interval_ms: 30_000,
            backoff_ms: 20,
        }
    }
}
