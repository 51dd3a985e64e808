//! What a pod wants done.

use units::Offset;

use crate::{Assignment, CommitMark, CommitNumber, DataLoss, Fence, HashPartition, Input, SourceIndex};

/// Ties an answer to the intention it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// One entry of a `TxnOffsetCommit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedOffset {
    /// What is named.
    pub input: Input,
    /// Next offset to read, or the floor of a state partition.
    pub position: Offset,
    /// Last commit that wrote more than a claim there: this one, unless it is a claim.
    pub content: CommitNumber,
}

/// What one commit did to one hash partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TouchedHash {
    /// The partition whose rows, state or timers were touched.
    pub hash: HashPartition,
    /// Bytes of its delta.
    pub delta_bytes: u64,
    /// Whether the burst holds the manifest that the cut asked for.
    pub manifest: bool,
    /// Whether its delta is one record that says all there is to know, so that nothing before it is needed any more: state of positions
    /// and counters alone, which is never checkpointed.
    pub whole: bool,
}

/// Everything one commit sends, complete before its transaction opens (rule 4) and kept until its outcome is known.
#[derive(Clone, Debug)]
pub struct Burst<B> {
    /// Next offset of every source partition that moved, or whose first position is to be fixed.
    pub sources: Vec<(SourceIndex, Offset)>,
    /// Next offset of every exchange partition whose rows were taken.
    pub exchanges: Vec<(crate::ExchangeIndex, HashPartition, Offset)>,
    /// Every hash partition whose rows, state or timers were touched. Never empty: a commit that touched none writes an empty
    /// delta to the lowest one the pod owns, so that positions always have their second witness (rule 6).
    pub hashes: Vec<TouchedHash>,
    /// Bytes of all records.
    pub bytes: u64,
    /// Log partitions written, each of which costs one marker.
    pub markers: u32,
    /// The records themselves, without producer id, epoch and sequence.
    pub payload: B,
}

/// How rows cross an exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Route {
    /// Not decided: sources wait.
    #[default]
    Undecided,
    /// In memory: the group has one member, and its claims in every exchange partition were read back.
    Memory,
    /// Through the exchange topics.
    Log,
}

/// Up to where a state partition is read when it is taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// The pod's own claim (rule 2).
    Claim(CommitMark),
    /// The last stable offset as asked at the start: what rule 2 forbids; only tests ask for it.
    LastStable,
}

/// A hash partition whose state is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdoptHash {
    /// Which.
    pub hash: HashPartition,
    /// Offset of the pod's claim in the state partition: greater than any claim before it; part of object names.
    pub claim: Offset,
    /// Position in each exchange, by index.
    pub exchanges: Vec<Offset>,
}

/// A source partition to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdoptSource {
    /// Which.
    pub source: SourceIndex,
    /// From where; `None` where neither witness has ever had a position: start as the pipeline's `startFrom` says.
    pub position: Option<Offset>,
}

/// Why a pod does nothing more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// It was asked to.
    Asked,
    /// Another process has this pod's identity and lives.
    Fenced(Fence),
    /// The two witnesses of rule 6 disagree in a way that only lost data explains.
    DataLoss(DataLoss),
    /// A newer layout closed this one.
    Closed {
        /// The layout that took over.
        by: String,
    },
    /// State could not be read back.
    Restore(String),
}

/// One thing to do. Those with a [`Ticket`] are answered by the event of the same name; the others are not.
#[derive(Clone, Debug)]
pub enum Intention<B> {
    /// `InitProducerId` without producer id and epoch: fences every earlier life and finishes its transaction.
    Register(Ticket),
    /// `JoinGroup` and `SyncGroup`; the leader answers with [`crate::lead`].
    Join {
        /// For the answer.
        ticket: Ticket,
        /// What the pod owns or is taking over.
        owned: Assignment,
        /// The generation in which it owned that; -1 if none.
        generation: i32,
    },
    /// `OffsetFetch` with `require_stable`.
    FetchOffsets(Ticket, Vec<Input>),
    /// Write a claim with this mark into each of these state partitions and into all their exchange partitions.
    ProduceClaims {
        /// For the answer.
        ticket: Ticket,
        /// What the claim records carry.
        mark: CommitMark,
        /// Hash partitions to claim.
        hashes: Vec<HashPartition>,
    },
    /// Read the state partition from its log start, passing each record's header to [`crate::Pod::on_state_record`] until it
    /// says [`crate::Verdict::Complete`]. Start again at the log start if what was to be read next has been trimmed.
    ReadState(HashPartition, Until),
    /// Run: the state of these is complete, these sources are to be read. Exchange partitions are read from here on, and their
    /// claims reported to [`crate::Pod::on_exchange_claim`].
    Adopt {
        /// Hash partitions.
        hashes: Vec<AdoptHash>,
        /// Source partitions.
        sources: Vec<AdoptSource>,
    },
    /// Stop reading and forget these: what they did has been committed.
    Release(Assignment),
    /// Rows cross exchanges like this from now on; sources wait while it is undecided.
    Route(Route),
    /// Take what the lanes have done since the last cut, without waiting for any read of the log, and go on computing.
    Cut {
        /// For the answer.
        ticket: Ticket,
        /// Number for the records' headers.
        number: CommitNumber,
        /// Hash partitions whose manifests the burst shall hold.
        manifests: Vec<ManifestDue>,
    },
    /// Send these records in one transaction.
    Produce {
        /// For the answer.
        ticket: Ticket,
        /// The records.
        payload: B,
    },
    /// `TxnOffsetCommit` with member id and generation.
    NameOffsets {
        /// For the answer.
        ticket: Ticket,
        /// The commit; with `content` it makes the metadata ([`crate::Committed::metadata`]).
        mark: CommitMark,
        /// The member that commits.
        member_id: String,
        /// Its generation.
        generation: i32,
        /// What is named.
        offsets: Vec<NamedOffset>,
    },
    /// `EndTxn`, to commit.
    EndTransaction(Ticket),
    /// Have whatever transaction is open decided, keeping the identity: `InitProducerId` with the producer id and epoch in use
    /// (KIP-360), so that a process that was replaced meanwhile learns it instead of fencing its successor.
    Settle {
        /// For the answer.
        ticket: Ticket,
        /// False only in tests of the rule that a fenced pod drops everything: registers anew and goes on.
        keep_identity: bool,
        /// Transaction timeout to tell the coordinator from now on, in milliseconds: longer after a burst that did not get through in time.
        timeout_ms: u64,
    },
    /// The commit is known committed: its deltas count, what its manifests replaced may be collected.
    Committed {
        /// Which.
        mark: CommitMark,
        /// The hash partitions whose manifests are in force now, with the floor below which their deltas are not needed.
        manifests: Vec<ManifestDue>,
    },
    /// Fold the committed deltas of these into runs and write their manifests to the object store.
    Checkpoint(Ticket, Vec<ManifestDue>),
    /// `DeleteRecords`: nothing below these positions is needed by any commit known committed.
    Trim(Vec<(Input, Offset)>),
    /// Reading of sources and exchanges pauses (true) or runs (false): bytes wait for a commit that is under way, or the pod drains.
    Pause(bool),
    /// Forget everything: state, positions, what was to be sent. Reads in flight are void.
    Reset(String),
    /// `LeaveGroup` with the instance id.
    Leave(Ticket),
    /// Nothing follows.
    Stopped(StopReason),
}

/// A manifest to write, or one that is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManifestDue {
    /// Hash partition.
    pub hash: HashPartition,
    /// Last commit whose delta it covers.
    pub covers: CommitNumber,
    /// Offset in the state partition just after that delta: restoring needs nothing below.
    pub floor: Offset,
}
