//! Removing what no manifest needs any more, without ever removing what one does.
//!
//! Two grounds make an object garbage, and both ask for every hash partition that has something in it to be the pod's own:
//!
//! - *replaced*: a manifest that the pod has replaced itself named it, the replacement is known committed, and none of the pod's
//!   manifests names it now. A pod that was fenced without knowing it may still do this: whoever came after it began with that
//!   manifest or a later one, and a manifest names only what its predecessor named or what is new.
//! - *orphan*: none of the pod's manifests names it, and every claim in its footer is below the pod's own. Its writer can commit
//!   nothing any more. What a later owner wrote has a greater claim and is safe from a pod that was fenced.
//!
//! A *pin* protects what a snapshot or a new version needs. Pinning and collecting may happen at the same time, so each leaves a
//! note before it looks for the other's: a collector writes what it condemns, then reads the pins, then deletes; who pins
//! writes the pin, then reads what is condemned, then looks whether everything is there. Of two that meet, one always sees the
//! other. A condemnation stays until nothing in it exists, so a collector that slept in between does no harm either.

mod job;
mod lists;

pub use job::{CollectJob, Collected};
pub(crate) use lists::{NameList, read_lists};

use crate::{Claim, HashPartition, Life, StateNames, manifest::Holders};
use job::{Delete, Swept};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};
use store::Key;

/// After a failure nothing is tried for so long.
const RETRY: Duration = Duration::from_secs(30);

/// What the pod owns and needs, at one moment. Later moments need no less of what exists now to be kept: manifests only drop
/// old objects, and new ones are nobody's candidates.
#[derive(Clone, Debug, Default)]
pub(crate) struct Owned {
    pub(crate) claims: BTreeMap<HashPartition, Claim>,
    pub(crate) named: BTreeSet<Key>,
}

/// Why an object may be garbage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ground {
    Replaced,
    Orphan,
}

/// The rules that keep what is needed. All hold, except in the tests that show what each is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Orphans are only what was written under claims below the pod's own.
    pub(crate) below_own_claim: bool,
    /// An object goes only when all hash partitions in it let it go.
    pub(crate) all_holders: bool,
    /// Pins are read before anything is deleted.
    pub(crate) pins: bool,
    /// What is to be deleted is written down before the pins are read.
    pub(crate) condemn: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self { below_own_claim: true, all_holders: true, pins: true, condemn: true }
    }
}

/// What a pod intends to remove.
#[derive(Debug)]
pub(crate) struct Collector {
    names: StateNames,
    life: Life,
    grace: Duration,
    rules: Rules,
    /// What may be garbage, why, and not before when.
    candidates: BTreeMap<Key, (Ground, Instant)>,
    /// Who has something in an object, where it is known.
    holders: BTreeMap<Key, Holders>,
    /// Condemnations in the store, and what of them may still exist.
    condemned: BTreeMap<Key, BTreeSet<Key>>,
    next_condemnation: u64,
    sweep_wanted: bool,
    is_busy: bool,
    retry_at: Option<Instant>,
}

impl Collector {
    pub(crate) fn new(names: StateNames, life: Life, grace: Duration) -> Self {
        Self {
            names,
            life,
            grace,
            rules: Rules::default(),
            candidates: BTreeMap::new(),
            holders: BTreeMap::new(),
            condemned: BTreeMap::new(),
            next_condemnation: 0,
            sweep_wanted: false,
            is_busy: false,
            retry_at: None,
        }
    }

    #[cfg(test)]
    pub(crate) fn break_rules(&mut self, rules: Rules) {
        self.rules = rules;
    }

    /// Something was adopted: its former owners may have left orphans.
    pub(crate) fn sweep(&mut self) {
        self.sweep_wanted = true;
    }

    /// The pod has put these objects.
    pub(crate) fn put(&mut self, objects: BTreeMap<Key, Holders>) {
        self.holders.extend(objects);
    }

    /// A committed manifest no longer names these, which the one before it named.
    pub(crate) fn replaced(&mut self, objects: impl Iterator<Item = Key>, now: Instant) {
        for object in objects {
            let due = now + self.grace;
            self.candidates.entry(object).and_modify(|(ground, _)| *ground = Ground::Replaced).or_insert((Ground::Replaced, due));
        }
    }

    /// The next job.
    pub(crate) fn next(&mut self, now: Instant, owned: Owned) -> Option<CollectJob> {
        if self.is_busy || self.retry_at.is_some_and(|at| now < at) || owned.claims.is_empty() {
            return None;
        }
        let job = if self.sweep_wanted { self.sweep_job(owned) } else { self.delete_job(now, owned)? };
        self.is_busy = true;
        Some(job)
    }

    fn sweep_job(&mut self, owned: Owned) -> CollectJob {
        self.sweep_wanted = false;
        let known = self.condemned.keys().cloned().collect();
        CollectJob::sweep(self.names.clone(), owned, self.rules, known)
    }

    fn delete_job(&mut self, now: Instant, owned: Owned) -> Option<CollectJob> {
        let due = self.candidates.iter().filter(|(_, (_, due))| *due <= now);
        let candidates: BTreeMap<Key, (Ground, Option<Holders>)> =
            due.map(|(key, (ground, _))| (key.clone(), (*ground, self.holders.get(key).cloned()))).collect();
        if candidates.is_empty() && self.condemned.values().all(|names| !names.is_empty()) {
            return None;
        }
        self.next_condemnation += 1;
        let list = self.names.condemned(self.life, self.next_condemnation);
        let id = store::WriteId(condemnation_id(self.life, self.next_condemnation));
        Some(CollectJob::delete(self.names.clone(), owned, self.rules, Delete::new(list, id, candidates, self.condemned.clone())))
    }

    /// A job has ended.
    pub(crate) fn done(&mut self, collected: Collected, now: Instant) {
        self.is_busy = false;
        self.retry_at = collected.error.is_some().then(|| now + RETRY);
        if let Some(swept) = collected.swept {
            self.swept(swept, now);
        }
        self.sweep_wanted |= collected.is_sweep && collected.error.is_some();
        for gone in collected.gone.iter().chain(&collected.needed) {
            self.candidates.remove(gone);
        }
        for gone in &collected.gone {
            self.holders.remove(gone);
            self.condemned.values_mut().for_each(|objects| {
                objects.remove(gone);
            });
        }
        for pinned in collected.pinned {
            self.candidates.entry(pinned).and_modify(|(_, due)| *due = now + self.grace);
        }
        if let Some((list, objects)) = collected.condemned {
            self.condemned.insert(list, objects.difference(&collected.gone).cloned().collect());
        }
        for list in collected.lists_gone {
            self.condemned.remove(&list);
        }
    }

    fn swept(&mut self, swept: Swept, now: Instant) {
        for (object, holders) in swept.orphans {
            self.holders.insert(object.clone(), holders);
            self.candidates.entry(object).or_insert((Ground::Orphan, now + self.grace));
        }
        self.condemned.extend(swept.condemned);
    }
}

impl Owned {
    /// Whether nobody needs an object in which these have something.
    pub(crate) fn is_garbage(&self, object: &Key, ground: Ground, holders: &Holders, rules: Rules) -> bool {
        let lets_go = |(hash, claim): (&HashPartition, &Claim)| match self.claims.get(hash) {
            None => !rules.all_holders,
            Some(own) => ground == Ground::Replaced || !rules.below_own_claim || claim < own,
        };
        let is_named = rules.all_holders && self.named.contains(object);
        !is_named && !holders.is_empty() && holders.iter().all(lets_go)
    }
}

/// One id for each condemnation of each life.
fn condemnation_id(life: Life, n: u64) -> u128 {
    let life = u128::from(life.producer_id.0 as u64) << 16 | u128::from(life.epoch.0 as u16);
    life << 48 | u128::from(n)
}

#[cfg(test)]
mod tests;
