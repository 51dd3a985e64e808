//! Opens logs, builds batches, waits for answers.

use std::{
    path::Path,
    sync::{Arc, mpsc},
};

use bytes::Bytes;
use records::{BatchBuilder, Compression, Records};
use store::{MemoryStore, ObjectStore};
use streamwright_log::{
    Append, AppendError, Appended, Isolation, Log, LogConfig, OpenError, Origin, Read, ReadError, ReadOutcome, RealDisk, Recovered,
    TopicPartitionId,
};
use units::{BrokerId, Offset, PartitionId, ProducerEpoch, ProducerId, Sequence, TimestampMs, TopicId};

pub const PLAIN: Origin = Origin::Producer { guard: None };

pub fn partition(number: i32) -> TopicPartitionId {
    TopicPartitionId { topic: TopicId([3; 16]), partition: PartitionId(number) }
}

pub fn config(folder: &Path) -> LogConfig {
    LogConfig {
        wal_file_bytes: 1 << 20,
        wal_spare_files: 2,
        group_bytes_max: 256 << 10,
        disk_reserve_bytes: 1 << 20,
        ..LogConfig::new(BrokerId(1), "test", folder)
    }
}

pub fn memory() -> Arc<dyn ObjectStore> {
    Arc::new(MemoryStore::new())
}

pub fn open_with(config: LogConfig, store: Arc<dyn ObjectStore>) -> Result<(Log, Recovered), OpenError> {
    let disk = Arc::new(RealDisk::open(&config)?);
    Log::open(config, disk, store)
}

pub fn open(folder: &Path) -> Log {
    open_with(config(folder), memory()).expect("the log opens").0
}

/// A batch of records one millisecond apart; `producer` is {id, epoch, first sequence, whether transactional}.
pub fn batch(values: &[&str], timestamp: i64, producer: Option<(i64, i16, i32, bool)>) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None);
    for (index, value) in values.iter().enumerate() {
        builder.push_plain(TimestampMs(timestamp + index as i64), None, Some(value.as_bytes()));
    }
    let mut batch = builder.finish();
    if let Some((id, epoch, sequence, is_transactional)) = producer {
        records::stamp(&mut batch, ProducerId(id), ProducerEpoch(epoch), Sequence(sequence), is_transactional);
    }
    batch.into()
}

pub fn append(log: &Log, id: TopicPartitionId, batches: Bytes, origin: Origin) -> Result<Appended, AppendError> {
    answer(|done| log.append(id, Append { batches, origin, leader_epoch: None }, done))
}

pub fn answer<T: Send + 'static, E: Send + 'static>(ask: impl FnOnce(streamwright_log::Done<T, E>)) -> Result<T, E> {
    let (sender, receiver) = mpsc::sync_channel(1);
    ask(Box::new(move |outcome| drop(sender.send(outcome))));
    receiver.recv().expect("every request is answered")
}

pub fn fetch(
    log: &Log,
    id: TopicPartitionId,
    from: i64,
    bytes_max: usize,
    isolation: Isolation,
) -> Result<streamwright_log::Fetched, ReadError> {
    let read = Read { from: Offset(from), bytes_max, whole_first_batch: true, isolation };
    match log.read(id, read)? {
        ReadOutcome::Ready(fetched) => Ok(fetched),
        ReadOutcome::Blocking(job) => job.run(),
    }
}

/// Offset and value of all records from `from` on, aborted ones left out where `isolation` says so.
pub fn values(log: &Log, id: TopicPartitionId, from: i64, isolation: Isolation) -> Vec<(i64, String)> {
    let mut values = Vec::new();
    let mut next = from;
    loop {
        let fetched = fetch(log, id, next, 64 << 10, isolation).expect("the partition can be read");
        if fetched.batches.is_empty() {
            return values;
        }
        for bytes in &fetched.batches {
            for piece in records::split(bytes.clone()) {
                let (header, bytes) = piece.expect("batches are whole");
                records::verify_crc(&bytes).expect("batches are intact");
                next = header.next_offset().0;
                let is_aborted = fetched.aborted.iter().any(|aborted| {
                    aborted.producer_id == header.producer_id
                        && aborted.first_offset <= header.base_offset
                        && header.base_offset < aborted.last_offset
                });
                if header.attributes.is_control() || (is_aborted && header.attributes.is_transactional()) {
                    continue;
                }
                let records = Records::decode(&bytes, 1 << 20).expect("batches open");
                let text = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
                values.extend(
                    records.iter().map(|record| record.expect("records are whole")).map(|record| (record.offset.0, text(record.value))),
                );
            }
        }
    }
}
