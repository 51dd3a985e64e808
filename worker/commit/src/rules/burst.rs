//! Rule 4, *one burst*: a transaction opens when its bytes are complete; they are kept until the outcome is known, and can be sent
//! again. State rolls back only with ownership.
//!
//! The failures: the answer to `EndTxn` is lost; taken for an abort, rows are sent twice, taken for a commit, they are lost. Or every
//! rebalance meets a commit in flight, and every pod throws its state away. Or a member that slept through a generation repeats its
//! commit in the next one, while another pod has owned its partitions in between.

use super::Rules;
use crate::{CommitMark, Committed, Input, Membership};

/// Whether the transaction marked `mark` committed, from what a stable `OffsetFetch` of what it named says after the transaction was
/// decided. One entry is enough: a transaction is committed whole or not at all.
pub fn was_committed(rules: &Rules, mark: CommitMark, fetched: &[(Input, Option<Committed>)]) -> bool {
    rules.asks_outcome && fetched.iter().any(|(_, committed)| committed.is_some_and(|committed| committed.mark == mark))
}

/// Whether a pod that was member `before` and is member `after` still owns what it owned. Its member id is unchanged, so the group
/// never dropped it; and it took part in every generation between, so that each leader knew what it owned and gave none of it away
/// ([`crate::assign`]). A static member that did not rejoin stays in the group with *old* metadata, hence the second condition.
pub fn may_repeat(rules: &Rules, before: &Membership, after: &Membership) -> bool {
    let next = before.generation.saturating_add(1);
    !rules.same_member
        || !rules.drops_when_fenced
        || before.member_id == after.member_id && (before.generation..=next).contains(&after.generation)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: &str, generation: i32) -> Membership {
        Membership { member_id: id.into(), generation, members: 1 }
    }

    #[test]
    fn only_a_member_that_took_part_in_every_generation_repeats_its_commit() {
        let rules = Rules::default();
        assert!(may_repeat(&rules, &member("a", 4), &member("a", 4)));
        assert!(may_repeat(&rules, &member("a", 4), &member("a", 5)));
        assert!(!may_repeat(&rules, &member("a", 4), &member("a", 6)));
        assert!(!may_repeat(&rules, &member("a", 4), &member("b", 5)));
        assert!(!may_repeat(&rules, &member("a", 4), &member("a", 1)));
    }
}
