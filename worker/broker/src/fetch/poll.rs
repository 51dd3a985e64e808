//! One long poll: read what is there; if it is too little, wait until a wanted partition advances, and read that one again.
//!
//! What only the object store holds is read last, when the memory that is not needed for what is nearer has been given back; an answer with
//! any of that goes out at once.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream::FuturesUnordered};
use log::{Fetched, Isolation, Read, ReadOutcome, TopicPartitionId};
use units::LeaderEpoch;
use wire::ErrorCode;

use super::{FetchKey, Wanted, cold};
use crate::{budget::Taken, errors, shared::Shared};

/// How long memory for an answer is waited for at least: whoever asks again queues again, and those who hold it are cut off sooner.
const SHARE_PATIENCE: Duration = Duration::from_secs(5);
/// The largest answer from what is kept for those who want little.
const SMALL_ANSWER_BYTES: usize = 16 << 10;

/// How long an answer that has something from the object store waits for the rest of it.
const COLD_GRACE: Duration = Duration::from_millis(10);
/// The most that one read of the object store is given.
const COLD_READ_BYTES: usize = 4 << 20;

/// What came of one partition.
#[derive(Debug)]
pub(crate) struct Polled {
    pub(crate) key: FetchKey,
    pub(crate) wanted: Wanted,
    pub(crate) result: Result<Fetched, ErrorCode>,
    partition: Option<TopicPartitionId>,
    /// The memory of what came from the object store.
    cold: Option<Taken>,
}

/// How long and how much.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) max_wait: Duration,
    pub(crate) bytes_min: usize,
    pub(crate) bytes_max: usize,
    pub(crate) isolation: Isolation,
}

/// Reads `wanted` in its order until the limits are met. Every partition is in the answer, empty ones included. The bytes read are charged
/// to the budget of answers; while nothing is there to read, nothing is taken.
pub(crate) async fn poll(shared: &Shared, wanted: Vec<(FetchKey, Wanted)>, limits: Limits) -> (Vec<Polled>, Option<Taken>) {
    let catalogue = shared.topics.now();
    let mut all: Vec<Polled> = Vec::with_capacity(wanted.len());
    for (key, wanted) in wanted {
        let partition = super::session::resolve(&catalogue, &key);
        all.push(Polled { key, wanted, result: partition.map(|_| Fetched::default()), partition: partition.ok(), cold: None });
    }
    let partitions: Vec<_> = all.iter().filter_map(|polled| polled.partition).collect();
    // Registered before the first read: what advances between the read and the wait is not missed.
    let waiting = shared.waiters.register(partitions.clone());
    let until = Instant::now() + limits.max_wait;
    let mut moved: Option<BTreeSet<TopicPartitionId>> = None;
    let mut room: Option<Room> = None;
    let mut is_cold = false;
    loop {
        if room.is_none() {
            room = Room::at_once(shared, limits.bytes_max);
        }
        if let Some(room) = &mut room {
            is_cold = read_moved(shared, &mut all, moved.as_ref(), limits, room).await;
        }
        let is_too_small = |room: &Room| room.is_small && bytes_of(&all) == 0 && all.iter().any(|polled| polled.has_more(limits));
        if !is_cold && room.as_ref().is_none_or(is_too_small) {
            room = Room::in_turn(shared, limits.bytes_max, until).await;
            match &mut room {
                Some(room) => is_cold = read_moved(shared, &mut all, None, limits, room).await,
                None => all.iter_mut().for_each(|polled| read_nothing(shared, polled)),
            }
        }
        let bytes = bytes_of(&all);
        let (is_refused, is_starved) = (all.iter().any(|polled| polled.result.is_err()), room.is_none());
        room = room.filter(|_| near_bytes(&all) > 0);
        let left = until.saturating_duration_since(Instant::now());
        if is_cold || is_refused || is_starved || bytes >= limits.bytes_min || left.is_zero() || partitions.is_empty() {
            break;
        }
        tokio::select! {
            advanced = waiting.moved() => moved = Some(advanced),
            () = tokio::time::sleep(left) => break,
            () = shared.stop.cancelled() => break,
        }
    }
    let near = room.map(|mut room| {
        room.taken.become_of(near_bytes(&all));
        room.taken
    });
    let cold = all.iter_mut().filter_map(|polled| polled.cold.take());
    let taken = near.into_iter().chain(cold).reduce(Taken::and);
    (all, taken)
}

fn bytes_of(all: &[Polled]) -> usize {
    all.iter().map(Polled::bytes).sum()
}

/// Bytes that did not come from the object store.
fn near_bytes(all: &[Polled]) -> usize {
    all.iter().filter(|polled| polled.cold.is_none()).map(Polled::bytes).sum()
}

impl Polled {
    fn bytes(&self) -> usize {
        self.result.as_ref().map_or(0, |fetched| fetched.bytes)
    }

    /// Whether there is something to read, as far as was seen.
    fn has_more(&self, limits: Limits) -> bool {
        let end = |fetched: &Fetched| match limits.isolation {
            Isolation::ReadCommitted => fetched.offsets.last_stable_offset,
            Isolation::ReadUncommitted => fetched.offsets.high_watermark,
        };
        self.result.as_ref().is_ok_and(|fetched| self.wanted.from < end(fetched))
    }
}

/// Memory for one answer.
struct Room {
    bytes_max: usize,
    taken: Taken,
    /// Only for an answer that fits: not even the first batch may be larger.
    is_small: bool,
}

impl Room {
    /// What there is now: a share, or, where readers that take nothing of their answers hold all there is, a little from what is kept for
    /// those who want little.
    fn at_once(shared: &Shared, bytes_max: usize) -> Option<Self> {
        let share = shared.responses.take_share(bytes_max).map(|(bytes_max, taken)| Self { bytes_max, taken, is_small: false });
        let little = || shared.small_responses.take_share(bytes_max.min(SMALL_ANSWER_BYTES));
        share.or_else(|| little().map(|(bytes_max, taken)| Self { bytes_max, taken, is_small: true }))
    }

    /// Gives back all but `bytes`.
    fn shrink(&mut self, bytes: usize) {
        self.taken.become_of(bytes);
        self.bytes_max = bytes;
    }

    /// A share, when those who came before have theirs; not waited for past `until`, or a little longer.
    async fn in_turn(shared: &Shared, bytes_max: usize, until: Instant) -> Option<Self> {
        let left = until.saturating_duration_since(Instant::now()).max(SHARE_PATIENCE);
        let waited = tokio::time::timeout(left, shared.responses.wait_for_share(bytes_max)).await;
        waited.ok().map(|(bytes_max, taken)| Self { bytes_max, taken, is_small: false })
    }
}

/// Reads the partitions in `moved` (all, at first), also those that have given something, so that what is read adds up to what is waited
/// for. Whether anything of that was to be read from the object store.
async fn read_moved(
    shared: &Shared,
    all: &mut [Polled],
    moved: Option<&BTreeSet<TopicPartitionId>>,
    limits: Limits,
    room: &mut Room,
) -> bool {
    let to_read =
        |polled: &Polled| polled.partition.filter(|partition| polled.result.is_ok() && moved.is_none_or(|moved| moved.contains(partition)));
    let kept: usize = all.iter().filter(|polled| to_read(polled).is_none()).map(Polled::bytes).sum();
    let mut left = room.bytes_max.saturating_sub(kept);
    // What the object store is to give is not in the room: it counts against what the peer takes only.
    let mut left_of_answer = limits.bytes_max.saturating_sub(kept);
    let mut any = kept > 0;
    let mut cold = Vec::new();
    for (index, polled) in all.iter_mut().enumerate() {
        let Some(partition) = to_read(polled) else { continue };
        let bytes_max = left.min(left_of_answer);
        if any && bytes_max == 0 {
            read_nothing(shared, polled);
            continue;
        }
        let Some(result) = read_near(shared, partition, polled.wanted, bytes_max, !any && !room.is_small, limits.isolation).await else {
            read_nothing(shared, polled);
            let wanted = left_of_answer.min(COLD_READ_BYTES).min(usize::try_from(polled.wanted.bytes_max).unwrap_or(0));
            left_of_answer -= wanted;
            cold.push(Cold { index, partition, bytes_max: wanted, is_first: !any });
            any = true;
            continue;
        };
        polled.result = result;
        left = left.saturating_sub(polled.bytes());
        left_of_answer = left_of_answer.saturating_sub(polled.bytes());
        any |= polled.bytes() > 0;
    }
    if cold.is_empty() {
        return false;
    }
    room.shrink(near_bytes(all));
    read_cold(shared, all, cold, limits.isolation).await;
    true
}

/// What is to be read of one partition from the object store.
struct Cold {
    index: usize,
    partition: TopicPartitionId,
    bytes_max: usize,
    is_first: bool,
}

/// Reads all of `cold` at once, as far as there is memory for it. What is late when the first is there is left for the next fetch, which finds
/// it in memory: a reader of many partitions does not wait for the slowest each time.
async fn read_cold(shared: &Shared, all: &mut [Polled], cold: Vec<Cold>, isolation: Isolation) {
    let mut reading = Vec::with_capacity(cold.len());
    for Cold { index, partition, bytes_max, is_first } in cold {
        let share = match shared.cold_reads.share_at_once(bytes_max) {
            None if reading.is_empty() => shared.cold_reads.share_in_turn(bytes_max, SHARE_PATIENCE).await,
            share => share,
        };
        let Some(share) = share else { break };
        let wanted = (all[index].wanted, is_first);
        reading.push(async move { (index, cold::read(shared, partition, wanted, isolation, share).await) });
    }
    let mut reading: FuturesUnordered<_> = reading.into_iter().collect();
    let mut grace = None;
    while let Some((index, (result, taken))) = next_within(&mut reading, grace).await {
        (all[index].result, all[index].cold) = (result, taken);
        let is_first = grace.is_none() && all[index].bytes() > 0;
        grace = grace.or_else(|| is_first.then(|| tokio::time::Instant::now() + COLD_GRACE));
    }
}

/// The next that is through; `None` where all are, or the time is over.
async fn next_within<F: Future>(reading: &mut FuturesUnordered<F>, until: Option<tokio::time::Instant>) -> Option<F::Output> {
    match until {
        Some(until) => tokio::time::timeout_at(until, reading.next()).await.ok().flatten(),
        None => reading.next().await,
    }
}

/// Says where the partition stands, so that a reader that gets nothing does not take it for all there is.
fn read_nothing(shared: &Shared, polled: &mut Polled) {
    if let Some(partition) = polled.partition.filter(|_| polled.result.is_ok()) {
        let offsets = shared.log.offsets(partition).map_err(|error| errors::of_read(&error));
        polled.result = offsets.map(|offsets| Fetched { offsets, ..Fetched::default() });
    }
}

/// Reads from memory or the volume; `None` where only the object store has it.
async fn read_near(
    shared: &Shared,
    partition: TopicPartitionId,
    wanted: Wanted,
    left: usize,
    is_first: bool,
    isolation: Isolation,
) -> Option<Result<Fetched, ErrorCode>> {
    if let Err(refused) = check_epoch(wanted.leader_epoch, shared.leader_epoch()) {
        return Some(Err(refused));
    }
    // At least one batch comes even where it is too large, but only if it is the first of the answer (KIP-74).
    let bytes_max = left.min(usize::try_from(wanted.bytes_max).unwrap_or(0));
    let read = Read { from: wanted.from, bytes_max, whole_first_batch: is_first, isolation };
    let read = match shared.log.read(partition, read) {
        Ok(ReadOutcome::Ready(fetched)) => Ok(fetched),
        Ok(ReadOutcome::Blocking(job)) if job.is_cold() => return None,
        Ok(ReadOutcome::Blocking(job)) => match shared.volume_reads.run(move |_| job.run()).await {
            Ok(read) => read,
            Err(_) => return Some(Err(ErrorCode::UnknownServerError)),
        },
        Err(error) => Err(error),
    };
    Some(read.map_err(|error| errors::of_read(&error)))
}

/// The leader epoch that a client believes in against ours (KIP-320); absent means no check.
pub(crate) fn check_epoch(believed: Option<LeaderEpoch>, current: LeaderEpoch) -> Result<(), ErrorCode> {
    match believed {
        Some(believed) if believed < current => Err(ErrorCode::FencedLeaderEpoch),
        Some(believed) if believed > current => Err(ErrorCode::UnknownLeaderEpoch),
        _ => Ok(()),
    }
}
