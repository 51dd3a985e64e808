//! The rules that keep what was acknowledged: each has a switch, so that a simulation can show what it is for.

/// All on, except in the simulation that shows that a rule is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    /// A group is acknowledged only when every group before it is durable.
    pub(crate) acks_in_order: bool,
    /// A group says truthfully through which group acknowledgements may have gone out.
    pub(crate) acked_through_is_honest: bool,
    /// A group that does not verify ends the log only if no later group says that it was acknowledged.
    pub(crate) corruption_is_loud: bool,
    /// What is missing before the checkpoint may be missing only where manifests hold it.
    pub(crate) gaps_are_in_manifests: bool,
    /// Missing groups are replaced only where it is known that they held batches alone.
    pub(crate) holes_hold_batches_alone: bool,
    /// Missing groups are replaced only where the store says that it holds all their batches.
    pub(crate) holes_are_covered: bool,
    /// Before a segment of an earlier incarnation is said to be of no use, the manifests that could name it are taken over.
    pub(crate) judging_takes_over: bool,
    /// Whole groups behind a torn one are dropped with it.
    pub(crate) cut_drops_what_follows: bool,
    /// A group counts only in the file, incarnation and place in the sequence that it was written for.
    pub(crate) groups_are_seeded: bool,
    /// The checksums of groups begin with a number that no producer knows.
    pub(crate) groups_are_sealed: bool,
    /// Readers see only what is durable.
    pub(crate) watermark_is_durable: bool,
    /// A new log start is answered only when it is durable.
    pub(crate) log_start_is_durable: bool,
    /// A file is recycled only when a checkpoint lies behind it.
    pub(crate) recycling_waits_for_checkpoint: bool,
    /// A file is recycled only when the manifests, or a log start, cover its batches.
    pub(crate) recycling_waits_for_manifests: bool,
    /// A checkpoint is written only when every group that it counts in is durable.
    pub(crate) checkpoint_is_durable: bool,
    /// A checkpoint carries the producers.
    pub(crate) checkpoint_keeps_producers: bool,
    /// A duplicate is answered only when its original is durable.
    pub(crate) duplicates_wait: bool,
    /// A failed flush ends all acknowledgements.
    pub(crate) failed_flush_is_fatal: bool,
    /// A claim ends the rows of all incarnations before.
    pub(crate) predecessors_are_fenced: bool,
    /// The newest object of a row is deleted only when it is that no more: the fence goes behind it.
    pub(crate) newest_is_kept: bool,
    /// What was put and not named is found again in the row before anything else is shipped.
    pub(crate) row_is_read_again: bool,
    /// What a broker takes back from the store is its own before it is read: nothing that was put before can change it.
    pub(crate) restored_is_taken_over: bool,
    /// The roster and the named objects leave before data that they speak of.
    pub(crate) names_before_data: bool,
    /// A section says what was known at its end, not what is known when it is shipped.
    pub(crate) sections_end_exactly: bool,
    /// A broker that finds the volume empty takes everything from the store.
    pub(crate) empty_volumes_are_restored: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            acks_in_order: true,
            acked_through_is_honest: true,
            corruption_is_loud: true,
            gaps_are_in_manifests: true,
            holes_hold_batches_alone: true,
            holes_are_covered: true,
            judging_takes_over: true,
            cut_drops_what_follows: true,
            groups_are_seeded: true,
            groups_are_sealed: true,
            watermark_is_durable: true,
            log_start_is_durable: true,
            recycling_waits_for_checkpoint: true,
            recycling_waits_for_manifests: true,
            checkpoint_is_durable: true,
            checkpoint_keeps_producers: true,
            duplicates_wait: true,
            failed_flush_is_fatal: true,
            predecessors_are_fenced: true,
            newest_is_kept: true,
            row_is_read_again: true,
            restored_is_taken_over: true,
            names_before_data: true,
            sections_end_exactly: true,
            empty_volumes_are_restored: true,
        }
    }
}
