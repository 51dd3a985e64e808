//! One long poll: read what is there; if it is too little, wait until a wanted partition advances, and read that one again.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use log::{Fetched, Isolation, Read, ReadOutcome, TopicPartitionId};
use units::LeaderEpoch;
use wire::ErrorCode;

use super::{FetchKey, Wanted};
use crate::{budget::Taken, errors, shared::Shared};

/// How long memory for an answer is waited for at least: whoever asks again queues again, and those who hold it are cut off sooner.
const SHARE_PATIENCE: Duration = Duration::from_secs(5);
/// The largest answer from what is kept for those who want little.
const SMALL_ANSWER_BYTES: usize = 16 << 10;

/// What came of one partition.
#[derive(Debug)]
pub(crate) struct Polled {
    pub(crate) key: FetchKey,
    pub(crate) wanted: Wanted,
    pub(crate) result: Result<Fetched, ErrorCode>,
    partition: Option<TopicPartitionId>,
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
        all.push(Polled { key, wanted, result: partition.map(|_| Fetched::default()), partition: partition.ok() });
    }
    let partitions: Vec<_> = all.iter().filter_map(|polled| polled.partition).collect();
    // Registered before the first read: what advances between the read and the wait is not missed.
    let waiting = shared.waiters.register(partitions.clone());
    let until = Instant::now() + limits.max_wait;
    let mut moved: Option<BTreeSet<TopicPartitionId>> = None;
    let mut room: Option<Room> = None;
    loop {
        if room.is_none() {
            room = Room::at_once(shared, limits.bytes_max);
        }
        if let Some(room) = &room {
            read_moved(shared, &mut all, moved.as_ref(), limits.isolation, room).await;
        }
        if room.as_ref().is_none_or(|room| room.is_small && bytes_of(&all) == 0 && all.iter().any(|polled| polled.has_more(limits))) {
            room = Room::in_turn(shared, limits.bytes_max, until).await;
            match &room {
                Some(room) => read_moved(shared, &mut all, None, limits.isolation, room).await,
                None => all.iter_mut().for_each(|polled| read_nothing(shared, polled)),
            }
        }
        let bytes = bytes_of(&all);
        let (is_refused, is_starved) = (all.iter().any(|polled| polled.result.is_err()), room.is_none());
        room = room.filter(|_| bytes > 0);
        let left = until.saturating_duration_since(Instant::now());
        if is_refused || is_starved || bytes >= limits.bytes_min || left.is_zero() || partitions.is_empty() {
            break;
        }
        tokio::select! {
            advanced = waiting.moved() => moved = Some(advanced),
            () = tokio::time::sleep(left) => break,
            () = shared.stop.cancelled() => break,
        }
    }
    let taken = room.map(|mut room| {
        room.taken.become_of(bytes_of(&all));
        room.taken
    });
    (all, taken)
}

fn bytes_of(all: &[Polled]) -> usize {
    all.iter().filter_map(|polled| polled.result.as_ref().ok()).map(|fetched| fetched.bytes).sum()
}

impl Polled {
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

    /// A share, when those who came before have theirs; not waited for past `until`, or a little longer.
    async fn in_turn(shared: &Shared, bytes_max: usize, until: Instant) -> Option<Self> {
        let left = until.saturating_duration_since(Instant::now()).max(SHARE_PATIENCE);
        let waited = tokio::time::timeout(left, shared.responses.wait_for_share(bytes_max)).await;
        waited.ok().map(|(bytes_max, taken)| Self { bytes_max, taken, is_small: false })
    }
}

/// Reads the partitions in `moved` (all, at first), also those that have given something, so that what is read adds up to what is waited
/// for.
async fn read_moved(shared: &Shared, all: &mut [Polled], moved: Option<&BTreeSet<TopicPartitionId>>, isolation: Isolation, room: &Room) {
    let to_read =
        |polled: &Polled| polled.partition.filter(|partition| polled.result.is_ok() && moved.is_none_or(|moved| moved.contains(partition)));
    let kept: usize =
        all.iter().filter(|polled| to_read(polled).is_none()).filter_map(|polled| Some(polled.result.as_ref().ok()?.bytes)).sum();
    let mut left = room.bytes_max.saturating_sub(kept);
    let mut any = kept > 0;
    for polled in all.iter_mut() {
        let Some(partition) = to_read(polled) else { continue };
        if any && left == 0 {
            read_nothing(shared, polled);
            continue;
        }
        polled.result = read_one(shared, partition, polled.wanted, left, !any && !room.is_small, isolation).await;
        if let Ok(fetched) = &polled.result {
            left = left.saturating_sub(fetched.bytes);
            any |= fetched.bytes > 0;
        }
    }
}

/// Says where the partition stands, so that a reader that gets nothing does not take it for all there is.
fn read_nothing(shared: &Shared, polled: &mut Polled) {
    if let Some(partition) = polled.partition.filter(|_| polled.result.is_ok()) {
        let offsets = shared.log.offsets(partition).map_err(|error| errors::of_read(&error));
        polled.result = offsets.map(|offsets| Fetched { offsets, ..Fetched::default() });
    }
}

async fn read_one(
    shared: &Shared,
    partition: TopicPartitionId,
    wanted: Wanted,
    left: usize,
    is_first: bool,
    isolation: Isolation,
) -> Result<Fetched, ErrorCode> {
    check_epoch(wanted.leader_epoch, shared.leader_epoch())?;
    // At least one batch comes even where it is too large, but only if it is the first of the answer (KIP-74).
    let bytes_max = left.min(usize::try_from(wanted.bytes_max).unwrap_or(0));
    let read = Read { from: wanted.from, bytes_max, whole_first_batch: is_first, isolation };
    match shared.log.read(partition, read).map_err(|error| errors::of_read(&error))? {
        ReadOutcome::Ready(fetched) => Ok(fetched),
        ReadOutcome::Blocking(job) => {
            let _place = shared.blocking_reads.acquire().await.expect("the lane of blocking reads is never closed");
            let read = tokio::task::spawn_blocking(move || job.run()).await.map_err(|_| ErrorCode::UnknownServerError)?;
            read.map_err(|error| errors::of_read(&error))
        }
    }
}

/// The leader epoch that a client believes in against ours (KIP-320); absent means no check.
pub(crate) fn check_epoch(believed: Option<LeaderEpoch>, current: LeaderEpoch) -> Result<(), ErrorCode> {
    match believed {
        Some(believed) if believed < current => Err(ErrorCode::FencedLeaderEpoch),
        Some(believed) if believed > current => Err(ErrorCode::UnknownLeaderEpoch),
        _ => Ok(()),
    }
}
