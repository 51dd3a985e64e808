//! The state that recovery starts from: everything that groups before a place in the WAL have said.
//!
//! One small file, replaced as a whole. Little-endian:
//!
//! | field | bytes |
//! |---|---|
//! | magic `SWCK`, version | 4, 4 |
//! | incarnation, seal of all groups on the volume, next group: sequence, file, position | 4, 4, 8, 4, 4 |
//! | eras: count, then (incarnation, first file, sequence of the first group) | 4, n x 16 |
//! | 1 where the log was closed here and no group follows, else 0 | 1 |
//! | partitions: count, then each as below | 4 |
//! | removed partitions whose objects are still to go: count, then (topic id, partition) | 4, n x 20 |
//! | CRC-32C of all before | 4 |
//!
//! A partition: topic id, number, settings, log start, log end, shipped to, bytes in the store, leader epochs, aborted
//! transactions (producer, first, last), producers {id, epoch, coordinator epoch, last timestamp, transaction start or -1,
//! batches: count, then (first and last sequence, offset)}.

use std::collections::BTreeMap;

use units::{Incarnation, Offset, PartitionId, ProducerEpoch, ProducerId, Sequence, TimestampMs, TopicId};

use crate::{
    AbortedTransaction, TopicPartitionId,
    codec::{self, Fields, Malformed},
    manifest::{decode_epochs, encode_epochs},
    partition::{
        CONFIG_BYTES, Partition, decode_config, encode_config,
        index::Location,
        producers::{BatchMark, Producers},
        transactions::Transactions,
    },
    wal::{eras::Eras, layout::Seal},
};

/// Name of the checkpoint on the volume.
pub(crate) const NAME: &str = "checkpoint";
const MAGIC: u32 = u32::from_le_bytes(*b"SWCK");
const VERSION: u32 = 2;
const PARTITION_BYTES: usize = 20 + CONFIG_BYTES + 44;

/// What a checkpoint says.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    pub(crate) incarnation: Incarnation,
    pub(crate) seal: Seal,
    pub(crate) eras: Eras,
    /// Where the first group lies that it does not count in, and that group's sequence.
    pub(crate) location: Location,
    pub(crate) next_seq: u64,
    /// The log was closed here: no group follows.
    pub(crate) is_last: bool,
    pub(crate) partitions: BTreeMap<TopicPartitionId, Partition>,
    pub(crate) removed: Vec<TopicPartitionId>,
}

/// Writes down `partitions` as they are after all groups before `next_seq`, which lies at `location`.
pub(crate) fn encode(
    (incarnation, seal, eras): (Incarnation, Seal, &Eras),
    (location, next_seq, is_last): (Location, u64, bool),
    partitions: &BTreeMap<TopicPartitionId, Partition>,
    removed: &[TopicPartitionId],
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64 + partitions.len() * (PARTITION_BYTES + 64));
    bytes.extend_from_slice(&MAGIC.to_le_bytes());
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&incarnation.0.to_le_bytes());
    bytes.extend_from_slice(&seal.0.to_le_bytes());
    bytes.extend_from_slice(&next_seq.to_le_bytes());
    bytes.extend_from_slice(&location.file.to_le_bytes());
    bytes.extend_from_slice(&location.position.to_le_bytes());
    eras.encode(&mut bytes);
    bytes.push(u8::from(is_last));
    bytes.extend_from_slice(&codec::length(partitions.len()).to_le_bytes());
    for (id, partition) in partitions {
        encode_partition(&mut bytes, *id, partition);
    }
    bytes.extend_from_slice(&codec::length(removed.len()).to_le_bytes());
    for id in removed {
        encode_id(&mut bytes, *id);
    }
    codec::seal(bytes)
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Checkpoint, Malformed> {
    let mut fields = Fields::new(codec::unseal(bytes)?);
    if (fields.u32()?, fields.u32()?) != (MAGIC, VERSION) {
        return Err(Malformed("not a checkpoint of this version"));
    }
    let incarnation = Incarnation(fields.u32()?);
    let seal = Seal(fields.u32()?);
    let next_seq = fields.u64()?;
    let location = Location { file: fields.u32()?, position: fields.u32()? };
    let eras = Eras::decode(&mut fields)?;
    let is_last = fields.u8()? != 0;
    let mut partitions = BTreeMap::new();
    for _ in 0..fields.count(PARTITION_BYTES)? {
        let (id, partition) = decode_partition(&mut fields)?;
        partitions.insert(id, partition);
    }
    let removed = (0..fields.count(20)?).map(|_| decode_id(&mut fields)).collect::<Result<_, _>>()?;
    Ok(Checkpoint { incarnation, seal, eras, location, next_seq, is_last, partitions, removed })
}

pub(crate) fn encode_id(bytes: &mut Vec<u8>, id: TopicPartitionId) {
    bytes.extend_from_slice(&id.topic.0);
    bytes.extend_from_slice(&id.partition.0.to_le_bytes());
}

pub(crate) fn decode_id(fields: &mut Fields<'_>) -> Result<TopicPartitionId, Malformed> {
    Ok(TopicPartitionId { topic: TopicId(fields.array()?), partition: PartitionId(fields.i32()?) })
}

fn encode_partition(bytes: &mut Vec<u8>, id: TopicPartitionId, partition: &Partition) {
    encode_id(bytes, id);
    bytes.extend_from_slice(&encode_config(&partition.config));
    for offset in [partition.log_start_next, partition.log_end, partition.shipped_to] {
        bytes.extend_from_slice(&offset.0.to_le_bytes());
    }
    bytes.extend_from_slice(&partition.object_bytes().to_le_bytes());
    encode_epochs(bytes, &partition.epochs);
    encode_aborted(bytes, partition.transactions.all_aborted());
    encode_producers(bytes, &partition.producers);
}

fn decode_partition(fields: &mut Fields<'_>) -> Result<(TopicPartitionId, Partition), Malformed> {
    let id = decode_id(fields)?;
    let config = decode_config(fields.bytes(CONFIG_BYTES)?)?;
    let [log_start, log_end, shipped_to] = [fields.offset()?, fields.offset()?, fields.offset()?];
    if log_start > log_end || shipped_to > log_end {
        return Err(Malformed("a partition's offsets are out of order"));
    }
    let object_bytes_saved = fields.u64()?;
    let epochs = decode_epochs(fields)?;
    let aborted = decode_aborted(fields)?;
    let producers = decode_producers(fields)?;
    let transactions = Transactions::of(aborted, &producers);
    let partition = Partition {
        log_start,
        log_start_next: log_start,
        log_end,
        shipped_to,
        shipped_saved: shipped_to,
        object_bytes_saved,
        epochs,
        transactions,
        producers,
        ..Partition::new(config)
    };
    Ok((id, partition))
}

pub(crate) fn encode_aborted<'a>(bytes: &mut Vec<u8>, aborted: impl ExactSizeIterator<Item = &'a AbortedTransaction>) {
    bytes.extend_from_slice(&codec::length(aborted.len()).to_le_bytes());
    for transaction in aborted {
        bytes.extend_from_slice(&transaction.producer_id.0.to_le_bytes());
        bytes.extend_from_slice(&transaction.first_offset.0.to_le_bytes());
        bytes.extend_from_slice(&transaction.last_offset.0.to_le_bytes());
    }
}

pub(crate) fn decode_aborted(fields: &mut Fields<'_>) -> Result<Vec<AbortedTransaction>, Malformed> {
    let count = fields.count(24)?;
    let mut one = || -> Result<_, Malformed> {
        Ok(AbortedTransaction {
            producer_id: ProducerId(fields.i64()?),
            first_offset: Offset(fields.i64()?),
            last_offset: Offset(fields.i64()?),
        })
    };
    (0..count).map(|_| one()).collect()
}

pub(crate) fn encode_producers(bytes: &mut Vec<u8>, producers: &Producers) {
    bytes.extend_from_slice(&codec::length(producers.len()).to_le_bytes());
    for (id, producer) in producers.iter() {
        bytes.extend_from_slice(&id.0.to_le_bytes());
        bytes.extend_from_slice(&producer.epoch.0.to_le_bytes());
        bytes.extend_from_slice(&producer.coordinator_epoch.to_le_bytes());
        bytes.extend_from_slice(&producer.last_timestamp.0.to_le_bytes());
        bytes.extend_from_slice(&producer.transaction_start.map_or(-1, |start| start.0).to_le_bytes());
        bytes.push(u8::try_from(producer.marks().count()).expect("five at most"));
        for mark in producer.marks() {
            bytes.extend_from_slice(&mark.first.0.to_le_bytes());
            bytes.extend_from_slice(&mark.last.0.to_le_bytes());
            bytes.extend_from_slice(&mark.base.0.to_le_bytes());
        }
    }
}

pub(crate) fn decode_producers(fields: &mut Fields<'_>) -> Result<Producers, Malformed> {
    let mut producers = Producers::default();
    for _ in 0..fields.count(31)? {
        let id = ProducerId(fields.i64()?);
        let epochs = (ProducerEpoch(fields.i16()?), fields.i32()?);
        let last_timestamp = TimestampMs(fields.i64()?);
        let start = fields.i64()?;
        let marks = (0..fields.u8()?).map(|_| decode_mark(fields)).collect::<Result<Vec<_>, _>>()?;
        producers.restore(id, epochs, last_timestamp, (start >= 0).then_some(Offset(start)), &marks);
    }
    Ok(producers)
}

fn decode_mark(fields: &mut Fields<'_>) -> Result<BatchMark, Malformed> {
    Ok(BatchMark { first: Sequence(fields.i32()?), last: Sequence(fields.i32()?), base: Offset(fields.i64()?) })
}
