//! Fetch (1): a long poll over a session's partitions (KIP-227), whole batches only, never past what the isolation level may see.

use std::{
    sync::PoisonError,
    time::{Duration, Instant},
};

use log::{Fetched, Isolation};
use units::{LeaderEpoch, TopicName};
use wire::{Decoder, ErrorCode, FetchRequest, FetchResponse, RecordSet, fetch as f};

use crate::{
    budget::Taken,
    dispatch::{Begun, Call, decode},
    fetch::{FINAL_EPOCH, FetchKey, FetchTopic, Limits, Plan, Polled, Told, Wanted, poll},
};

pub(crate) fn begin(call: Call, decoder: &mut Decoder) -> Result<Begun, String> {
    let request = decode::<FetchRequest>(decoder, call.version)?;
    Ok(Begun::Answer(Box::pin(async move {
        let (response, taken) = answer(&call, request).await;
        wire::encode_response(&response, call.version, call.correlation_id)
            .map(|answer| (answer, taken))
            .map_err(|reason| reason.to_string())
    })))
}

async fn answer(call: &Call, request: FetchRequest) -> (FetchResponse, Option<Taken>) {
    let refused = |error_code| (FetchResponse { error_code, ..FetchResponse::default() }, None);
    let shared = &call.shared;
    let (wanted, forgotten, illegal) = taken_apart(call, &request);
    let epoch = if call.version >= 7 { request.session_epoch } else { FINAL_EPOCH };
    let plan =
        shared.sessions.lock().unwrap_or_else(PoisonError::into_inner).plan(Instant::now(), request.session_id, epoch, wanted, &forgotten);
    let (session_id, is_incremental, partitions) = match plan {
        Plan::Sessionless(partitions) => (0, false, partitions),
        Plan::Full { id, partitions } => (id, false, partitions),
        Plan::Incremental { id, partitions } => (id, true, partitions),
        Plan::UnknownId => return refused(ErrorCode::FetchSessionIdNotFound),
        Plan::InvalidEpoch => return refused(ErrorCode::InvalidFetchSessionEpoch),
    };
    let limits = Limits {
        max_wait: Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)),
        // A name that is not legal is answered at once, like every other refusal.
        bytes_min: if illegal.is_empty() { usize::try_from(request.min_bytes).unwrap_or(0) } else { 0 },
        bytes_max: usize::try_from(request.max_bytes).unwrap_or(0),
        isolation: if request.isolation_level == 1 { Isolation::ReadCommitted } else { Isolation::ReadUncommitted },
    };
    let (polled, taken) = poll(shared, partitions, limits).await;
    let mut response = FetchResponse { session_id, responses: illegal, ..FetchResponse::default() };
    for polled in polled {
        shared.counters.fetched_bytes.add(polled.result.as_ref().map_or(0, |fetched| fetched.bytes as u64));
        let (has_data, told) = told(&polled);
        let mut sessions = shared.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = has_data || told.is_none() || sessions.told(session_id, &polled.key) != told;
        sessions.tell(session_id, &polled.key, told, has_data);
        drop(sessions);
        if is_news || !is_incremental {
            add(&mut response, call.version, polled, limits.isolation, shared.leader_epoch());
        }
    }
    (response, taken)
}

/// What a partition's answer would say; `None` for a refusal, which is always said again.
fn told(polled: &Polled) -> (bool, Option<Told>) {
    match &polled.result {
        Ok(fetched) => {
            (fetched.bytes > 0, Some(Told { high_watermark: fetched.offsets.high_watermark, log_start: fetched.offsets.log_start }))
        }
        Err(_) => (false, None),
    }
}

type Taken3 = (Vec<(FetchKey, Wanted)>, Vec<FetchKey>, Vec<f::FetchableTopicResponse>);

/// The request as keys; topics whose name is not legal are answered right here.
fn taken_apart(call: &Call, request: &FetchRequest) -> Taken3 {
    let (mut wanted, mut illegal) = (Vec::new(), Vec::new());
    for topic in &request.topics {
        let Some(name) = named(call.version, &topic.topic, topic.topic_id) else {
            let partitions =
                topic.partitions.iter().map(|partition| refused_partition(partition.partition, ErrorCode::UnknownTopicOrPartition));
            illegal.push(f::FetchableTopicResponse {
                topic: topic.topic.clone(),
                partitions: partitions.collect(),
                ..f::FetchableTopicResponse::default()
            });
            continue;
        };
        for partition in &topic.partitions {
            let key = FetchKey { topic: name.clone(), partition: partition.partition };
            let epoch = Some(partition.current_leader_epoch).filter(|epoch| *epoch != LeaderEpoch(-1));
            let from = Wanted {
                from: partition.fetch_offset,
                bytes_max: partition.partition_max_bytes,
                log_start: partition.log_start_offset,
                leader_epoch: epoch,
            };
            wanted.push((key, from));
        }
    }
    let forgotten = request
        .forgotten_topics_data
        .iter()
        .filter_map(|topic| Some((named(call.version, &topic.topic, topic.topic_id)?, &topic.partitions)));
    let forgotten = forgotten
        .flat_map(|(name, partitions)| partitions.iter().map(move |partition| FetchKey { topic: name.clone(), partition: *partition }));
    (wanted, forgotten.collect(), illegal)
}

fn named(version: i16, name: &str, id: units::TopicId) -> Option<FetchTopic> {
    if version >= 13 { Some(FetchTopic::Id(id)) } else { TopicName::new(name).ok().map(FetchTopic::Name) }
}

fn refused_partition(partition: units::PartitionId, error_code: ErrorCode) -> f::PartitionData {
    f::PartitionData {
        partition_index: partition,
        error_code,
        high_watermark: units::Offset(-1),
        aborted_transactions: Some(Vec::new()),
        ..f::PartitionData::default()
    }
}

fn add(response: &mut FetchResponse, version: i16, polled: Polled, isolation: Isolation, epoch: LeaderEpoch) {
    let data = match polled.result {
        Ok(fetched) => partition_data(polled.key.partition, fetched, isolation),
        Err(code) => f::PartitionData {
            current_leader: if code == ErrorCode::FencedLeaderEpoch {
                f::LeaderIdAndEpoch { leader_epoch: epoch, ..Default::default() }
            } else {
                Default::default()
            },
            ..refused_partition(polled.key.partition, code)
        },
    };
    let same = |topic: &f::FetchableTopicResponse| match &polled.key.topic {
        FetchTopic::Id(id) => topic.topic_id == *id,
        FetchTopic::Name(name) => *topic.topic == *name.as_str(),
    };
    if response.responses.last().is_none_or(|topic| !same(topic)) {
        let (topic, topic_id) = match &polled.key.topic {
            FetchTopic::Id(id) => (Default::default(), *id),
            FetchTopic::Name(name) => (name.as_str().into(), units::TopicId::ZERO),
        };
        debug_assert!(version >= 13 || topic_id == units::TopicId::ZERO);
        response.responses.push(f::FetchableTopicResponse { topic, topic_id, partitions: Vec::new() });
    }
    response.responses.last_mut().expect("one was just pushed").partitions.push(data);
}

fn partition_data(partition_index: units::PartitionId, fetched: Fetched, isolation: Isolation) -> f::PartitionData {
    let aborted = fetched
        .aborted
        .iter()
        .map(|transaction| f::AbortedTransaction { producer_id: transaction.producer_id, first_offset: transaction.first_offset });
    f::PartitionData {
        partition_index,
        high_watermark: fetched.offsets.high_watermark,
        last_stable_offset: fetched.offsets.last_stable_offset,
        log_start_offset: fetched.offsets.log_start,
        aborted_transactions: (isolation == Isolation::ReadCommitted).then(|| aborted.collect()),
        records: fetched.batches.into_iter().collect::<RecordSet>(),
        ..f::PartitionData::default()
    }
}
