//! What was asked of a store: requests cost money, so tests count them.

use super::Operation;
use std::time::Duration;

/// Counts of calls and bytes since the store was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// Reads of whole objects and of ranges.
    pub gets: u64,
    /// Questions for an object's size and version.
    pub heads: u64,
    /// Puts, whatever came of them.
    pub puts: u64,
    /// Listings; each is one page.
    pub lists: u64,
    /// Deletions.
    pub deletes: u64,
    /// Bytes of all bodies that were sent.
    pub bytes_put: u64,
    /// Bytes that reads gave.
    pub bytes_got: u64,
    /// Time that calls would have lost by [`Fault::Slow`](super::Fault::Slow).
    pub slowed: Duration,
}

impl Requests {
    pub(super) fn count(&mut self, operation: Operation) {
        *match operation {
            Operation::Get => &mut self.gets,
            Operation::Head => &mut self.heads,
            Operation::Put => &mut self.puts,
            Operation::List => &mut self.lists,
            Operation::Delete => &mut self.deletes,
        } += 1;
    }
}
