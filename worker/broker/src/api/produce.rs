//! Produce (0): check each batch, put it into the log in the order of arrival, answer when all of them are durable.
//!
//! The first batch of a transaction in a partition waits for the transaction coordinator's word (KIP-890). Batches of the same connection
//! for the same partition wait behind it at a gate; everything else goes on.

use std::{collections::HashMap, sync::Arc};

use bytes::{Bytes, BytesMut};
use log::{Append, AppendError, Appended, Origin, TopicPartitionId, VerificationGuard};
use records::{BatchError, BatchHeader, Skim};
use tokio::sync::oneshot;
use units::{Offset, TimestampMs, TopicPartition, TransactionalId};
use wire::{Decoder, ErrorCode, ProduceRequest, ProduceResponse, Str, produce as p};

use super::verification::{Needed, Word};
use crate::{
    catalogue::Topic,
    clock,
    dispatch::{self, Begun, Call, decode},
    errors,
};

/// The first version that may carry zstd (KIP-110).
const ZSTD_VERSION: i16 = 7;
/// A batch whose keys are to be seen is looked through as far as this; clients bound their batches far below.
const PLAIN_BYTES_MAX: usize = 128 << 20;

/// Why a partition's batch was not written.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    code: ErrorCode,
    message: Option<String>,
    /// The record that is the reason, from 0 (KIP-467).
    record: Option<i32>,
}

impl Refused {
    pub(super) fn saying(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: Some(message.into()), record: None }
    }
}

impl From<ErrorCode> for Refused {
    fn from(code: ErrorCode) -> Self {
        Self { code, message: None, record: None }
    }
}

type Placed = Result<Appended, Refused>;

/// Partitions of a connection at which batches wait for an earlier one's verification: the newest batch's turn, each.
#[derive(Default)]
pub(crate) struct Gates {
    waiting: HashMap<TopicPartitionId, oneshot::Receiver<()>>,
}

impl Gates {
    /// The turn before the next batch for `partition`; `None` where nothing waits.
    fn before(&mut self, partition: TopicPartitionId) -> Option<oneshot::Receiver<()>> {
        let mut turn = self.waiting.remove(&partition)?;
        matches!(turn.try_recv(), Err(oneshot::error::TryRecvError::Empty)).then_some(turn)
    }
}

pub(crate) fn begin(call: Call, gates: &mut Gates, decoder: &mut Decoder) -> Result<Begun, String> {
    let request = decode::<ProduceRequest>(decoder, call.version)?;
    let acks = request.acks;
    let (version, correlation_id) = (call.version, call.correlation_id);
    let shared = Arc::clone(&call.shared);
    let transactional_id = request.transactional_id.as_deref().map(TransactionalId::from);
    let word = Arc::new(Word::new(call, transactional_id));
    let slots: Vec<_> = request.topic_data.into_iter().map(|topic| place_topic(&word, gates, acks, topic)).collect();
    if word.has_question() {
        tokio::spawn(async move { word.ask().await });
    }
    let finish = async move {
        let mut responses = Vec::with_capacity(slots.len());
        for (mut response, slots) in slots {
            for (index, slot) in slots {
                response.partition_responses.push(partition_response(index, slot.finish().await));
            }
            responses.push(response);
        }
        ProduceResponse { responses, ..ProduceResponse::default() }
    };
    if acks != 0 {
        return Ok(Begun::Answer(Box::pin(async move {
            let response = finish.await;
            let answer = wire::encode_response(&response, version, correlation_id).map_err(|reason| reason.to_string())?;
            let charged = dispatch::charge(&shared, &answer).await;
            Ok((answer, Some(charged)))
        })));
    }
    // Nobody hears of an error with acks=0: closing the connection makes the client look again (Kafka does the same).
    Ok(Begun::Silent(Box::pin(async move {
        let response = finish.await;
        let refused = response
            .responses
            .iter()
            .flat_map(|topic| &topic.partition_responses)
            .find(|partition| partition.error_code != ErrorCode::None);
        refused.map_or(Ok(()), |partition| Err(format!("a produce with acks=0 was refused: {:?}", partition.error_code)))
    })))
}

/// One partition's outcome, or where it will come from.
enum Slot {
    Refused(Refused),
    /// With the time that the records were stamped with, where the topic says so.
    Pending(oneshot::Receiver<Placed>, Option<TimestampMs>),
}

impl Slot {
    async fn finish(self) -> (Placed, Option<TimestampMs>) {
        match self {
            Self::Refused(refused) => (Err(refused), None),
            // A log that closes drops what it had not acknowledged.
            Self::Pending(placed, stamped) => (placed.await.unwrap_or_else(|_| Err(ErrorCode::NotLeaderOrFollower.into())), stamped),
        }
    }
}

fn place_topic(
    word: &Arc<Word>,
    gates: &mut Gates,
    acks: i16,
    wanted: p::TopicProduceData,
) -> (p::TopicProduceResponse, Vec<(units::PartitionId, Slot)>) {
    let shared = &word.call.shared;
    let catalogue = shared.topics.now();
    let by_id = word.call.version >= 13;
    let topic = if by_id { catalogue.by_id(wanted.topic_id) } else { catalogue.get(&wanted.name) };
    let response = p::TopicProduceResponse { name: wanted.name, topic_id: wanted.topic_id, ..p::TopicProduceResponse::default() };
    let slots = wanted.partition_data.into_iter().map(|partition| {
        let slot = match topic {
            _ if !matches!(acks, -1..=1) => Slot::Refused(ErrorCode::InvalidRequiredAcks.into()),
            None if by_id => Slot::Refused(ErrorCode::UnknownTopicId.into()),
            None => {
                shared.unknown_topics.asked(&response.name);
                Slot::Refused(ErrorCode::UnknownTopicOrPartition.into())
            }
            Some(topic) => place(word, gates, topic, partition.index, partition.records.unwrap_or_default()).unwrap_or_else(Slot::Refused),
        };
        (partition.index, slot)
    });
    let slots = slots.collect();
    (response, slots)
}

/// Checks one partition's batch and puts it on its way.
fn place(word: &Arc<Word>, gates: &mut Gates, topic: &Topic, index: units::PartitionId, records: Bytes) -> Result<Slot, Refused> {
    let partition = topic.partition(index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let settings = topic.settings();
    let header = check(&records, settings.max_message_bytes, word.call.version)?;
    if settings.compacts {
        check_keys(&records)?;
    }
    let stamp = settings.stamps_append_time.then(clock::now);
    let batches = stamp.map_or(records.clone(), |now| stamped(&records, now));
    let (sender, placed) = oneshot::channel();
    let slot = Slot::Pending(placed, stamp);
    let turn = gates.before(partition);
    let name = TopicPartition { topic: topic.name.clone(), partition: index };
    let needed = if turn.is_some() { None } else { Some(word.needed(&header, partition, &name, true)?) };
    if matches!(needed, Some(Needed::Nothing)) {
        append(word, partition, batches, None, sender);
        return Ok(slot);
    }
    let (next, after) = oneshot::channel();
    gates.waiting.insert(partition, after);
    let word = Arc::clone(word);
    tokio::spawn(async move {
        if let Some(turn) = turn {
            // Whoever was before is in the log now, or was refused: either way it is our turn.
            let _ = turn.await;
        }
        let needed = needed.map_or_else(|| word.needed(&header, partition, &name, false), Ok);
        let guard = match needed {
            Ok(needed) => word.wait(needed, &header, name).await,
            Err(refused) => Err(refused),
        };
        match guard {
            Ok(guard) => append(&word, partition, batches, guard, sender),
            Err(refused) => drop(sender.send(Err(refused))),
        }
        let _ = next.send(());
    });
    Ok(slot)
}

fn append(word: &Word, partition: TopicPartitionId, batches: Bytes, guard: Option<VerificationGuard>, placed: oneshot::Sender<Placed>) {
    let append = Append { batches, origin: Origin::Producer { guard }, leader_epoch: None };
    let done = Box::new(move |appended: Result<Appended, AppendError>| {
        let refused = |error: AppendError| Refused::saying(errors::of_append(&error), error.to_string());
        // A connection that closed no longer wants to know.
        let _ = placed.send(appended.map_err(refused));
    });
    word.call.shared.log.append(partition, append, done);
}

/// What Kafka checks of a produced batch without looking inside: exactly one whole batch of format 2, its checksum, its size.
fn check(records: &Bytes, max_message_bytes: usize, version: i16) -> Result<BatchHeader, Refused> {
    let header = records::validate_produced(records).map_err(|error| unusable(&error))?;
    if records.len() > max_message_bytes {
        let message = format!("a batch of {} bytes is larger than max.message.bytes = {max_message_bytes}", records.len());
        return Err(Refused::saying(ErrorCode::MessageTooLarge, message));
    }
    if version < ZSTD_VERSION && header.attributes.compression() == Ok(records::Compression::Zstd) {
        return Err(ErrorCode::UnsupportedCompressionType.into());
    }
    Ok(header)
}

fn unusable(error: &BatchError) -> Refused {
    let code = match error {
        BatchError::Magic { .. } => ErrorCode::UnsupportedForMessageFormat,
        _ if error.is_invalid_record() => ErrorCode::InvalidRecord,
        _ => ErrorCode::CorruptMessage,
    };
    Refused::saying(code, error.to_string())
}

/// On a compacted topic a record without a key could never go: nothing could take its place.
fn check_keys(records: &Bytes) -> Result<(), Refused> {
    for (index, record) in (0..).zip(Skim::new(records, PLAIN_BYTES_MAX).map_err(|error| unusable(&error))?) {
        if !record.map_err(|error| unusable(&error))?.has_key {
            let refused = Refused::saying(ErrorCode::InvalidRecord, format!("record {index} has no key, and the topic is compacted"));
            return Err(Refused { record: Some(index), ..refused });
        }
    }
    Ok(())
}

/// The batch with our clock's time in it (`message.timestamp.type=LogAppendTime`).
fn stamped(records: &Bytes, now: TimestampMs) -> Bytes {
    let mut batch = BytesMut::from(records.as_ref());
    records::set_append_time(&mut batch, now);
    batch.freeze()
}

fn partition_response(index: units::PartitionId, (placed, stamp): (Placed, Option<TimestampMs>)) -> p::PartitionProduceResponse {
    let response = p::PartitionProduceResponse { index, base_offset: Offset(-1), ..p::PartitionProduceResponse::default() };
    match placed {
        Ok(appended) => p::PartitionProduceResponse {
            base_offset: appended.base_offset,
            log_start_offset: appended.log_start,
            log_append_time_ms: stamp.unwrap_or(TimestampMs::NONE),
            ..response
        },
        Err(refused) => {
            let message = refused.message.map(Str::from);
            let record = |batch_index| p::BatchIndexAndErrorMessage { batch_index, batch_index_error_message: message.clone() };
            let record_errors = refused.record.map(record).into_iter().collect();
            p::PartitionProduceResponse { error_code: refused.code, record_errors, error_message: message, ..response }
        }
    }
}
