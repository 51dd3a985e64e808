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
    let mut charged: Option<(usize, Taken)> = None;
    loop {
        let bytes_max = match &charged {
            Some((bytes_max, _)) => *bytes_max,
            None => {
                let (bytes_max, taken) = shared.responses.take_share(limits.bytes_max);
                charged = taken.map(|taken| (bytes_max, taken));
                bytes_max
            }
        };
        let is_final = read_moved(shared, &mut all, moved.as_ref(), Limits { bytes_max, ..limits }).await;
        let bytes: usize = all.iter().filter_map(|polled| polled.result.as_ref().ok()).map(|fetched| fetched.bytes).sum();
        charged = charged.filter(|_| bytes > 0);
        let left = until.saturating_duration_since(Instant::now());
        if is_final || bytes >= limits.bytes_min || left.is_zero() || partitions.is_empty() {
            break;
        }
        tokio::select! {
            advanced = waiting.moved() => moved = Some(advanced),
            () = tokio::time::sleep(left) => break,
            () = shared.stop.cancelled() => break,
        }
    }
    let bytes = all.iter().filter_map(|polled| polled.result.as_ref().ok()).map(|fetched| fetched.bytes).sum();
    let taken = charged.map(|(_, mut taken)| {
        taken.shrink_to(bytes);
        taken
    });
    (all, taken)
}

/// Reads the partitions in `moved` (all, at first) that have given nothing yet. True where one is refused: that is answered at once.
async fn read_moved(shared: &Shared, all: &mut [Polled], moved: Option<&BTreeSet<TopicPartitionId>>, limits: Limits) -> bool {
    let mut left = limits.bytes_max;
    let mut any = false;
    let mut refused = false;
    for polled in all.iter_mut() {
        match &polled.result {
            Ok(fetched) if fetched.bytes > 0 => {
                left = left.saturating_sub(fetched.bytes);
                any = true;
                continue;
            }
            Ok(_) => {}
            Err(_) => {
                refused = true;
                continue;
            }
        }
        let Some(partition) = polled.partition.filter(|partition| moved.is_none_or(|moved| moved.contains(partition))) else { continue };
        polled.result = read_one(shared, partition, polled.wanted, left, !any, limits.isolation).await;
        match &polled.result {
            Ok(fetched) => {
                left = left.saturating_sub(fetched.bytes);
                any |= fetched.bytes > 0;
            }
            Err(_) => refused = true,
        }
    }
    refused
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
