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
    let in_store = partition.manifest.as_ref().map_or(partition.shipped_to, |manifest| manifest.end().max(partition.shipped_to));
    segments.chain(partition.index.past(in_store.max(log_start)).map(batch))
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
        let is_expired = config.total_time.is_some_and(|age| is_older(piece.newest, age, now));
        let is_excess = excess >= piece.bytes && excess > 0;
        if piece.end > limit {
            break;
        }
        match piece.newest {
            // Records without a time go with the next that have one: they neither expire by themselves nor keep others.
            TimestampMs::NONE if !is_excess && config.total_time.is_some() => continue,
            TimestampMs::NONE if !is_excess => break,
            _ if is_expired || is_excess => {}
            _ => break,
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

/// Where the batches begin that the volume keeps for its readers: what lies before is older or more than local retention says,
/// and a durable checkpoint knows that the store has it. `None` where nothing is to go.
pub(crate) fn local_start(partition: &Partition, now: TimestampMs) -> Option<Offset> {
    let config = &partition.config;
    if config.local_time.is_none() && config.local_bytes.is_none() {
        return None;
    }
    let mut excess = config.local_bytes.map_or(0, |bytes_max| partition.index.bytes().saturating_sub(bytes_max.0));
    let mut start = None;
    for entry in partition.index.iter().take_while(|entry| entry.end() <= partition.shipped_saved) {
        let is_excess = excess >= u64::from(entry.length);
        if !is_excess && !config.local_time.is_some_and(|age| is_older(entry.max_timestamp, age, now)) {
            break;
        }
        excess = excess.saturating_sub(u64::from(entry.length));
        start = Some(entry.end());
    }
    start
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
    fn batches_without_a_time_go_with_the_next_that_have_one() {
        let mut partition = partition(PartitionConfig { total_time: Some(Duration::from_secs(5)), ..PartitionConfig::default() });
        let timeless = IndexEntry { max_timestamp: TimestampMs::NONE, ..*partition.index.past(Offset(2)).next().unwrap() };
        let later: Vec<_> = partition.index.past(Offset(3)).copied().collect();
        partition.index.clear();
        for entry in [timeless].into_iter().chain(later) {
            partition.index.push(entry);
        }
        partition.log_start_next = Offset(2);
        assert_eq!(log_start(&partition, TimestampMs(7500)), None);
        assert_eq!(log_start(&partition, TimestampMs(8500)), Some(Offset(4)));
    }

    #[test]
    fn what_the_store_and_the_volume_both_hold_counts_once() {
        let mut partition = partition(PartitionConfig { total_bytes: Some(ByteCount(950)), ..PartitionConfig::default() });
        let owner = crate::manifest::Owner { broker: units::BrokerId(1), incarnation: units::Incarnation(1) };
        let mut manifest = crate::manifest::Manifest::new(owner);
        manifest.segments.push(crate::manifest::SegmentRef {
            object: crate::manifest::ObjectId { broker: owner.broker, incarnation: owner.incarnation, seq: 0 },
            base: Offset(0),
            end: Offset(5),
            data_at: 32,
            data_bytes: 500,
            section_at: 0,
            section_bytes: 0,
            max_timestamp: TimestampMs(0),
            has_aborted: false,
        });
        partition.manifest = Some(std::sync::Arc::new(manifest));
        assert_eq!(log_start(&partition, TimestampMs(0)), None);
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

    #[test]
    fn local_copies_go_by_age_and_size_once_a_checkpoint_knows_that_the_store_has_them() {
        let local = |config, shipped_saved| {
            local_start(&Partition { shipped_saved: Offset(shipped_saved), ..partition(config) }, TimestampMs(8500))
        };
        let by_time = || PartitionConfig { local_time: Some(Duration::from_secs(5)), ..PartitionConfig::default() };
        let by_size = || PartitionConfig { local_bytes: Some(ByteCount(750)), ..PartitionConfig::default() };
        assert_eq!(local(PartitionConfig::default(), 10), None);
        assert_eq!((local(by_time(), 10), local(by_time(), 3), local(by_time(), 0)), (Some(Offset(4)), Some(Offset(3)), None));
        assert_eq!((local(by_size(), 10), local(by_size(), 1)), (Some(Offset(2)), Some(Offset(1))));
    }
}
