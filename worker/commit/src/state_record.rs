//! What a pod has to know of a state record to decide; the rest of the record stays with the shell.

use units::Offset;

use crate::{CommitMark, CommitNumber, ExchangeIndex, SourceIndex};

/// Where rows that a state record covers came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Upstream {
    /// A source partition.
    Source(SourceIndex),
    /// The hash partition's own partition of an exchange.
    Exchange(ExchangeIndex),
}

/// Header of one record of a state partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateHeader {
    /// Its offset.
    pub offset: Offset,
    /// The commit that wrote it.
    pub number: CommitNumber,
    /// Its size.
    pub bytes: u64,
    /// What it is.
    pub kind: StateKind,
    /// Next offset of each upstream as of this commit: the second witness of rule 6.
    pub positions: Vec<(Upstream, Offset)>,
}

/// Kinds of state records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateKind {
    /// Someone took the partition over.
    Claim(CommitMark),
    /// What one commit changed.
    Delta,
    /// All there is: nothing before it is needed.
    Whole,
    /// State up to and with `covers` is in the object store, under the manifest the record names.
    Manifest {
        /// Last commit that the manifest holds.
        covers: CommitNumber,
        /// Offset just after that commit's delta.
        floor: Offset,
    },
    /// A newer layout took over; who reads this stops.
    Closed {
        /// That layout.
        by: String,
    },
}

/// What to do with a state record that was read while restoring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Keep the delta for the restore, and read on.
    Keep,
    /// The manifest replaces every delta up to and with its `covers`, the whole state every delta before it; keep what is later, and
    /// read on.
    Replace,
    /// Nothing to keep; read on.
    Skip,
    /// That was the pod's own claim: the state is complete. Read no further.
    Complete,
    /// This partition is not (any more) being read for this pod. Stop reading.
    Stop,
}
