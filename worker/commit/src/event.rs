//! What the world tells a pod.

use units::Offset;

use crate::{Burst, Committed, HashPartition, Input, Life, Share, Ticket};

/// Why a request did not do what it asked for. The difference between "not done" and "perhaps done" is what exactly-once rests on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Certainly not done; the same request may succeed later (CONCURRENT_TRANSACTIONS, UNSTABLE_OFFSET_COMMIT, no coordinator yet).
    #[error("not now: {0}")]
    Retry(String),
    /// The answer was lost: it may have been done.
    #[error("the answer was lost: {0}")]
    Unknown(String),
    /// The group moved on to another generation (ILLEGAL_GENERATION, REBALANCE_IN_PROGRESS).
    #[error("the group has another generation")]
    Generation,
    /// This pod is no longer what it was; nothing was done.
    #[error("fenced: {0}")]
    Fenced(Fence),
    /// Certainly not done, and the same request will not succeed until someone changes something.
    #[error("refused: {0}")]
    Refused(String),
}

/// Which of a pod's identities was taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fence {
    /// PRODUCER_FENCED or INVALID_PRODUCER_EPOCH: another process registered, or the coordinator gave the transaction up.
    #[error("another producer has this transactional id")]
    Producer,
    /// UNKNOWN_MEMBER_ID: the group dropped this member.
    #[error("the group dropped this member")]
    Member,
    /// FENCED_INSTANCE_ID: another process joined under this pod's name.
    #[error("another process joined under this name")]
    Instance,
}

/// A pod's place in one generation of its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Given by the coordinator; unchanged as long as the group never dropped the pod.
    pub member_id: String,
    /// Generation of the group.
    pub generation: i32,
    /// Members in this generation.
    pub members: u32,
}

/// What a pod knows after SyncGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Given by the coordinator.
    pub member_id: String,
    /// Generation of the group.
    pub generation: i32,
    /// Given by the leader.
    pub share: Share,
}

/// One thing that happened. Answers carry the ticket of the intention they answer; an answer with an old ticket is ignored.
#[derive(Clone, Debug)]
pub enum Event<B> {
    /// Answer to [`crate::Intention::Register`].
    Registered(Ticket, Result<Life, Failure>),
    /// Answer to [`crate::Intention::Join`].
    Joined(Ticket, Result<Joined, Failure>),
    /// Answer to [`crate::Intention::FetchOffsets`]: one entry for each input asked for.
    OffsetsFetched(Ticket, Result<Vec<(Input, Option<Committed>)>, Failure>),
    /// Answer to [`crate::Intention::Cut`]; `None` when nothing has changed.
    Cut(Ticket, Option<Burst<B>>),
    /// Answer to [`crate::Intention::ProduceClaims`] and [`crate::Intention::Produce`]: every record was acknowledged. For each
    /// state partition written, the offset after its last record.
    Produced(Ticket, Result<Vec<(HashPartition, Offset)>, Failure>),
    /// Answer to [`crate::Intention::NameOffsets`].
    OffsetsNamed(Ticket, Result<(), Failure>),
    /// Answer to [`crate::Intention::EndTransaction`].
    Ended(Ticket, Result<(), Failure>),
    /// Answer to [`crate::Intention::Settle`]: the transaction is decided, one way or the other.
    Settled(Ticket, Result<(), Failure>),
    /// Answer to [`crate::Intention::Checkpoint`]: runs and manifests are in the object store, or the upload failed.
    Checkpointed(Ticket, Result<(), Failure>),
    /// Answer to [`crate::Intention::Leave`], whatever came of it.
    Left(Ticket),
    /// A heartbeat was answered REBALANCE_IN_PROGRESS or ILLEGAL_GENERATION.
    RebalanceNeeded,
    /// A heartbeat was answered with a fence.
    MembershipLost(Fence),
    /// A source or exchange partition does not hold the offset that is to be read next: OFFSET_OUT_OF_RANGE.
    OutOfRange {
        /// Which.
        input: Input,
        /// What was asked for.
        asked: Offset,
        /// First offset there.
        log_start: Offset,
        /// Offset after the last.
        log_end: Offset,
    },
    /// There is something to commit, and about so many bytes of it.
    Changed {
        /// Bytes that a cut made now would hold.
        pending_bytes: u64,
    },
    /// Bytes of sealed runs that the pod's state has in the object store.
    StateSize {
        /// Over all hash partitions of the pod.
        bytes: u64,
    },
    /// State of an adopted hash partition cannot be read back: the reason, naming objects.
    RestoreFailed(String),
    /// Commit what is there and stop.
    Stop {
        /// Leave the group (the pod is to go) or stay its member (the pod is to come back).
        leave: bool,
    },
}
