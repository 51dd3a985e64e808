//! What the transaction coordinator's partitions hold: the records, their bytes, and how they are read back.
//!
//! | key (after version 1 and kind) | kind | value (after version 1 and kind) |
//! |---|---|---|
//! | transactional id | 1 | producer, previous producer, next id i64, epoch of the transaction i16, timeout i64, state u8, version u8, started i64, updated i64, partitions, group partitions |
//! | broker i32 | 2 | first producer id not reserved i64 |
//!
//! A producer is id i64 and epoch i16; -1 stands for none. Numbers are big-endian, texts have a u32 length in front, lists a u32 count. A
//! record without a value takes its key away. Recovery: the last record of each key holds, of kind 2 the highest.

use std::collections::{BTreeMap, BTreeSet};

use units::{BrokerId, DurationMs, PartitionId, ProducerEpoch, ProducerId, TimestampMs, TopicPartition, TransactionalId};

use super::{Producer, TransactionState, Version};
use crate::{
    Outcome, Record,
    codec::{CorruptRecord, Reader, Writer},
    journal,
};

const VERSION: u8 = 1;
const TRANSACTION: u8 = 1;
const PRODUCER_IDS: u8 = 2;

/// One change of a partition's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Where a transactional id stands now; `None`: it is forgotten.
    Transaction(TransactionalId, Option<Stored>),
    /// All producer ids of this broker below this one may be in use.
    ProducerIds(BrokerId, ProducerId),
}

/// A transactional id, as it is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    /// What the producer has; while a decision is being completed, what its markers carry.
    pub(crate) producer: Producer,
    /// What it had before its own last request gave it the present one: that request, when repeated, names this.
    pub(crate) previous: Option<Producer>,
    /// Its next id, where the epochs of the present one are used up by the decision being completed.
    pub(crate) next_id: Option<ProducerId>,
    /// The epoch of the records of the transaction being completed.
    pub(crate) transaction_epoch: ProducerEpoch,
    pub(crate) timeout: DurationMs,
    pub(crate) state: TransactionState,
    pub(crate) version: Version,
    /// When the open or ending transaction began.
    pub(crate) started: Option<TimestampMs>,
    pub(crate) updated: TimestampMs,
    pub(crate) partitions: BTreeSet<TopicPartition>,
    pub(crate) group_partitions: BTreeSet<PartitionId>,
}

impl Stored {
    /// How the decision being completed ends the transaction; `None` where none is.
    pub(crate) fn decided(&self) -> Option<Outcome> {
        match self.state {
            TransactionState::PrepareCommit => Some(Outcome::Commit),
            TransactionState::PrepareAbort => Some(Outcome::Abort),
            _ => None,
        }
    }
}

/// The fold of one partition's log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Store {
    pub(crate) transactions: BTreeMap<TransactionalId, Stored>,
    pub(crate) producer_ids: BTreeMap<BrokerId, ProducerId>,
}

impl Store {
    pub(crate) fn apply(&mut self, change: &Change) {
        match change {
            Change::Transaction(id, Some(stored)) => {
                self.transactions.insert(id.clone(), stored.clone());
            }
            Change::Transaction(id, None) => {
                self.transactions.remove(id);
            }
            Change::ProducerIds(broker, next) => {
                let reserved = self.producer_ids.entry(*broker).or_insert(*next);
                *reserved = (*reserved).max(*next);
            }
        }
    }

    /// The changes that make this state out of nothing.
    pub(crate) fn snapshot(&self) -> impl Iterator<Item = Change> + '_ {
        let ids = self.producer_ids.iter().map(|(broker, next)| Change::ProducerIds(*broker, *next));
        ids.chain(self.transactions.iter().map(|(id, stored)| Change::Transaction(id.clone(), Some(stored.clone()))))
    }

    pub(crate) fn keys(&self) -> usize {
        self.transactions.len() + self.producer_ids.len()
    }
}

impl journal::Change for Change {
    fn record(&self) -> Record {
        match self {
            Self::Transaction(id, stored) => {
                let mut key = Writer::new(VERSION, TRANSACTION);
                key.text(id.as_str());
                Record { key: key.finish(), value: stored.as_ref().map(write) }
            }
            Self::ProducerIds(broker, next) => {
                let (mut key, mut value) = (Writer::new(VERSION, PRODUCER_IDS), Writer::new(VERSION, PRODUCER_IDS));
                key.i32(broker.0);
                value.i64(next.0);
                Record { key: key.finish(), value: Some(value.finish()) }
            }
        }
    }
}

const STATES: [TransactionState; 6] = [
    TransactionState::Empty,
    TransactionState::Ongoing,
    TransactionState::PrepareCommit,
    TransactionState::PrepareAbort,
    TransactionState::CompleteCommit,
    TransactionState::CompleteAbort,
];

fn write(stored: &Stored) -> bytes::Bytes {
    let none = Producer { id: ProducerId::NONE, epoch: ProducerEpoch(-1) };
    let mut value = Writer::new(VERSION, TRANSACTION);
    for producer in [stored.producer, stored.previous.unwrap_or(none)] {
        value.i64(producer.id.0).i16(producer.epoch.0);
    }
    let state = STATES.iter().position(|state| *state == stored.state).expect("every state is in the list");
    value.i64(stored.next_id.unwrap_or(ProducerId::NONE).0).i16(stored.transaction_epoch.0).i64(stored.timeout.0);
    value.u8(u8::try_from(state).expect("six states")).u8(if stored.version == Version::V1 { 1 } else { 2 });
    value.i64(stored.started.unwrap_or(TimestampMs::NONE).0).i64(stored.updated.0).count(stored.partitions.len());
    for partition in &stored.partitions {
        value.topic_partition(partition);
    }
    value.count(stored.group_partitions.len());
    for partition in &stored.group_partitions {
        value.i32(partition.0);
    }
    value.finish()
}

/// Reads one record.
pub(crate) fn read(key: &[u8], value: Option<&[u8]>) -> Result<Change, CorruptRecord> {
    let (kind, mut key) = Reader::new(key, VERSION)?;
    let value = value.map(|value| Reader::new(value, VERSION)).transpose()?;
    if value.as_ref().is_some_and(|(of_value, _)| *of_value != kind) {
        return Err(CorruptRecord::Impossible("pair of key and value"));
    }
    let change = match (kind, value.map(|(_, reader)| reader)) {
        (TRANSACTION, value) => Change::Transaction(key.shared_text().map(TransactionalId)?, value.map(read_stored).transpose()?),
        (PRODUCER_IDS, Some(mut value)) => {
            let next = ProducerId(value.i64()?);
            value.finish()?;
            Change::ProducerIds(BrokerId(key.i32()?), next)
        }
        (PRODUCER_IDS, None) => return Err(CorruptRecord::Impossible("reservation without a value")),
        (kind, _) => return Err(CorruptRecord::Newer { version: VERSION, kind }),
    };
    key.finish()?;
    Ok(change)
}

fn read_stored(mut value: Reader) -> Result<Stored, CorruptRecord> {
    let mut producer = || Ok::<_, CorruptRecord>(Producer { id: ProducerId(value.i64()?), epoch: ProducerEpoch(value.i16()?) });
    let (present, previous) = (producer()?, producer()?);
    let stored = Stored {
        producer: present,
        previous: Some(previous).filter(|previous| previous.id != ProducerId::NONE),
        next_id: Some(ProducerId(value.i64()?)).filter(|id| *id != ProducerId::NONE),
        transaction_epoch: ProducerEpoch(value.i16()?),
        timeout: DurationMs(value.i64()?),
        state: *STATES.get(usize::from(value.u8()?)).ok_or(CorruptRecord::Impossible("transaction state"))?,
        version: match value.u8()? {
            1 => Version::V1,
            2 => Version::V2,
            _ => return Err(CorruptRecord::Impossible("transaction version")),
        },
        started: Some(TimestampMs(value.i64()?)).filter(|started| *started != TimestampMs::NONE),
        updated: TimestampMs(value.i64()?),
        partitions: (0..value.count()?).map(|_| value.topic_partition()).collect::<Result<_, _>>()?,
        group_partitions: (0..value.count()?).map(|_| value.i32().map(PartitionId)).collect::<Result<_, _>>()?,
    };
    value.finish()?;
    Ok(stored)
}
