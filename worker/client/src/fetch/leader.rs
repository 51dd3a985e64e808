//! The tasks of a fetcher: one finds leaders, and one for each leader asks it.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use tokio::{sync::OwnedSemaphorePermit, task::JoinSet, time::Instant};
use units::{BrokerId, LeaderEpoch, Offset, TopicName, TopicPartition};
use wire::{
    ApiKey, ErrorCode, FetchRequest, FetchResponse, OffsetForLeaderEpochRequest,
    fetch::PartitionData,
    offset_for_leader_epoch::{OffsetForLeaderPartition, OffsetForLeaderTopic},
};

use super::{
    FetchError, Fetched, Item, Shared,
    filter::{self, Unusable, filter},
    partitions::{Entry, State},
    session::{Key, Session},
};
use crate::{Admin, ClientError, Connection, Leader, OffsetAt};

/// Fetch names topics by id from this version on (KIP-516); every Kafka from 4.0 on has more.
const FETCH_BY_ID: i16 = 13;
/// How long to wait before asking for a leader again.
const LEADER_PAUSE: Duration = Duration::from_millis(100);

/// Keeps a task for every broker that leads something, and finds leaders for what has none. Runs until it is dropped.
pub(super) async fn follow(shared: Arc<Shared>) {
    let mut tasks = JoinSet::new();
    let mut asked: HashSet<BrokerId> = HashSet::new();
    loop {
        let changed = shared.changed.notified();
        let leaderless = shared.look(|partitions| partitions.leaderless());
        let is_waiting = !leaderless.is_empty() && !find_leaders(&shared, leaderless).await;
        for broker in shared.look(|partitions| partitions.leaders()) {
            if asked.insert(broker) {
                let shared = shared.clone();
                tasks.spawn(async move {
                    Broker { shared, broker, connection: None, session: Session::default() }.run().await;
                    broker
                });
            }
        }
        tokio::select! {
            () = changed => {}
            () = tokio::time::sleep(LEADER_PAUSE), if is_waiting => {}
            Some(ended) = tasks.join_next() => drop(asked.remove(&ended.expect("a task of ours does not panic"))),
        }
    }
}

/// Gives leaders to those that want one; true where all got one.
async fn find_leaders(shared: &Arc<Shared>, leaderless: Vec<(TopicPartition, Entry)>) -> bool {
    let topics: HashSet<TopicName> = leaderless.iter().map(|(partition, _)| partition.topic.clone()).collect();
    let refreshed = shared.cluster.refresh(&topics.into_iter().collect::<Vec<_>>()).await;
    let (mut is_all, mut is_any) = (true, false);
    for (partition, entry) in leaderless {
        let outcome = match shared.cluster.known_leader(&partition) {
            _ if refreshed.is_err() => Ok(None),
            Some(leader) if entry.topic_id.is_some_and(|id| id != leader.topic_id) => Err(FetchError::TopicReplaced(partition.clone())),
            Some(leader) => validate(shared, &partition, &entry, leader).await,
            None if is_missing_for_long(shared, &partition, &entry).await => Err(FetchError::Unknown(partition.clone())),
            None => Ok(None),
        };
        match outcome {
            Ok(Some(leader)) => shared.look(|partitions| {
                is_any = true;
                if let Some(entry) = partitions.entry(&partition, entry.seek) {
                    (entry.state, entry.topic_id) = (State::Ready(leader), Some(leader.topic_id));
                }
            }),
            Ok(None) => is_all = false,
            Err(error) => fail(shared, &partition, entry.seek, error).await,
        }
    }
    if is_any {
        shared.changed.notify_waiters();
    }
    is_all
}

/// Whether the topic or partition, rather than its leader, is missing, and has been for as long as anything is waited for.
async fn is_missing_for_long(shared: &Shared, partition: &TopicPartition, entry: &Entry) -> bool {
    let State::Leaderless(since) = entry.state else { return false };
    if Instant::now() - since < shared.cluster.options().retry_timeout {
        return false;
    }
    matches!(
        shared.cluster.topic(&partition.topic).await.map(|topic| topic.partition(partition.partition).is_some()),
        Err(ClientError::UnknownTopic(_)) | Ok(false)
    )
}

/// Asks a new leader whether its log holds what was read (KIP-320), where an epoch of what was read is known.
async fn validate(shared: &Shared, partition: &TopicPartition, entry: &Entry, leader: Leader) -> Result<Option<Leader>, FetchError> {
    if entry.last_epoch < LeaderEpoch(0) || entry.last_epoch >= leader.epoch {
        return Ok(Some(leader));
    }
    let wanted =
        OffsetForLeaderPartition { partition: partition.partition, current_leader_epoch: leader.epoch, leader_epoch: entry.last_epoch };
    let topics = vec![OffsetForLeaderTopic { topic: (&partition.topic).into(), partitions: vec![wanted] }];
    let request = OffsetForLeaderEpochRequest { replica_id: BrokerId(-1), topics };
    let answer = async { shared.cluster.shared(leader.broker).await?.call_from(&request, 2, Duration::ZERO).await };
    let Ok(response) = answer.await else { return Ok(None) };
    let Some(told) = response.topics.first().and_then(|topic| topic.partitions.first()) else { return Ok(None) };
    match told.error_code {
        ErrorCode::None if told.end_offset >= Offset::ZERO && told.end_offset < entry.next => {
            Err(FetchError::Truncated { partition: partition.clone(), asked: entry.next, diverged_at: told.end_offset })
        }
        ErrorCode::None => Ok(Some(leader)),
        code if crate::error::is_passing(code) || code == ErrorCode::UnknownTopicOrPartition => Ok(None),
        code => {
            let reason = ClientError::refused(ApiKey::OffsetForLeaderEpoch, code);
            Err(FetchError::Refused { partition: partition.clone(), reason })
        }
    }
}

/// Gives an error out, and reads the partition no further.
async fn fail(shared: &Shared, partition: &TopicPartition, seek: u64, error: FetchError) {
    let is_current = shared.look(|partitions| partitions.entry(partition, seek).map(|entry| entry.state = State::Failed).is_some());
    if is_current {
        let _ = shared.out.send(Item { partition: partition.clone(), seek, outcome: Err(error) }).await;
    }
}

/// Asks one broker, over and over, for all that it leads.
struct Broker {
    shared: Arc<Shared>,
    broker: BrokerId,
    connection: Option<Connection>,
    session: Session,
}

impl Broker {
    /// Runs until the broker leads nothing any more, or cannot be asked.
    async fn run(mut self) {
        let shared = self.shared.clone();
        loop {
            let changed = shared.changed.notified();
            let (wanted, asked) = shared.look(|partitions| partitions.wanted(self.broker, shared.options.partition_bytes_max));
            if wanted.is_empty() {
                if !shared.look(|partitions| partitions.leaders().contains(&self.broker)) {
                    return;
                }
                changed.await;
                continue;
            }
            // What is held is waited for before more is asked for; the permit itself is taken by size once the size is known.
            let Ok(room) = shared.held.clone().acquire_owned().await else { return };
            drop(room);
            let mut request = self.request();
            self.session.ask(&mut request, &wanted);
            match self.ask(&request).await {
                Ok(response) => self.take(response, asked).await,
                Err(error) => {
                    tracing::debug!(broker = self.broker.0, %error, "fetch failed");
                    self.session.reset();
                    self.connection = None;
                    shared.look(|partitions| partitions.lose(self.broker));
                    shared.changed.notify_waiters();
                    tokio::time::sleep(LEADER_PAUSE).await;
                }
            }
        }
    }

    fn request(&self) -> FetchRequest {
        let options = &self.shared.options;
        FetchRequest {
            max_wait_ms: i32::try_from(options.wait_max.as_millis()).unwrap_or(i32::MAX),
            min_bytes: options.bytes_min,
            max_bytes: options.bytes_max,
            isolation_level: options.isolation.on_wire(),
            ..Default::default()
        }
    }

    async fn ask(&mut self, request: &FetchRequest) -> Result<FetchResponse, ClientError> {
        let connection = match self.connection.as_ref().filter(|connection| connection.is_open()) {
            Some(open) => open,
            None => self.connection.insert(self.shared.cluster.open(self.broker).await?),
        };
        Ok(connection.call_from(request, FETCH_BY_ID, self.shared.options.wait_max).await?)
    }

    async fn take(&mut self, response: FetchResponse, asked: HashMap<Key, (TopicPartition, u64)>) {
        if !self.session.answered(response.error_code, response.session_id) {
            return;
        }
        if response.error_code != ErrorCode::None {
            tracing::debug!(broker = self.broker.0, code = %response.error_code, "fetch refused");
            tokio::time::sleep(LEADER_PAUSE).await;
            return;
        }
        let mut is_leader_lost = false;
        for topic in response.responses {
            for data in topic.partitions {
                if let Some((partition, seek)) = asked.get(&(topic.topic_id, data.partition_index)) {
                    is_leader_lost |= !self.take_partition(partition, *seek, data).await;
                }
            }
        }
        if is_leader_lost {
            // What is known of leaders may stay wrong for a while; asking in between would only be asking.
            tokio::time::sleep(LEADER_PAUSE).await;
        }
    }

    /// False where another leader is to be found for the partition.
    async fn take_partition(&self, partition: &TopicPartition, seek: u64, data: PartitionData) -> bool {
        let shared = &self.shared;
        let Some(entry) = shared.look(|partitions| partitions.entry(partition, seek).cloned()) else { return true };
        match data.error_code {
            ErrorCode::None => {
                let aborted = data.aborted_transactions.clone().unwrap_or_default();
                let marks = [data.high_watermark, data.last_stable_offset, data.log_start_offset];
                match filter(data.records.into_bytes(), entry.next, shared.options.isolation, aborted) {
                    Ok(filtered) => self.give_out(partition, &entry, filtered, marks).await,
                    Err(unusable) => fail(shared, partition, seek, unusable_error(partition, &entry, unusable)).await,
                }
            }
            ErrorCode::OffsetOutOfRange => match self.out_of_range(partition, entry.next).await {
                Some(error) => fail(shared, partition, seek, error).await,
                None => return self.lose_leader(partition, seek),
            },
            code if crate::error::is_passing(code) || code == ErrorCode::UnknownTopicOrPartition => {
                return self.lose_leader(partition, seek);
            }
            code => {
                let reason = ClientError::refused(ApiKey::Fetch, code);
                fail(shared, partition, seek, FetchError::Refused { partition: partition.clone(), reason }).await;
            }
        }
        true
    }

    /// Moves the position and gives out what came; nothing where nothing moved.
    async fn give_out(&self, partition: &TopicPartition, entry: &Entry, filtered: filter::Filtered, marks: [Offset; 3]) {
        let shared = &self.shared;
        if filtered.next == entry.next && entry.marks == Some(marks) {
            return;
        }
        let leader_epoch = filtered.last_epoch.unwrap_or(entry.last_epoch);
        let is_current = shared.look(|partitions| {
            let entry = partitions.entry(partition, entry.seek)?;
            (entry.next, entry.last_epoch, entry.marks) = (filtered.next, leader_epoch, Some(marks));
            Some(())
        });
        if is_current.is_none() {
            return;
        }
        let bytes: usize = filtered.batches.iter().map(|(_, batch)| batch.len()).sum();
        let Some(held) = self.hold(bytes).await else { return };
        let fetched = Fetched {
            partition: partition.clone(),
            from: entry.next,
            batches: filtered.batches,
            next_offset: filtered.next,
            leader_epoch,
            high_watermark: marks[0],
            last_stable_offset: marks[1],
            log_start: marks[2],
            seek: entry.seek,
            _held: held,
        };
        // Nobody else asks for this partition until this returns: only this task could find that its leader is another.
        let _ = shared.out.send(Item { partition: partition.clone(), seek: fetched.seek, outcome: Ok(fetched) }).await;
    }

    /// Room for `bytes` among what may be held; more than all of it is never waited for.
    async fn hold(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = bytes.min(self.shared.options.held_bytes_max).min(u32::MAX as usize);
        self.shared.held.clone().acquire_many_owned(bytes as u32).await.ok()
    }

    fn lose_leader(&self, partition: &TopicPartition, seek: u64) -> bool {
        self.shared.look(|partitions| {
            if let Some(entry) = partitions.entry(partition, seek) {
                entry.state = State::Leaderless(Instant::now());
            }
        });
        self.shared.cluster.forget_topic(&partition.topic);
        self.shared.changed.notify_waiters();
        false
    }

    /// Both ends of the log, for the error to name. `None` where they cannot be learnt, or hold the offset after all: ask again.
    async fn out_of_range(&self, partition: &TopicPartition, asked: Offset) -> Option<FetchError> {
        let admin = Admin::new(self.shared.cluster.clone());
        let ends = [OffsetAt::Earliest, OffsetAt::Latest].map(|at| {
            let admin = &admin;
            // The end is that of the log and not of what transactions allow to be read: an offset between the two is in range.
            async move { admin.list_offsets(std::slice::from_ref(partition), at, super::Isolation::ReadUncommitted).await }
        });
        let [start, end] = ends;
        let (log_start, log_end) = (start.await.ok()?.first()?.1.offset?, end.await.ok()?.first()?.1.offset?);
        let is_outside = asked < log_start || asked > log_end;
        is_outside.then(|| FetchError::OffsetOutOfRange { partition: partition.clone(), asked, log_start, log_end })
    }
}

fn unusable_error(partition: &TopicPartition, entry: &Entry, unusable: Unusable) -> FetchError {
    let (offset, reason) = match unusable {
        Unusable::Damaged(offset, error) => (offset, error.to_string()),
        Unusable::TooLarge => (entry.next, "is larger than what was asked for, and did not come whole".into()),
    };
    FetchError::Damaged { partition: partition.clone(), offset, reason }
}
