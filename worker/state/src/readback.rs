//! Reading a state partition back, from its log start to the reader's own claim.

use crate::{
    Claim, CommitMark, HashPartition, Life, ManifestRecord, Position, Upstream,
    record::{Content, EncodedDelta, StateRecord},
};
use bytes::Bytes;
use std::{collections::BTreeMap, collections::VecDeque, sync::Arc};
use units::Offset;

/// What a state partition has said so far. Feed it every committed record in order, up to [`Step::Complete`].
#[derive(Debug)]
pub struct Readback {
    layout: Arc<str>,
    hash: HashPartition,
    own: CommitMark,
    owner: Option<Life>,
    last: Option<CommitMark>,
    manifest: Option<ManifestRecord>,
    deltas: VecDeque<(CommitMark, EncodedDelta)>,
    positions: BTreeMap<Upstream, Position>,
}

/// What to do after a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Read on.
    More,
    /// That was the reader's own claim: the state is complete and the reader's.
    Complete,
    /// A newer layout took over: stop, this one's state is closed.
    Closed {
        /// That layout.
        by: Arc<str>,
    },
}

/// Everything that a state partition holds, as of the claim that ends it.
#[derive(Clone, Debug)]
pub struct Restored {
    /// The hash partition.
    pub hash: HashPartition,
    /// The reader's claim.
    pub claim: Claim,
    /// The last manifest, and the deltas after what it covers; both empty where there never was state.
    pub manifest: Option<ManifestRecord>,
    pub(crate) deltas: VecDeque<(CommitMark, EncodedDelta)>,
    /// How far each upstream partition has come: the greatest ever said.
    pub positions: Vec<Position>,
    /// The last commit before the claim, of whatever kind.
    pub last: Option<CommitMark>,
}

/// A state partition says what it cannot say: state is lost or has had two writers. The pipeline stops, by name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("state of hash partition {hash}, offset {offset}: {what}")]
pub struct ReadbackError {
    /// The hash partition.
    pub hash: HashPartition,
    /// The record.
    pub offset: Offset,
    /// What does not hold.
    pub what: String,
}

impl Readback {
    /// Begins to read the state partition of `hash`, into which a claim with the mark `own` has been committed.
    #[must_use]
    pub fn new(layout: &str, hash: HashPartition, own: CommitMark) -> Self {
        let (manifest, deltas, positions) = (None, VecDeque::new(), BTreeMap::new());
        Self { layout: layout.into(), hash, own, owner: None, last: None, manifest, deltas, positions }
    }

    /// Takes in the committed record at `offset`.
    ///
    /// # Errors
    /// [`ReadbackError`], after which there is no use in reading on.
    pub fn push(&mut self, offset: Offset, record: Bytes) -> Result<Step, ReadbackError> {
        let record = StateRecord::decode(record).map_err(|error| self.error(offset, error.0))?;
        if record.layout != self.layout || record.hash != self.hash {
            let whose = format!("the record belongs to hash partition {} of layout {}", record.hash, record.layout);
            return Err(self.error(offset, whose));
        }
        let step = match record.content {
            Content::Claim => {
                self.owner = Some(record.commit.life);
                if record.commit == self.own { Step::Complete } else { Step::More }
            }
            Content::Delta(delta) => {
                self.check_writer(offset, record.commit)?;
                delta.positions.iter().for_each(|position| self.advance(position));
                self.deltas.push_back((record.commit, delta));
                Step::More
            }
            Content::Whole(delta) => {
                self.check_writer(offset, record.commit)?;
                delta.positions.iter().for_each(|position| self.advance(position));
                (self.deltas, self.manifest) = (VecDeque::from([(record.commit, delta)]), None);
                Step::More
            }
            Content::Manifest(manifest) => {
                self.check_writer(offset, record.commit)?;
                manifest.positions.iter().for_each(|position| self.advance(position));
                let is_covered = |mark: &CommitMark| mark.number <= manifest.covers.number;
                while self.deltas.pop_front_if(|(mark, _)| is_covered(mark)).is_some() {}
                self.manifest = Some(manifest);
                Step::More
            }
            Content::Closed { by } => return Ok(Step::Closed { by }),
        };
        // What the reader's own claim ends is what others said before it.
        if step == Step::More {
            self.last = Some(record.commit);
        }
        Ok(step)
    }

    /// Forgets everything: reading begins again at the log start, because what was to be read next has been trimmed.
    pub fn restart(&mut self) {
        *self = Self::new(&self.layout, self.hash, self.own);
    }

    /// What was read, once the own claim was at `offset`.
    #[must_use]
    pub fn complete(self, offset: Offset) -> Restored {
        let Self { hash, manifest, deltas, positions, last, .. } = self;
        Restored { hash, claim: Claim(offset), manifest, deltas, positions: positions.into_values().collect(), last }
    }

    /// Only the life that claimed last may write, and its commits follow each other. Anything else got past the fence.
    fn check_writer(&self, offset: Offset, commit: CommitMark) -> Result<(), ReadbackError> {
        if let Some(owner) = self.owner.filter(|owner| *owner != commit.life) {
            return Err(self.error(offset, format!("producer {} wrote after producer {owner} had claimed", commit.life)));
        }
        let before = self.deltas.back().map(|(mark, _)| mark.number).or(self.manifest.as_ref().map(|manifest| manifest.covers.number));
        match before.filter(|before| commit.number < *before) {
            Some(before) => Err(self.error(offset, format!("commit {} follows commit {before}", commit.number))),
            None => Ok(()),
        }
    }

    fn advance(&mut self, said: &Position) {
        match self.positions.get_mut(&said.upstream) {
            None => {
                self.positions.insert(said.upstream.clone(), said.clone());
            }
            Some(known) => {
                (known.next, known.watermark) = (known.next.max(said.next), known.watermark.max(said.watermark));
                known.idle = said.idle;
            }
        }
    }

    fn error(&self, offset: Offset, what: String) -> ReadbackError {
        ReadbackError { hash: self.hash, offset, what }
    }
}

impl Restored {
    /// Bytes of the deltas that no manifest covers.
    #[must_use]
    pub fn delta_bytes(&self) -> u64 {
        self.deltas.iter().map(|(_, delta)| delta.bytes()).sum()
    }
}

#[cfg(test)]
mod tests;
