//! DescribeTransactions and ListTransactions (KIP-664): what is, without changing it.

use units::{TimestampMs, TransactionalId};

use super::{Stored, TransactionDescription, TransactionListing, Transactions};
use crate::{Refusal, timers::elapsed};

impl Transactions {
    /// What DescribeTransactions tells of one transactional id.
    ///
    /// # Errors
    /// `TransactionalIdNotFound`, or why this is not the coordinator.
    pub fn describe(&self, id: &TransactionalId) -> Result<TransactionDescription, Refusal> {
        self.check_ready(id)?;
        let stored = self.stored(id).ok_or(Refusal::TransactionalIdNotFound)?;
        Ok(TransactionDescription {
            transactional_id: id.clone(),
            state: stored.state,
            producer: stored.producer,
            timeout: stored.timeout,
            started: stored.started,
            partitions: stored.partitions.clone(),
            group_partitions: stored.group_partitions.clone(),
        })
    }

    /// Every transactional id of the partitions that are loaded; the shell filters by state, producer id and duration.
    ///
    /// # Errors
    /// `CoordinatorLoadInProgress` while a partition is loading: the list would not be whole.
    pub fn list(&self, now: TimestampMs) -> Result<Vec<TransactionListing>, Refusal> {
        if self.stores.keys().any(|partition| self.journal.check_ready(*partition).is_err()) {
            return Err(Refusal::CoordinatorLoadInProgress);
        }
        let listing = |(id, stored): (&TransactionalId, &Stored)| TransactionListing {
            transactional_id: id.clone(),
            state: stored.state,
            producer: stored.producer,
            open_for: stored.started.map(|started| elapsed(started, now)),
        };
        Ok(self.stores.values().flat_map(|store| &store.transactions).map(listing).collect())
    }
}
