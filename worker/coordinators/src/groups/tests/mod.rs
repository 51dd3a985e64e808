//! What the group coordinator does, request by request. Races are in `crate::simulation`.

mod bench;
mod durability;
mod membership;
mod offsets;
mod records;
mod static_members;

use units::GroupId;

use super::{Groups, Rule, record::StoredGroup};

impl Groups {
    /// What the rule `AssignmentWaitsForDurability` forbids.
    pub(super) fn break_on_store(&mut self, group: &GroupId, stored: &StoredGroup) {
        if self.is_broken(Rule::AssignmentWaitsForDurability) {
            let now = self.groups[group].since;
            self.settle(now, group, stored.clone());
        }
    }
}
