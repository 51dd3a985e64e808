//! What the transaction coordinator does, request by request. Races are in `crate::simulation`.

mod bench;
mod decisions;
mod producers;
mod records;
mod recovery;

use units::TransactionalId;

use super::{Intention, MarkerToken, Markers, Rule, Stored, Transactions};

impl Transactions {
    /// What the rule `MarkersWaitForDecision` forbids.
    pub(super) fn break_on_append(&mut self, id: &TransactionalId, next: &Stored) {
        let Some(outcome) = next.decided().filter(|_| self.is_broken(Rule::MarkersWaitForDecision)) else { return };
        let markers = Markers {
            token: MarkerToken(u64::MAX),
            transactional_id: id.clone(),
            producer: next.producer,
            transaction_epoch: next.transaction_epoch,
            coordinator_epoch: self.config.incarnation.leader_epoch().0,
            outcome,
            partitions: next.partitions.clone(),
            group_partitions: next.group_partitions.clone(),
        };
        self.outputs.push_back(Intention::WriteMarkers(markers));
    }
}
