//! Collecting as work against the store: one small step at a time, so that a simulation can let the world change in between.

use super::{
    Ground, Owned, Rules,
    lists::{NameList, list_all, read_lists},
};
use crate::{ReadError, SealError, StateNames, manifest::Holders, object::read_footer};
use std::collections::{BTreeMap, BTreeSet};
use store::{Key, ObjectStore, PutError, StoreError, WriteId, put_if_absent_settled};

/// Something to find out or to remove: blocking work, without any hold on the pod that asked for it.
#[derive(Debug)]
pub struct CollectJob {
    names: StateNames,
    owned: Owned,
    rules: Rules,
    work: Work,
    collected: Collected,
}

#[derive(Debug)]
enum Work {
    Sweep { known_lists: BTreeSet<Key>, stage: SweepStage },
    Delete { of: Delete, stage: DeleteStage },
    Done,
}

#[derive(Debug)]
enum SweepStage {
    List,
    Footers { all: BTreeSet<Key>, unread: Vec<Key> },
}

#[derive(Debug)]
enum DeleteStage {
    Footers,
    Condemn(BTreeSet<Key>),
    ReadPins(BTreeSet<Key>),
    Delete(Vec<Key>),
    DeleteLists,
}

/// What a deletion begins with.
#[derive(Debug)]
pub(super) struct Delete {
    list: Key,
    list_id: WriteId,
    candidates: BTreeMap<Key, (Ground, Option<Holders>)>,
    condemned: BTreeMap<Key, BTreeSet<Key>>,
}

/// What came of a [`CollectJob`].
#[derive(Debug, Default)]
pub struct Collected {
    /// Why it ended early, where it did; what it did until then counts, and the rest is tried again.
    pub error: Option<SealError>,
    /// Objects that do not exist any more.
    pub gone: BTreeSet<Key>,
    /// Objects that are not what they should be. They stay, for a person to look at.
    pub damaged: BTreeSet<Key>,
    pub(super) is_sweep: bool,
    pub(super) swept: Option<Swept>,
    /// Candidates that are not garbage.
    pub(super) needed: BTreeSet<Key>,
    /// Garbage that a pin protects.
    pub(super) pinned: BTreeSet<Key>,
    pub(super) condemned: Option<(Key, BTreeSet<Key>)>,
    pub(super) lists_gone: Vec<Key>,
}

/// What a sweep found.
#[derive(Debug, Default)]
pub(super) struct Swept {
    pub(super) orphans: Vec<(Key, Holders)>,
    pub(super) condemned: Vec<(Key, BTreeSet<Key>)>,
}

impl Delete {
    pub(super) fn new(
        list: Key,
        list_id: WriteId,
        candidates: BTreeMap<Key, (Ground, Option<Holders>)>,
        condemned: BTreeMap<Key, BTreeSet<Key>>,
    ) -> Self {
        Self { list, list_id, candidates, condemned }
    }
}

impl CollectJob {
    pub(super) fn sweep(names: StateNames, owned: Owned, rules: Rules, known_lists: BTreeSet<Key>) -> Self {
        let collected = Collected { is_sweep: true, ..Collected::default() };
        Self { names, owned, rules, work: Work::Sweep { known_lists, stage: SweepStage::List }, collected }
    }

    pub(super) fn delete(names: StateNames, owned: Owned, rules: Rules, of: Delete) -> Self {
        Self { names, owned, rules, work: Work::Delete { of, stage: DeleteStage::Footers }, collected: Collected::default() }
    }

    /// Does everything. Blocks.
    pub fn run<S: ObjectStore + ?Sized>(mut self, store: &S) -> Collected {
        while !self.step(store) {}
        self.collected
    }

    /// Does one step; true when there is none left.
    pub(crate) fn step<S: ObjectStore + ?Sized>(&mut self, store: &S) -> bool {
        let work = std::mem::replace(&mut self.work, Work::Done);
        let next = match work {
            Work::Sweep { known_lists, stage } => self.sweep_step(store, known_lists, stage),
            Work::Delete { of, stage } => self.delete_step(store, of, stage),
            Work::Done => return true,
        };
        self.work = next.unwrap_or_else(|error| {
            self.collected.error = Some(error);
            Work::Done
        });
        matches!(self.work, Work::Done)
    }

    /// What came of it.
    #[cfg(test)]
    pub(crate) fn finished(self) -> Collected {
        self.collected
    }

    fn sweep_step<S: ObjectStore + ?Sized>(&mut self, store: &S, known_lists: BTreeSet<Key>, stage: SweepStage) -> Result<Work, SealError> {
        match stage {
            SweepStage::List => {
                let all: BTreeSet<Key> = list_all(store, &self.names.objects()).map_err(ReadError::from)?.into_iter().collect();
                let unread = all.iter().filter(|key| !self.owned.named.contains(*key)).cloned().collect();
                self.collected.swept = Some(Swept::default());
                Ok(Work::Sweep { known_lists, stage: SweepStage::Footers { all, unread } })
            }
            SweepStage::Footers { all, mut unread } => {
                if let Some(object) = unread.pop() {
                    self.look_at_orphan(store, object)?;
                    return Ok(Work::Sweep { known_lists, stage: SweepStage::Footers { all, unread } });
                }
                let mut lists = read_lists(store, &self.names.all_condemned())?;
                lists.retain(|(list, _)| !known_lists.contains(list));
                let existing = |(list, names): (Key, BTreeSet<Key>)| (list, names.intersection(&all).cloned().collect());
                self.collected.swept.get_or_insert_default().condemned = lists.into_iter().map(existing).collect();
                Ok(Work::Done)
            }
        }
    }

    fn look_at_orphan<S: ObjectStore + ?Sized>(&mut self, store: &S, object: Key) -> Result<(), SealError> {
        let Some(holders) = self.holders(store, &object)? else { return Ok(()) };
        if self.owned.is_garbage(&object, Ground::Orphan, &holders, self.rules) {
            self.collected.swept.get_or_insert_default().orphans.push((object, holders));
        }
        Ok(())
    }

    /// Who has something in an object; `None` where it is gone or cannot be read.
    fn holders<S: ObjectStore + ?Sized>(&mut self, store: &S, object: &Key) -> Result<Option<Holders>, SealError> {
        match read_footer(store, object) {
            Ok(footer) => Ok(Some(footer.ownership.holders)),
            Err(ReadError::Store(StoreError::NotFound { .. })) => {
                self.collected.gone.insert(object.clone());
                Ok(None)
            }
            Err(ReadError::Damaged { .. } | ReadError::Store(StoreError::Corrupt { .. })) => {
                self.collected.damaged.insert(object.clone());
                self.collected.needed.insert(object.clone());
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn delete_step<S: ObjectStore + ?Sized>(&mut self, store: &S, mut of: Delete, stage: DeleteStage) -> Result<Work, SealError> {
        let stage = match stage {
            DeleteStage::Footers => match of.candidates.iter().find(|(_, (_, holders))| holders.is_none()).map(|(key, _)| key.clone()) {
                Some(object) => {
                    match self.holders(store, &object)? {
                        Some(holders) => of.candidates.entry(object).and_modify(|(_, known)| *known = Some(holders)),
                        None => of.candidates.entry(object).and_modify(|(_, known)| *known = Some(Holders::new())),
                    };
                    DeleteStage::Footers
                }
                None => match self.victims(&of) {
                    victims if victims.is_empty() => DeleteStage::DeleteLists,
                    victims if self.rules.condemn => DeleteStage::Condemn(victims),
                    victims => DeleteStage::ReadPins(victims),
                },
            },
            DeleteStage::Condemn(victims) => {
                self.condemn(store, &of, &victims)?;
                DeleteStage::ReadPins(victims)
            }
            DeleteStage::ReadPins(victims) => DeleteStage::Delete(self.unpinned(store, victims)?),
            DeleteStage::Delete(mut victims) => match victims.pop() {
                Some(victim) => {
                    store.delete(&victim).map_err(ReadError::from)?;
                    self.collected.gone.insert(victim);
                    DeleteStage::Delete(victims)
                }
                None => DeleteStage::DeleteLists,
            },
            DeleteStage::DeleteLists => {
                self.delete_lists(store, &of)?;
                return Ok(Work::Done);
            }
        };
        Ok(Work::Delete { of, stage })
    }

    /// The candidates that are garbage; notes the others.
    fn victims(&mut self, of: &Delete) -> BTreeSet<Key> {
        let is_garbage = |(key, (ground, holders)): &(&Key, &(Ground, Option<Holders>))| {
            holders.as_ref().is_some_and(|holders| self.owned.is_garbage(key, *ground, holders, self.rules))
        };
        let victims: BTreeSet<Key> = of.candidates.iter().filter(is_garbage).map(|(key, _)| key.clone()).collect();
        let kept = of.candidates.keys().filter(|key| !victims.contains(*key) && !self.collected.gone.contains(*key));
        self.collected.needed.extend(kept.cloned());
        victims
    }

    fn condemn<S: ObjectStore + ?Sized>(&mut self, store: &S, of: &Delete, victims: &BTreeSet<Key>) -> Result<(), SealError> {
        // Noted before it is put: an answer may be lost, and what is in the store must be known.
        self.collected.condemned = Some((of.list.clone(), victims.clone()));
        match put_if_absent_settled(store, &of.list, NameList::of(victims).encode(), of.list_id) {
            Ok(_) => Ok(()),
            Err(source) => {
                if matches!(source, PutError::Lost { .. } | PutError::Other(_)) {
                    self.collected.condemned = None;
                }
                Err(SealError::Put { object: of.list.clone(), source })
            }
        }
    }

    fn unpinned<S: ObjectStore + ?Sized>(&mut self, store: &S, victims: BTreeSet<Key>) -> Result<Vec<Key>, SealError> {
        if !self.rules.pins {
            return Ok(victims.into_iter().collect());
        }
        let pinned: BTreeSet<Key> = read_lists(store, &self.names.pins())?.into_iter().flat_map(|(_, names)| names).collect();
        self.collected.pinned = victims.intersection(&pinned).cloned().collect();
        Ok(victims.difference(&pinned).cloned().collect())
    }

    /// Deletes the condemnations of which nothing exists any more.
    fn delete_lists<S: ObjectStore + ?Sized>(&mut self, store: &S, of: &Delete) -> Result<(), SealError> {
        let all = of.condemned.iter().chain(self.collected.condemned.iter().map(|(list, names)| (list, names)));
        let is_over = |(_, names): &(&Key, &BTreeSet<Key>)| names.iter().all(|name| self.collected.gone.contains(name));
        let over: Vec<Key> = all.filter(is_over).map(|(list, _)| list.clone()).collect();
        for list in over {
            store.delete(&list).map_err(ReadError::from)?;
            self.collected.lists_gone.push(list);
        }
        Ok(())
    }
}
