//! What the group coordinator's partitions hold: the records, their bytes, and how they are read back.
//!
//! | key (after version 1 and kind) | kind | value (after version 1 and kind) |
//! |---|---|---|
//! | group | 1 | generation i32, protocol type, protocol name, leader, since i64, members |
//! | group, topic, partition i32 | 2 | offset i64, leader epoch i32, written at i64, committed i64, metadata |
//! | producer id i64, group, topic, partition i32 | 3 | epoch i16, and as kind 2 |
//! | producer id i64 | 4 | epoch i16, coordinator epoch i32, ended u8 (0 no, 1 commit, 2 abort), ended epoch i16, at i64 |
//!
//! Numbers are big-endian, texts and bytes have a u32 length in front, optional texts a mark. A record without a value takes its key away.
//! A member is id, instance (optional), client id, host, rebalance timeout i64, session timeout i64, assignment, protocols (name, metadata).
//! "Written at" is -1 for the record's own offset; a snapshot states the original. Recovery: the fold of [`super::store`] in log order.

use std::sync::Arc;

use bytes::Bytes;
use units::{DurationMs, GroupId, LeaderEpoch, Offset, ProducerEpoch, ProducerId, TimestampMs, TopicPartition};

use super::{Generation, InstanceId, MemberId, Protocol};
use crate::{
    Outcome, Record,
    codec::{CorruptRecord, Reader, Writer},
    journal,
};

const VERSION: u8 = 1;
const GROUP: u8 = 1;
const OFFSET: u8 = 2;
const STAGED: u8 = 3;
const PRODUCER: u8 = 4;

/// One change of a partition's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A group's generation; `None`: the group is gone with all its offsets, staged ones too.
    Group(GroupId, Option<StoredGroup>),
    /// A committed offset; `None`: forgotten.
    Offset(GroupId, TopicPartition, Option<StoredOffset>),
    /// An offset in an open transaction; `None`: forgotten.
    Staged(ProducerId, GroupId, TopicPartition, Option<StagedOffset>),
    /// What is known of a producer; `None`: nothing any more. One that ended completes what it staged.
    Producer(ProducerId, Option<StoredProducer>),
}

/// A generation, as it is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredGroup {
    pub(crate) generation: Generation,
    pub(crate) protocol_type: Arc<str>,
    pub(crate) protocol_name: Arc<str>,
    pub(crate) leader: MemberId,
    pub(crate) since: TimestampMs,
    pub(crate) members: Vec<StoredMember>,
}

/// A member of a durable generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredMember {
    pub(crate) id: MemberId,
    pub(crate) instance: Option<InstanceId>,
    pub(crate) client_id: Arc<str>,
    pub(crate) client_host: Arc<str>,
    pub(crate) rebalance_timeout: DurationMs,
    pub(crate) session_timeout: DurationMs,
    pub(crate) assignment: Bytes,
    pub(crate) protocols: Vec<Protocol>,
}

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredOffset {
    pub(crate) offset: Offset,
    pub(crate) leader_epoch: Option<LeaderEpoch>,
    /// Where in the coordinator's log it was written; -1 until it is.
    pub(crate) written_at: Offset,
    pub(crate) committed: TimestampMs,
    pub(crate) metadata: Arc<str>,
}

/// The mark of "this record's own offset".
pub(crate) const OWN_OFFSET: Offset = Offset(-1);

/// An offset in an open transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StagedOffset {
    pub(crate) epoch: ProducerEpoch,
    pub(crate) offset: StoredOffset,
}

/// What is known of a producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredProducer {
    pub(crate) epoch: ProducerEpoch,
    pub(crate) coordinator_epoch: i32,
    /// Whether this record ends a transaction: how, and the epoch of what it staged.
    pub(crate) ended: Option<(Outcome, ProducerEpoch)>,
    pub(crate) at: TimestampMs,
}

impl journal::Change for Change {
    fn record(&self) -> Record {
        match self {
            Self::Group(group, value) => Record {
                key: key(GROUP, |key| {
                    key.text(group.as_str());
                }),
                value: value.as_ref().map(write_group),
            },
            Self::Offset(group, partition, value) => Record {
                key: key(OFFSET, |key| {
                    key.text(group.as_str()).topic_partition(partition);
                }),
                value: value.as_ref().map(|offset| {
                    let mut value = Writer::new(VERSION, OFFSET);
                    write_offset(&mut value, offset);
                    value.finish()
                }),
            },
            Self::Staged(producer, group, partition, value) => Record {
                key: key(STAGED, |key| {
                    key.i64(producer.0).text(group.as_str()).topic_partition(partition);
                }),
                value: value.as_ref().map(|staged| {
                    let mut value = Writer::new(VERSION, STAGED);
                    value.i16(staged.epoch.0);
                    write_offset(&mut value, &staged.offset);
                    value.finish()
                }),
            },
            Self::Producer(producer, value) => Record {
                key: key(PRODUCER, |key| {
                    key.i64(producer.0);
                }),
                value: value.as_ref().map(write_producer),
            },
        }
    }
}

fn key(kind: u8, fill: impl FnOnce(&mut Writer)) -> Bytes {
    let mut key = Writer::new(VERSION, kind);
    fill(&mut key);
    key.finish()
}

fn write_group(group: &StoredGroup) -> Bytes {
    let mut value = Writer::new(VERSION, GROUP);
    value.i32(group.generation.0).text(&group.protocol_type).text(&group.protocol_name).text(group.leader.as_str());
    value.i64(group.since.0).count(group.members.len());
    for member in &group.members {
        value.text(member.id.as_str()).optional_text(member.instance.as_ref().map(InstanceId::as_str));
        value.text(&member.client_id).text(&member.client_host);
        value.i64(member.rebalance_timeout.0).i64(member.session_timeout.0).bytes(&member.assignment).count(member.protocols.len());
        for protocol in &member.protocols {
            value.text(&protocol.name).bytes(&protocol.metadata);
        }
    }
    value.finish()
}

fn write_offset(value: &mut Writer, offset: &StoredOffset) {
    value.i64(offset.offset.0).i32(offset.leader_epoch.map_or(-1, |epoch| epoch.0));
    value.i64(offset.written_at.0).i64(offset.committed.0).text(&offset.metadata);
}

fn write_producer(producer: &StoredProducer) -> Bytes {
    let (ended, ended_epoch) = match producer.ended {
        None => (0, -1),
        Some((Outcome::Commit, epoch)) => (1, epoch.0),
        Some((Outcome::Abort, epoch)) => (2, epoch.0),
    };
    let mut value = Writer::new(VERSION, PRODUCER);
    value.i16(producer.epoch.0).i32(producer.coordinator_epoch).u8(ended).i16(ended_epoch).i64(producer.at.0);
    value.finish()
}

/// Reads one record.
pub(crate) fn read(key: &[u8], value: Option<&[u8]>) -> Result<Change, CorruptRecord> {
    let (kind, mut key) = Reader::new(key, VERSION)?;
    let change = match kind {
        GROUP => Change::Group(group_id(&mut key)?, read_value(value, GROUP, read_group)?),
        OFFSET => Change::Offset(group_id(&mut key)?, key.topic_partition()?, read_value(value, OFFSET, read_offset)?),
        STAGED => {
            let producer = ProducerId(key.i64()?);
            Change::Staged(producer, group_id(&mut key)?, key.topic_partition()?, read_value(value, STAGED, read_staged)?)
        }
        PRODUCER => Change::Producer(ProducerId(key.i64()?), read_value(value, PRODUCER, read_producer)?),
        kind => return Err(CorruptRecord::Newer { version: VERSION, kind }),
    };
    key.finish()?;
    Ok(change)
}

fn read_value<T>(
    value: Option<&[u8]>,
    expected: u8,
    read: impl FnOnce(&mut Reader) -> Result<T, CorruptRecord>,
) -> Result<Option<T>, CorruptRecord> {
    let Some(value) = value else { return Ok(None) };
    let (kind, mut reader) = Reader::new(value, VERSION)?;
    if kind != expected {
        return Err(CorruptRecord::Impossible("pair of key and value"));
    }
    let read = read(&mut reader)?;
    reader.finish()?;
    Ok(Some(read))
}

fn group_id(reader: &mut Reader) -> Result<GroupId, CorruptRecord> {
    reader.shared_text().map(GroupId)
}

fn read_group(value: &mut Reader) -> Result<StoredGroup, CorruptRecord> {
    let generation = Generation(value.i32()?);
    let (protocol_type, protocol_name) = (value.shared_text()?, value.shared_text()?);
    let (leader, since) = (MemberId(value.shared_text()?), TimestampMs(value.i64()?));
    let members = (0..value.count()?).map(|_| read_member(value)).collect::<Result<_, _>>()?;
    Ok(StoredGroup { generation, protocol_type, protocol_name, leader, since, members })
}

fn read_member(value: &mut Reader) -> Result<StoredMember, CorruptRecord> {
    Ok(StoredMember {
        id: MemberId(value.shared_text()?),
        instance: value.optional_text()?.map(InstanceId::from),
        client_id: value.shared_text()?,
        client_host: value.shared_text()?,
        rebalance_timeout: DurationMs(value.i64()?),
        session_timeout: DurationMs(value.i64()?),
        assignment: Bytes::copy_from_slice(value.bytes()?),
        protocols: (0..value.count()?)
            .map(|_| Ok(Protocol { name: value.shared_text()?, metadata: Bytes::copy_from_slice(value.bytes()?) }))
            .collect::<Result<_, CorruptRecord>>()?,
    })
}

fn read_offset(value: &mut Reader) -> Result<StoredOffset, CorruptRecord> {
    Ok(StoredOffset {
        offset: Offset(value.i64()?),
        leader_epoch: Some(LeaderEpoch(value.i32()?)).filter(|epoch| epoch.0 >= 0),
        written_at: Offset(value.i64()?),
        committed: TimestampMs(value.i64()?),
        metadata: value.shared_text()?,
    })
}

fn read_staged(value: &mut Reader) -> Result<StagedOffset, CorruptRecord> {
    Ok(StagedOffset { epoch: ProducerEpoch(value.i16()?), offset: read_offset(value)? })
}

fn read_producer(value: &mut Reader) -> Result<StoredProducer, CorruptRecord> {
    Ok(StoredProducer {
        epoch: ProducerEpoch(value.i16()?),
        coordinator_epoch: value.i32()?,
        ended: match (value.u8()?, ProducerEpoch(value.i16()?)) {
            (0, _) => None,
            (1, epoch) => Some((Outcome::Commit, epoch)),
            (2, epoch) => Some((Outcome::Abort, epoch)),
            _ => return Err(CorruptRecord::Impossible("end of a transaction")),
        },
        at: TimestampMs(value.i64()?),
    })
}
