//! A pod of the simulation: the real deciding code, and what it is in the middle of.

use super::Switches;
use crate::{
    Checkpoints, CollectJob, HashPartition, Life, SealError, SealJob, SealLimits, Sealed, StateNames,
    testing::{life, schemas},
};
use std::{collections::BTreeSet, time::Duration};
use store::WriteIds;

pub(super) const GRACE: Duration = Duration::from_secs(600);

pub(super) struct Pod {
    pub(super) life: Life,
    pub(super) checkpoints: Checkpoints,
    pub(super) write_ids: WriteIds,
    /// What it believes to own.
    pub(super) owns: BTreeSet<HashPartition>,
    pub(super) number: u64,
    pub(super) sealing: Option<Sealing>,
    pub(super) collecting: Option<CollectJob>,
    /// The step until which its collector sleeps.
    pub(super) sleeps_until: u64,
}

/// A checkpoint that the pod has begun.
pub(super) enum Sealing {
    Asked(SealJob),
    Ended(Result<Sealed, SealError>),
}

impl Pod {
    pub(super) fn new(number: i64, names: &StateNames, switches: Switches) -> Self {
        let limits = SealLimits { object_bytes: 1500, block_bytes: 300, read_bytes: 1000 };
        let mut checkpoints = Checkpoints::new(names.clone(), life(number), schemas(), limits, GRACE);
        checkpoints.break_rules(switches.collector);
        Self {
            life: life(number),
            checkpoints,
            write_ids: WriteIds::of(number as u64),
            owns: BTreeSet::new(),
            number: 0,
            sealing: None,
            collecting: None,
            sleeps_until: 0,
        }
    }

    /// The pod has learnt that it is fenced: it drops everything. What runs elsewhere runs on.
    pub(super) fn drop_everything(&mut self) {
        self.checkpoints.reset();
        self.owns.clear();
    }
}
