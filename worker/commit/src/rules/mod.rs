//! The six rules that make a pipeline exactly-once, one predicate each. Every file cites the failure behind its rule.

pub mod burst;
pub mod claim;
pub mod fence;
pub mod waiting;
pub mod witness;

/// Switches of the rules: all on in production. A test turns one off and finds a seed whose simulated schedule then loses,
/// doubles or stops; a rule without such a seed would be unnecessary or untested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Rule 1: a commit names every hash partition it touched ([`fence::named`]).
    pub names_hashes: bool,
    /// Rule 1: a fenced pod drops everything it holds ([`fence::drops_everything`]).
    pub drops_when_fenced: bool,
    /// Rule 2: state is complete when the pod's own claim is read ([`claim::until`]).
    pub claims: bool,
    /// Rule 3: the minimum is over every upstream partition of the plan ([`crate::Progress`]).
    pub every_upstream: bool,
    /// Rule 4: after a lost answer the outcome is asked for ([`burst::was_committed`]).
    pub asks_outcome: bool,
    /// Rule 4: only a member that took part in every generation repeats what was refused ([`burst::may_repeat`]).
    pub same_member: bool,
    /// Rule 5: a commit never waits for a read of the log ([`waiting::may_end`]).
    pub never_waits: bool,
    /// Rule 6: two witnesses ([`witness::reconcile`]).
    pub two_witnesses: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            names_hashes: true,
            drops_when_fenced: true,
            claims: true,
            every_upstream: true,
            asks_outcome: true,
            same_member: true,
            never_waits: true,
            two_witnesses: true,
        }
    }
}
