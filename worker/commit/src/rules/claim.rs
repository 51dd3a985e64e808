//! Rule 2, *claim*: who takes something over writes a claim into the log and acts when it reads it back.
//!
//! The failure: the new owner asks for the end of the state partition and restores up to there. But `EndTxn` is answered before its
//! markers are written, partition by partition and in any order, so the last stable offset may lie before the previous owner's last
//! commit; and a stale leader may answer. State is lost in silence while the offsets include it. Reading one's own committed record
//! proves that every earlier transaction there is decided and that the leader is the real one; by rule 1 nothing follows it.

use super::Rules;
use crate::{CommitMark, Until};

/// Up to where state is read by a pod that claimed with `mark`.
pub fn until(rules: &Rules, mark: CommitMark) -> Until {
    if rules.claims { Until::Claim(mark) } else { Until::LastStable }
}

/// Whether a claim that was read is the pod's own, so that everything before it is complete.
pub fn is_own(own: CommitMark, read: CommitMark) -> bool {
    own == read
}

/// Whether rows may cross exchanges in memory: the group has one member, and it read its claims back from every exchange partition.
/// The failure: local rows overtake those that an earlier owner left in the exchange, and keys change their order.
pub fn may_bypass(members: u32, claims_missing: usize) -> bool {
    members == 1 && claims_missing == 0
}
