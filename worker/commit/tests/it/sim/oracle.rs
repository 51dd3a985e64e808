//! What must hold after each step.

use std::collections::{BTreeMap, BTreeSet};

use streamwright_commit::CommitMark;

use super::flow::{Group, Members, Record, WINDOW_MS};
use super::log::{Identity, Log};

/// The truth about all rows ever written, and what the outputs have shown so far.
#[derive(Default)]
pub struct Oracle {
    /// What the batch query over all rows gives.
    truth: BTreeMap<Group, BTreeSet<(u32, i64)>>,
    seen: BTreeSet<Group>,
    read_to: i64,
    /// Transactions that the coordinator decided to commit.
    decided: BTreeSet<Identity>,
}

impl Oracle {
    /// A row was written to a source.
    pub fn row(&mut self, source: u32, offset: i64, key: u32, time: i64) {
        let start = time.div_euclid(WINDOW_MS) * WINDOW_MS;
        self.truth.entry((key, start)).or_default().insert((source, offset));
    }

    /// The coordinator decided that the transaction of these producers commits.
    pub fn decided(&mut self, identities: impl Iterator<Item = Identity>) {
        self.decided.extend(identities);
    }

    /// A pod believes that this commit happened, in the transaction that it ended as `identity`.
    pub fn believed(&self, mark: CommitMark, identity: Identity) -> Result<(), String> {
        self.decided.contains(&identity).then_some(()).ok_or_else(|| format!("a pod believes commit {mark} happened: it did not"))
    }

    /// Looks at outputs that became visible.
    pub fn outputs(&mut self, output: &Log) -> Result<(), String> {
        let (records, next) = output.read(self.read_to, usize::MAX).ok_or("the output log was trimmed")?;
        self.read_to = next;
        for (offset, record) in records {
            let Record::Output { group, members } = record else { return Err("not an output".into()) };
            self.output(offset, group, &members)?;
        }
        Ok(())
    }

    fn output(&mut self, offset: i64, group: Group, members: &Members) -> Result<(), String> {
        if !self.seen.insert(group) {
            return Err(format!("window {group:?} was output twice, again at {offset}"));
        }
        let mut last: BTreeMap<u32, i64> = BTreeMap::new();
        for &(source, row) in members {
            if last.insert(source, row).is_some_and(|before| before >= row) {
                return Err(format!("window {group:?} applied rows of source {source} out of order: {members:?}"));
            }
        }
        let applied: BTreeSet<(u32, i64)> = members.iter().copied().collect();
        let truth = self.truth.get(&group).cloned().unwrap_or_default();
        if applied != truth {
            let missing: Vec<_> = truth.difference(&applied).collect();
            let strange: Vec<_> = applied.difference(&truth).collect();
            return Err(format!("window {group:?} output at {offset} lacks rows {missing:?} and has strange rows {strange:?}"));
        }
        Ok(())
    }

    /// Windows that end at or before `time` and were not output.
    pub fn missing(&self, time: i64) -> Vec<Group> {
        self.truth.keys().copied().filter(|group| group.1 + WINDOW_MS <= time && !self.seen.contains(group)).collect()
    }

    /// How many windows were output.
    pub fn outputs_seen(&self) -> usize {
        self.seen.len()
    }
}
