//! Rule 5, *no waiting*: a commit never waits for a read of the log.
//!
//! The failure: pod A's commit waits until A has drained an exchange partition, which is held at its last stable offset by pod C's open
//! transaction; C's waits for one that A holds. Both wait for the transaction timeout, abort, and do it again: livelock. (A pod can do
//! it alone: its claim is not readable before the claim's transaction has ended.) A cut takes what lanes have done, whatever is unread.

use super::Rules;

/// Whether a transaction may be ended while `reads_outstanding` state or exchange partitions are still being read up to a claim.
pub fn may_end(rules: &Rules, reads_outstanding: usize) -> bool {
    rules.never_waits || reads_outstanding == 0
}
