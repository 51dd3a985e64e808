//! How far a partition's log start may move, by time and by size. Only ever forward, and never past what is stable.

use std::time::Duration;

use units::{Offset, TimestampMs};

use crate::partition::{Partition, index::IndexEntry};

fn is_older(timestamp: TimestampMs, age: Duration, now: TimestampMs) -> bool {
    let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    timestamp.0 < now.0.saturating_sub(age)
}

/// What can go as one piece: a segment in the store, or a batch that only the WAL holds.
struct Piece {
    end: Offset,
    bytes: u64,
    newest: TimestampMs,
}

fn pieces(partition: &Partition) -> impl Iterator<Item = Piece> {
    let log_start = partition.log_start_next;
    let segments = partition.manifest.iter().flat_map(|manifest| &manifest.segments).filter(move |segment| segment.end > log_start);
    let segments = segments.map(|segment| Piece { end: segment.end, bytes: segment.data_bytes, newest: segment.max_timestamp });
    let batch = |entry: &IndexEntry| Piece { end: entry.end(), bytes: u64::from(entry.length), newest: entry.max_timestamp };
    segments.chain(partition.index.past(partition.shipped_to.max(log_start)).map(batch))
}

/// The log start that retention asks for, if it is another one.
pub(crate) fn log_start(partition: &Partition, now: TimestampMs) -> Option<Offset> {
    let config = &partition.config;
    if config.total_time.is_none() && config.total_bytes.is_none() {
        return None;
    }
    if partition.manifest.is_none() && partition.shipped_to > partition.log_start_next {
        return None; // Its manifest is read first.
    }
    let limit = partition.offsets().last_stable_offset;
    let mut excess = match config.total_bytes {
        Some(bytes_max) => pieces(partition).map(|piece| piece.bytes).sum::<u64>().saturating_sub(bytes_max.0),
        None => 0,
    };
    let mut start = partition.log_start_next;
    for piece in pieces(partition) {
        let is_expired = config.total_time.is_some_and(|age| piece.newest != TimestampMs::NONE && is_older(piece.newest, age, now));
        if piece.end > limit || !(is_expired || excess >= piece.bytes && excess > 0) {
            break;
        }
        excess = excess.saturating_sub(piece.bytes);
        start = piece.end;
    }
    (start > partition.log_start_next).then_some(start)
}

/// Whether the volume alone holds more, or older, than it should.
pub(crate) fn is_local_exceeded(partition: &Partition, now: TimestampMs) -> bool {
    let config = &partition.config;
    let too_old = |age| partition.unshipped().next().is_some_and(|entry| is_older(entry.max_timestamp, age, now));
    let too_much = |bytes_max: units::ByteCount| partition.unshipped().map(|entry| u64::from(entry.length)).sum::<u64>() > bytes_max.0;
    config.local_time.is_some_and(too_old) || config.local_bytes.is_some_and(too_much)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PartitionConfig, partition::index::Location};
    use units::ByteCount;

    /// Ten batches of one record and 100 bytes, one a second.
    fn partition(config: PartitionConfig) -> Partition {
        let mut partition = Partition::new(config);
        for base in 0..10 {
            let location = Location { file: 1, position: base * 100 };
            let entry = IndexEntry {
                base: Offset(i64::from(base)),
                last_delta: 0,
                length: 100,
                location,
                max_timestamp: TimestampMs(i64::from(base) * 1000),
            };
            partition.index.push(entry);
        }
        partition.log_end = Offset(10);
        partition.high_watermark = Offset(10);
        partition
    }

    #[test]
    fn old_batches_go_and_young_ones_stay() {
        let partition = partition(PartitionConfig { total_time: Some(Duration::from_secs(5)), ..PartitionConfig::default() });
        assert_eq!(log_start(&partition, TimestampMs(5000)), None);
        assert_eq!(log_start(&partition, TimestampMs(7500)), Some(Offset(3)));
        assert_eq!(log_start(&partition, TimestampMs(60_000)), Some(Offset(10)));
    }

    #[test]
    fn the_oldest_batches_go_above_the_size_and_no_more_than_that() {
        let sized = |bytes| {
            log_start(&partition(PartitionConfig { total_bytes: Some(ByteCount(bytes)), ..PartitionConfig::default() }), TimestampMs(0))
        };
        assert_eq!(sized(1000), None);
        assert_eq!(sized(950), None);
        assert_eq!(sized(650), Some(Offset(3)));
        assert_eq!(sized(0), Some(Offset(10)));
    }

    #[test]
    fn retention_stops_before_what_is_not_stable() {
        let mut partition = partition(PartitionConfig { total_bytes: Some(ByteCount(0)), ..PartitionConfig::default() });
        partition.transactions.begin(units::ProducerId(1), Offset(4));
        assert_eq!(log_start(&partition, TimestampMs(0)), Some(Offset(4)));
    }

    #[test]
    fn local_retention_asks_for_shipping() {
        let local = |config| is_local_exceeded(&partition(config), TimestampMs(6000));
        assert!(!local(PartitionConfig { local_time: Some(Duration::from_secs(6)), ..PartitionConfig::default() }));
        assert!(local(PartitionConfig { local_time: Some(Duration::from_secs(5)), ..PartitionConfig::default() }));
        assert!(local(PartitionConfig { local_bytes: Some(ByteCount(999)), ..PartitionConfig::default() }));
        assert!(!local(PartitionConfig { local_bytes: Some(ByteCount(1000)), ..PartitionConfig::default() }));
    }
}
