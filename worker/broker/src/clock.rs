//! The wall clock, as Kafka's timestamps.

use std::time::{SystemTime, UNIX_EPOCH};

use units::TimestampMs;

/// Milliseconds since 1970.
pub(crate) fn now() -> TimestampMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    TimestampMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
