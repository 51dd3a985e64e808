//! What a fetch wants of the object store: read in a lane and a memory of their own, all partitions at once.
//!
//! Nothing else of the broker waits for it. Of the memory for its answer each read takes a share before it begins, and only the first of a
//! fetch waits for one, so that no two hold what the other waits for.

use std::time::Duration;

use log::{Fetched, Isolation, Read, ReadOutcome, TopicPartitionId};
use wire::ErrorCode;

use super::Wanted;
use crate::{
    budget::{Budget, Taken},
    errors,
    lane::Lane,
    shared::Shared,
};

/// The lane of fetches of what only the object store holds.
pub(crate) struct ColdReads {
    lane: Lane,
    answers: Budget,
}

/// Memory for one partition's part of an answer.
pub(super) struct Share {
    bytes_max: usize,
    taken: Taken,
}

impl ColdReads {
    /// Reads run in `lane`, and hold `bytes` of answers at most.
    pub(crate) fn new(lane: Lane, bytes: usize) -> Self {
        Self { lane, answers: Budget::new(bytes) }
    }

    /// Whether anybody waits for memory that answers hold.
    pub(crate) fn is_short(&self) -> bool {
        self.answers.is_short()
    }

    /// Memory for up to `wanted` bytes, if there is any now.
    pub(super) fn share_at_once(&self, wanted: usize) -> Option<Share> {
        self.answers.take_share(wanted).map(|(bytes_max, taken)| Share { bytes_max, taken })
    }

    /// The same in turn, but not after `patience`.
    pub(super) async fn share_in_turn(&self, wanted: usize, patience: Duration) -> Option<Share> {
        let waited = tokio::time::timeout(patience, self.answers.wait_for_share(wanted)).await;
        waited.ok().map(|(bytes_max, taken)| Share { bytes_max, taken })
    }
}

/// Reads within `share`. Dropping the future ends the read before its next request to the store.
pub(super) async fn read(
    shared: &Shared,
    partition: TopicPartitionId,
    (wanted, whole_first_batch): (Wanted, bool),
    isolation: Isolation,
    mut share: Share,
) -> (Result<Fetched, ErrorCode>, Option<Taken>) {
    let read = Read { from: wanted.from, bytes_max: share.bytes_max, whole_first_batch, isolation };
    let read = match shared.log.read(partition, read) {
        Ok(ReadOutcome::Ready(fetched)) => Ok(fetched),
        Ok(ReadOutcome::Blocking(job)) => {
            let Ok(read) = shared.cold_reads.lane.run(move |is_wanted| job.run_while(is_wanted)).await else {
                return (Err(ErrorCode::UnknownServerError), None);
            };
            read
        }
        Err(error) => Err(error),
    };
    match read {
        Ok(fetched) => {
            share.taken.become_of(fetched.bytes);
            let taken = (fetched.bytes > 0).then_some(share.taken);
            (Ok(fetched), taken)
        }
        Err(error) => (Err(errors::of_read(&error)), None),
    }
}
