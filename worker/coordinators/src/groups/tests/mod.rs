//! What the group coordinator does, request by request. Races are in `crate::simulation`.

use units::GroupId;

use super::{Groups, MemberId, Rule, member::Member, record::StoredGroup};

impl Groups {
    /// What the rule `StaticMemberIsFenced` forbids.
    pub(super) fn break_on_replace(&mut self, group: &GroupId, old: &MemberId, new: &MemberId) {
        if self.is_broken(Rule::StaticMemberIsFenced) {
            let group = self.groups.get_mut(group).unwrap();
            let ghost = Member { id: old.clone(), instance: None, ..group.members[new].clone() };
            group.members.insert(old.clone(), ghost);
        }
    }

    /// What the rule `AssignmentWaitsForDurability` forbids.
    pub(super) fn break_on_store(&mut self, group: &GroupId, stored: &StoredGroup) {
        if self.is_broken(Rule::AssignmentWaitsForDurability) {
            let now = self.groups[group].since;
            self.settle(now, group, stored.clone());
        }
    }
}
