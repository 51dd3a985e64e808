//! [`Fetcher`]: positions in, batches out.

mod filter;
mod leader;
mod partitions;
mod session;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use records::{BatchHeader, Records};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use units::{LeaderEpoch, Offset, TopicPartition};

use crate::{ClientError, Cluster};
use partitions::Partitions;

/// Which records a reader gets to see (KIP-98).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Isolation {
    /// All below the high watermark, also of transactions that may yet be aborted.
    ReadUncommitted,
    /// All of ended transactions that committed, below the last stable offset.
    #[default]
    ReadCommitted,
}

impl Isolation {
    pub(crate) fn on_wire(self) -> i8 {
        i8::from(self == Self::ReadCommitted)
    }
}

/// How a fetcher reads.
#[derive(Clone, Copy, Debug)]
pub struct FetchOptions {
    /// Which records it gets to see.
    pub isolation: Isolation,
    /// How long a broker waits for `bytes_min`. A partition that is resumed meanwhile waits with it.
    pub wait_max: Duration,
    /// Bytes that are worth an answer before `wait_max`.
    pub bytes_min: i32,
    /// Bytes of one answer; one batch may exceed them (KIP-74).
    pub bytes_max: i32,
    /// Bytes of one partition in one answer; one batch may exceed them.
    pub partition_bytes_max: i32,
    /// Bytes handed out and not dropped yet, beyond which nothing more is read. One answer for each broker may come on top.
    pub held_bytes_max: usize,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self {
            isolation: Isolation::ReadCommitted,
            wait_max: Duration::from_millis(100),
            bytes_min: 1,
            bytes_max: 16 << 20,
            partition_bytes_max: 1 << 20,
            held_bytes_max: 64 << 20,
        }
    }
}

/// Where reading of a partition starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The partition.
    pub partition: TopicPartition,
    /// The next offset to read.
    pub offset: Offset,
    /// Epoch of the last record before it, where known: the log is then checked for having been cut below (KIP-320). -1 for not known.
    pub leader_epoch: LeaderEpoch,
}

/// What came of one partition. Its bytes count against the fetcher's limit until this is dropped.
#[derive(Debug)]
pub struct Fetched {
    /// The partition.
    pub partition: TopicPartition,
    /// The offset that was asked for: the first batch may hold records before it, which are to be skipped.
    pub from: Offset,
    /// Whole batches with user records, in order, each with a right CRC. Markers are left out and, for read_committed, what aborted
    /// transactions wrote. May be empty: then the position moved past what is left out, or only the marks below did.
    pub batches: Vec<(BatchHeader, Bytes)>,
    /// The next offset to read.
    pub next_offset: Offset,
    /// Epoch of the last batch passed, for a [`Position`] to start from later; -1 where none is known.
    pub leader_epoch: LeaderEpoch,
    /// First offset that is not readable yet.
    pub high_watermark: Offset,
    /// First offset that a read_committed reader must wait for.
    pub last_stable_offset: Offset,
    /// First offset that is still there.
    pub log_start: Offset,
    seek: u64,
    _held: OwnedSemaphorePermit,
}

impl Fetched {
    /// Whether everything that this isolation may see now has been read.
    #[must_use]
    pub fn is_at_end(&self, isolation: Isolation) -> bool {
        let end = if isolation == Isolation::ReadCommitted { self.last_stable_offset } else { self.high_watermark };
        self.next_offset >= end
    }

    /// Opens the batches one after the other; of each no more than `decompressed_bytes_max` bytes, however many it stands for.
    ///
    /// # Errors
    /// [`FetchError::Damaged`], for the one batch that cannot be opened: its producer wrote it so, and reading it again would not mend it.
    /// The batches after it can be.
    pub fn open(&self, decompressed_bytes_max: usize) -> impl Iterator<Item = Result<Records, FetchError>> + '_ {
        self.batches.iter().map(move |(header, bytes)| {
            Records::decode(bytes, decompressed_bytes_max).map_err(|error| FetchError::Damaged {
                partition: self.partition.clone(),
                offset: header.base_offset,
                reason: error.to_string(),
            })
        })
    }
}

/// A partition that is not read any further until it is assigned anew. Others go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The offset is not there. There is no reset policy: what this means is for the caller to know.
    #[error("offset {asked} of {partition} is not there: the log goes from {log_start} to {log_end}")]
    OffsetOutOfRange {
        /// The partition.
        partition: TopicPartition,
        /// What was asked for.
        asked: Offset,
        /// First offset that is there.
        log_start: Offset,
        /// The offset just past the last.
        log_end: Offset,
    },
    /// What was read before the position is no longer in the log: it was cut at `diverged_at` under a later leader (KIP-320).
    #[error("the log of {partition} was cut at {diverged_at}, before offset {asked}")]
    Truncated {
        /// The partition.
        partition: TopicPartition,
        /// What was to be read next.
        asked: Offset,
        /// End of the last epoch that both sides know.
        diverged_at: Offset,
    },
    /// The topic was deleted and made anew: offsets mean nothing any more.
    #[error("topic of {0} was made anew")]
    TopicReplaced(TopicPartition),
    /// The topic, or the partition, has not existed for `retry_timeout`.
    #[error("partition {0} does not exist")]
    Unknown(TopicPartition),
    /// A batch is damaged on its way or in the log, or it was produced so.
    #[error("batch at offset {offset} of {partition}: {reason}")]
    Damaged {
        /// The partition.
        partition: TopicPartition,
        /// Where the batch starts.
        offset: Offset,
        /// What is wrong.
        reason: String,
    },
    /// The broker refuses for a reason that does not pass.
    #[error("fetch {partition}: {reason}")]
    Refused {
        /// The partition.
        partition: TopicPartition,
        /// Why.
        reason: ClientError,
    },
}

impl FetchError {
    /// The partition it is about.
    #[must_use]
    pub fn partition(&self) -> &TopicPartition {
        match self {
            Self::OffsetOutOfRange { partition, .. } | Self::Truncated { partition, .. } | Self::Damaged { partition, .. } => partition,
            Self::Refused { partition, .. } | Self::TopicReplaced(partition) | Self::Unknown(partition) => partition,
        }
    }
}

/// What the tasks of a fetcher share.
#[derive(Debug)]
struct Shared {
    cluster: Cluster,
    options: FetchOptions,
    partitions: Mutex<Partitions>,
    /// Partitions were assigned, resumed, lost or got a leader. Whoever waits takes its `notified()` before it looks.
    changed: Notify,
    held: Arc<Semaphore>,
    out: mpsc::Sender<Item>,
}

#[derive(Debug)]
struct Item {
    partition: TopicPartition,
    seek: u64,
    outcome: Result<Fetched, FetchError>,
}

/// Reads partitions from their leaders, wherever those are. Dropping it ends all reading.
#[derive(Debug)]
pub struct Fetcher {
    shared: Arc<Shared>,
    items: mpsc::Receiver<Item>,
    tasks: tokio::task::JoinHandle<()>,
}

/// Items that wait for [`Fetcher::next`]; their bytes are bounded by `held_bytes_max`.
const ITEMS_MAX: usize = 256;

impl Fetcher {
    /// A fetcher that reads nothing yet.
    #[must_use]
    pub fn new(cluster: Cluster, options: FetchOptions) -> Self {
        let (out, items) = mpsc::channel(ITEMS_MAX);
        let held = Arc::new(Semaphore::new(options.held_bytes_max.min(Semaphore::MAX_PERMITS)));
        let shared = Shared { cluster, options, partitions: Mutex::default(), changed: Notify::new(), held, out };
        let shared = Arc::new(shared);
        let tasks = tokio::spawn(leader::follow(shared.clone()));
        Self { shared, items, tasks }
    }

    /// Reads these from their positions on. A partition that is read already starts anew there, and what was fetched of it before is
    /// not given out any more; an error on it is forgotten. One that is paused stays paused.
    pub fn assign(&self, positions: impl IntoIterator<Item = Position>) {
        self.change(|partitions| positions.into_iter().for_each(|position| partitions.assign(position)));
    }

    /// Reads these no more, and gives out nothing more of them.
    pub fn revoke<'a>(&self, gone: impl IntoIterator<Item = &'a TopicPartition>) {
        self.change(|partitions| gone.into_iter().for_each(|partition| partitions.revoke(partition)));
    }

    /// Asks for no more of these until they are resumed. What is on its way is still given out.
    pub fn pause<'a>(&self, paused: impl IntoIterator<Item = &'a TopicPartition>) {
        self.change(|partitions| paused.into_iter().for_each(|partition| partitions.set_paused(partition, true)));
    }

    /// Asks for these again.
    pub fn resume<'a>(&self, resumed: impl IntoIterator<Item = &'a TopicPartition>) {
        self.change(|partitions| resumed.into_iter().for_each(|partition| partitions.set_paused(partition, false)));
    }

    /// The next thing that came. Of each partition things come in order and without gap; after an error nothing more comes of it.
    /// Waits for ever where nothing is assigned.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`FetchError`], for one partition.
    pub async fn next(&mut self) -> Result<Fetched, FetchError> {
        loop {
            let item = self.items.recv().await.expect("this fetcher holds a sender itself");
            if self.shared.look(|partitions| partitions.seek_of(&item.partition)) == Some(item.seek) {
                return item.outcome;
            }
        }
    }

    fn change(&self, how: impl FnOnce(&mut Partitions)) {
        self.shared.look(how);
        self.shared.changed.notify_waiters();
    }
}

impl Drop for Fetcher {
    fn drop(&mut self) {
        self.tasks.abort();
    }
}

impl Shared {
    fn look<T>(&self, how: impl FnOnce(&mut Partitions) -> T) -> T {
        how(&mut self.partitions.lock().expect("nobody panics while holding the partitions"))
    }
}
