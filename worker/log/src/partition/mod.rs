//! One partition: where it begins and ends, where its batches lie, and what its producers are doing.

pub(crate) mod epochs;
pub(crate) mod index;
pub(crate) mod producers;
pub(crate) mod transactions;

use std::{sync::Arc, time::Duration};

use units::{ByteCount, Offset, TimestampMs};

use crate::{
    PartitionConfig, PartitionOffsets, Usage,
    batch::{BatchView, ControlMarker},
    codec::{Fields, Malformed},
    manifest::Manifest,
};
use epochs::Epochs;
use index::{Index, IndexEntry, Location};
use producers::Producers;
use transactions::Transactions;

/// All that is known of one partition without reading.
#[derive(Debug, Default)]
pub(crate) struct Partition {
    pub(crate) config: PartitionConfig,
    /// Durable.
    pub(crate) log_start: Offset,
    /// The newest log start asked for, durable or not yet.
    pub(crate) log_start_next: Offset,
    /// One past the last durable record.
    pub(crate) high_watermark: Offset,
    /// One past the last record that has an offset.
    pub(crate) log_end: Offset,
    pub(crate) index: Index,
    pub(crate) producers: Producers,
    pub(crate) transactions: Transactions,
    pub(crate) epochs: Epochs,
    /// Everything below is in the manifest at the store.
    pub(crate) shipped_to: Offset,
    /// The same, as the last durable checkpoint has it.
    pub(crate) shipped_saved: Offset,
    /// The manifest, where it has been read or written since the start.
    pub(crate) manifest: Option<Arc<Manifest>>,
    /// Where the log ended when it was opened; 0 where it was made since.
    pub(crate) recovered_end: Offset,
    /// The manifest is known, or that there is none.
    pub(crate) is_manifest_known: bool,
    /// Bytes in the store when the manifest is not known.
    pub(crate) object_bytes_saved: u64,
    /// What the store has of it is damaged: nothing of it is shipped before this time, and everything else is.
    pub(crate) aside_until: Option<Duration>,
    /// The same, until it is known to be whole: also while it is tried again.
    pub(crate) is_damaged: bool,
    /// A segment of it that was to be merged is damaged.
    pub(crate) is_unmergeable: bool,
}

/// What a batch does to the transactions of its partition.
pub(crate) enum Change {
    Nothing,
    /// One began at this offset.
    Began(Offset),
    /// One that began at `first` has ended.
    Ended {
        first: Offset,
        is_abort: bool,
    },
}

/// Takes into producers and epochs what the batch at `base` says.
pub(crate) fn follow(
    (producers, epochs): (&mut Producers, &mut Epochs),
    (view, bytes): (&BatchView, &[u8]),
    base: Offset,
    now: TimestampMs,
) -> Change {
    epochs.assign(view.leader_epoch, base);
    if !view.is_control() {
        return producers.apply(view, base, now).map_or(Change::Nothing, Change::Began);
    }
    let Some(marker) = ControlMarker::parse(bytes) else { return Change::Nothing };
    let first = producers.apply_marker(view, marker.coordinator_epoch, now);
    first.map_or(Change::Nothing, |first| Change::Ended { first, is_abort: marker.is_abort })
}

impl Partition {
    pub(crate) fn new(config: PartitionConfig) -> Self {
        Self { config, ..Self::default() }
    }

    /// Takes over a batch that is placed at `log_end`; `bytes` are its own.
    pub(crate) fn take(&mut self, view: &BatchView, bytes: &[u8], location: Location, now: TimestampMs) -> IndexEntry {
        let base = self.log_end;
        let entry = IndexEntry {
            base,
            last_delta: view.last_delta,
            length: crate::codec::length(view.length),
            location,
            max_timestamp: view.max_timestamp,
        };
        self.track(view, base, bytes, now);
        self.index.push(entry);
        self.log_end = entry.end();
        entry
    }

    /// Takes over a batch that is placed at `log_end` and that only the store holds.
    pub(crate) fn take_elsewhere(&mut self, view: &BatchView, bytes: &[u8], now: TimestampMs) {
        self.track(view, self.log_end, bytes, now);
        self.log_end = Offset(self.log_end.0 + i64::from(view.last_delta) + 1);
    }

    /// What a batch at `base` means for producers, transactions and epochs.
    fn track(&mut self, view: &BatchView, base: Offset, bytes: &[u8], now: TimestampMs) {
        match follow((&mut self.producers, &mut self.epochs), (view, bytes), base, now) {
            Change::Nothing => {}
            Change::Began(first) => self.transactions.begin(view.producer_id, first),
            Change::Ended { first, is_abort } => self.transactions.end(view.producer_id, first, base, is_abort),
        }
    }

    pub(crate) fn offsets(&self) -> PartitionOffsets {
        let stable = self.transactions.last_stable(self.high_watermark).max(self.log_start);
        PartitionOffsets {
            log_start: self.log_start,
            high_watermark: self.high_watermark,
            last_stable_offset: stable,
            log_end: self.log_end,
        }
    }

    /// Everything below `end` is durable.
    pub(crate) fn raise_watermark(&mut self, end: Offset) {
        self.high_watermark = self.high_watermark.max(end);
        assert!(self.high_watermark <= self.log_end, "nothing is durable that has no offset");
        self.transactions.on_durable(self.high_watermark);
    }

    /// The log starts at `offset`, durably.
    pub(crate) fn raise_log_start(&mut self, offset: Offset) {
        if offset <= self.log_start {
            return;
        }
        self.log_start = offset;
        self.log_start_next = self.log_start_next.max(offset);
        self.index.trim(offset);
        self.transactions.trim(offset);
        self.epochs.trim(offset);
    }

    /// The first offset that only the WAL holds and a reader may still want.
    pub(crate) fn needed_from(&self, shipped_to: Offset) -> Offset {
        shipped_to.max(self.log_start)
    }

    /// Batches that only the WAL holds and that are durable.
    pub(crate) fn unshipped(&self) -> impl Iterator<Item = &IndexEntry> {
        let end = self.high_watermark;
        self.index.past(self.needed_from(self.shipped_to)).take_while(move |entry| entry.end() <= end)
    }

    /// Acknowledged bytes that only the volume holds.
    pub(crate) fn at_risk_bytes(&self) -> u64 {
        let all_is_durable = self.index.last_end().is_none_or(|end| end <= self.high_watermark);
        let none_is_shipped = self.index.first().is_none_or(|first| first.base >= self.needed_from(self.shipped_to));
        if all_is_durable && none_is_shipped {
            return self.index.bytes();
        }
        self.unshipped().map(|entry| u64::from(entry.length)).sum()
    }

    pub(crate) fn object_bytes(&self) -> u64 {
        self.manifest.as_ref().map_or(self.object_bytes_saved, |manifest| manifest.bytes())
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage {
            local_bytes: ByteCount(self.index.bytes()),
            object_bytes: ByteCount(self.object_bytes()),
            records: self.log_start.distance_to(self.high_watermark),
        }
    }
}

/// The settings as they stand in the WAL and in checkpoints.
pub(crate) fn encode_config(config: &PartitionConfig) -> Vec<u8> {
    let millis = |time: Option<Duration>| time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    let bytes = |bytes: Option<ByteCount>| bytes.map(|bytes| bytes.0);
    let fields = [millis(config.total_time), bytes(config.total_bytes), millis(config.local_time), bytes(config.local_bytes)];
    let mut encoded = vec![1];
    for field in fields {
        encoded.push(u8::from(field.is_some()));
        encoded.extend_from_slice(&field.unwrap_or(0).to_le_bytes());
    }
    encoded
}

/// Length of encoded settings.
pub(crate) const CONFIG_BYTES: usize = 1 + 4 * 9;

pub(crate) fn decode_config(bytes: &[u8]) -> Result<PartitionConfig, Malformed> {
    let mut fields = Fields::new(bytes);
    if fields.u8()? != 1 {
        return Err(Malformed("partition settings of an unknown version"));
    }
    let mut field = || -> Result<Option<u64>, Malformed> {
        let is_set = fields.u8()? != 0;
        let value = fields.u64()?;
        Ok(is_set.then_some(value))
    };
    Ok(PartitionConfig {
        total_time: field()?.map(Duration::from_millis),
        total_bytes: field()?.map(ByteCount),
        local_time: field()?.map(Duration::from_millis),
        local_bytes: field()?.map(ByteCount),
    })
}
