//! State of one hash partition as it is read back: an object, and deltas on top of it.

use streamwright_commit::{CommitNumber, ExchangeIndex, SourceIndex, StateHeader, StateKind, Until, Upstream};
use units::Offset;

use super::flow::{Delta, Keyed, Positions, Record};

/// What was read so far.
#[derive(Default)]
pub struct Restore {
    base: Option<(CommitNumber, String)>,
    deltas: Vec<(CommitNumber, Delta)>,
    pub positions: Positions,
    pub until: Option<Until>,
    pub end: Option<i64>,
}

impl Restore {
    /// Nothing was read yet. `until` is where it is complete, `end` the last stable offset, once it is known.
    pub fn new(until: Option<Until>, end: Option<i64>) -> Self {
        Self { until, end, ..Self::default() }
    }

    /// The record adds to what was read.
    pub fn keep(&mut self, header: &StateHeader, content: Content) {
        if let Content::Delta(delta) = content {
            self.positions = delta.positions.clone();
            self.deltas.push((header.number, delta));
        }
    }

    /// The record stands for what was read: for all of it, or for what its object covers.
    pub fn replace(&mut self, header: &StateHeader, content: Content) {
        match (content, &header.kind) {
            (Content::Delta(delta), StateKind::Whole) => {
                *self = Self::new(self.until, self.end);
                self.keep(header, Content::Delta(delta));
            }
            (Content::Manifest(name, positions), StateKind::Manifest { covers, .. }) => {
                self.positions = positions;
                self.deltas.retain(|(number, _)| number > covers);
                self.base = Some((*covers, name));
            }
            _ => {}
        }
    }

    /// The object to begin with.
    pub fn object(&self) -> Option<&str> {
        self.base.as_ref().map(|(_, name)| name.as_str())
    }

    /// Brings the object's state up to the last record.
    pub fn apply(&self, keyed: &mut Keyed) {
        let covers = self.base.as_ref().map_or(CommitNumber(0), |(covers, _)| *covers);
        self.deltas.iter().filter(|(number, _)| *number > covers).for_each(|(_, delta)| keyed.apply_delta(delta));
    }
}

/// What a record of a state partition holds.
pub enum Content {
    Nothing,
    Delta(Delta),
    Manifest(String, Positions),
}

/// What the pod is told of a record, and what it holds.
pub fn header(offset: i64, record: Record) -> (StateHeader, Content) {
    let upstreams = |positions: &Positions| {
        let sources = positions.sources.iter().map(|&(source, next, _)| (Upstream::Source(SourceIndex(source)), Offset(next)));
        sources.chain([(Upstream::Exchange(ExchangeIndex(0)), Offset(positions.exchange))]).collect::<Vec<_>>()
    };
    let (number, kind, positions, content) = match record {
        Record::Claim { mark } => (mark.number, StateKind::Claim(mark), Vec::new(), Content::Nothing),
        Record::Delta { number, delta, whole } => {
            let kind = if whole { StateKind::Whole } else { StateKind::Delta };
            (number, kind, upstreams(&delta.positions), Content::Delta(delta))
        }
        Record::Manifest { number, covers, floor, name, positions } => {
            let kind = StateKind::Manifest { covers, floor: Offset(floor) };
            (number, kind, upstreams(&positions), Content::Manifest(name, positions))
        }
        other => panic!("{other:?} in a state partition"),
    };
    (StateHeader { offset: Offset(offset), number, bytes: 100, kind, positions }, content)
}
