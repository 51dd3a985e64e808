//! The groups of one pane: keys found by their hash, numbered from 0 in the order they came, and the values of every aggregate.

use arrow::array::ArrayRef;
use arrow::error::ArrowError;
use hashbrown::{HashTable, hash_table::Entry};

use super::{accumulator::Accumulator, layout::Layout};
use crate::column::Column;

/// See the module.
#[derive(Debug)]
pub(crate) struct Groups {
    table: HashTable<u32>,
    hashes: Vec<u64>,
    keys: Vec<Column>,
    accumulators: Vec<Accumulator>,
    marks: Vec<Mark>,
    /// Groups with `is_changed`, in no order.
    changed: Vec<u32>,
    /// Groups that are not removed.
    live: usize,
}

/// What state knows of a group.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    /// Its values differ from what the last delta said.
    is_changed: bool,
    /// A delta has told of it.
    is_told: bool,
    is_removed: bool,
}

/// Keys, hashes and values of rows that come in.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub hashes: Vec<u64>,
    pub keys: Vec<Column>,
    pub accumulators: Vec<Accumulator>,
}

impl Groups {
    pub fn new(layout: &Layout) -> Self {
        let column = |data_type| Column::new(data_type).expect("the layout was made of such types");
        let accumulator = |kind: &super::accumulator::AggregateKind| kind.accumulator().expect("the layout was made of such aggregates");
        Self {
            table: HashTable::new(),
            hashes: Vec::new(),
            keys: layout.key_types.iter().map(column).collect(),
            accumulators: layout.aggregates.iter().map(accumulator).collect(),
            marks: Vec::new(),
            changed: Vec::new(),
            live: 0,
        }
    }

    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.live
    }

    pub fn size_bytes(&self) -> usize {
        self.table.capacity() * 5
            + self.hashes.capacity() * 8
            + self.marks.capacity() * 3
            + self.keys.iter().map(Column::size_bytes).sum::<usize>()
            + self.accumulators.iter().map(Accumulator::size_bytes).sum::<usize>()
    }

    /// Adds the values at `rows` to those of their groups; `scratch` is only for reuse. Gives how many groups the next delta has to tell of
    /// that it had not before.
    pub fn absorb(&mut self, incoming: &Incoming, rows: &[u32], scratch: &mut Vec<u32>) -> usize {
        let told_of = self.changed.len();
        self.add(incoming, rows, scratch);
        for group in scratch.iter() {
            let mark = &mut self.marks[*group as usize];
            if !mark.is_changed {
                mark.is_changed = true;
                self.changed.push(*group);
            }
        }
        self.changed.len() - told_of
    }

    /// As [`Groups::absorb`], for groups that no delta tells of.
    pub fn add(&mut self, incoming: &Incoming, rows: &[u32], scratch: &mut Vec<u32>) {
        self.intern(&incoming.hashes, &incoming.keys, rows, scratch);
        for (accumulator, other) in self.accumulators.iter_mut().zip(&incoming.accumulators) {
            accumulator.absorb(scratch, rows, other);
        }
    }

    /// Adds all groups of another pane to this one's; for windows of several panes.
    pub fn merge(&mut self, other: &Self, scratch: &mut Vec<u32>) {
        let rows = other.live_groups();
        self.intern(&other.hashes, &other.keys, &rows, scratch);
        for (accumulator, other) in self.accumulators.iter_mut().zip(&other.accumulators) {
            accumulator.absorb(scratch, &rows, other);
        }
    }

    /// Makes the values of the groups at `rows` those that came, as a delta tells them.
    pub fn replace(&mut self, incoming: &Incoming, rows: &[u32], scratch: &mut Vec<u32>) {
        self.intern(&incoming.hashes, &incoming.keys, rows, scratch);
        for (accumulator, other) in self.accumulators.iter_mut().zip(&incoming.accumulators) {
            scratch.iter().for_each(|group| accumulator.clear(*group));
            accumulator.absorb(scratch, rows, other);
        }
        scratch.iter().for_each(|group| self.marks[*group as usize].is_told = true);
    }

    /// Forgets the groups at `rows`, as a delta tells it.
    pub fn remove(&mut self, incoming: &Incoming, rows: &[u32]) {
        for row in rows.iter().map(|row| *row as usize) {
            let hash = incoming.hashes[row];
            let found = self.table.find_entry(hash, |group| is_group(&self.hashes, &self.keys, *group, hash, &incoming.keys, row));
            if let Ok(entry) = found {
                let (group, _) = entry.remove();
                self.marks[group as usize] = Mark { is_removed: true, ..Mark::default() };
                self.live -= 1;
            }
        }
    }

    /// The group of each row, made where there is none yet.
    fn intern(&mut self, hashes: &[u64], keys: &[Column], rows: &[u32], groups: &mut Vec<u32>) {
        groups.clear();
        groups.reserve(rows.len());
        let Self { table, hashes: own_hashes, keys: own_keys, .. } = self;
        for row in rows.iter().map(|row| *row as usize) {
            let hash = hashes[row];
            let entry =
                table.entry(hash, |group| is_group(own_hashes, own_keys, *group, hash, keys, row), |group| own_hashes[*group as usize]);
            let group = match entry {
                Entry::Occupied(entry) => *entry.get(),
                Entry::Vacant(entry) => {
                    let group = u32::try_from(own_hashes.len()).expect("a pane has fewer than 2^32 groups");
                    entry.insert(group);
                    own_hashes.push(hash);
                    own_keys.iter_mut().zip(keys).for_each(|(own, key)| own.push_from(key, row));
                    group
                }
            };
            groups.push(group);
        }
        let len = self.hashes.len();
        self.live += len - self.marks.len();
        self.marks.resize(len, Mark::default());
        self.accumulators.iter_mut().for_each(|accumulator| accumulator.resize(len));
    }

    fn live_groups(&self) -> Vec<u32> {
        (0_u32..).zip(&self.marks).filter(|(_, mark)| !mark.is_removed).map(|(group, _)| group).collect()
    }

    /// All groups by hash, then key: the same however they came.
    pub fn in_order(&self) -> Vec<u32> {
        self.sorted(self.live_groups())
    }

    fn sorted(&self, mut groups: Vec<u32>) -> Vec<u32> {
        groups.sort_unstable_by(|left, right| {
            let (left, right) = (*left as usize, *right as usize);
            let by_key = || self.keys.iter().map(|key| key.compare(left, key, right)).find(|order| order.is_ne());
            self.hashes[left].cmp(&self.hashes[right]).then_with(|| by_key().unwrap_or(std::cmp::Ordering::Equal))
        });
        groups
    }

    /// The groups that changed since the last call, in order; they count as told.
    pub fn take_changed(&mut self) -> Vec<u32> {
        let changed = std::mem::take(&mut self.changed);
        for group in &changed {
            let mark = &mut self.marks[*group as usize];
            mark.is_changed = false;
            mark.is_told |= !mark.is_removed;
        }
        self.sorted(changed)
    }

    /// The groups that some delta has told of, in order.
    pub fn told(&self) -> Vec<u32> {
        let told = self.live_groups().into_iter().filter(|group| self.marks[*group as usize].is_told);
        self.sorted(told.collect())
    }

    pub fn hash(&self, group: u32) -> u64 {
        self.hashes[group as usize]
    }

    pub fn key_arrays(&self, groups: &[u32], layout: &Layout) -> Result<Vec<ArrayRef>, ArrowError> {
        self.keys.iter().zip(&layout.key_types).map(|(key, data_type)| key.gather(groups, data_type)).collect()
    }

    pub fn accumulators(&self) -> &[Accumulator] {
        &self.accumulators
    }
}

#[inline]
fn is_group(hashes: &[u64], keys: &[Column], group: u32, hash: u64, other: &[Column], row: usize) -> bool {
    hashes[group as usize] == hash && keys.iter().zip(other).all(|(key, other)| key.equals(group as usize, other, row))
}
