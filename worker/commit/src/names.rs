//! What is owned, what is read, and how a commit is told from every other commit.

use std::fmt;

use units::{Offset, ProducerEpoch, ProducerId};

/// One of the `maxParallelism` contiguous ranges of the 64-bit key hash: the unit of state that moves between pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashPartition(pub u32);

/// Position of a source partition in the plan's list of all source partitions; the same in every pod of a layout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceIndex(pub u32);

/// Position of a keyed exchange in the plan, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeIndex(pub u32);

/// A log partition whose position is committed to the consumer group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Input {
    /// A partition of a topic that the query reads.
    Source(SourceIndex),
    /// The partition of an exchange topic that carries rows for one hash partition.
    Exchange(ExchangeIndex, HashPartition),
    /// The state partition of one hash partition. Its position is the *floor*: no record below it is needed to restore.
    State(HashPartition),
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(index) => write!(f, "source {}", index.0),
            Self::Exchange(exchange, k) => write!(f, "exchange {} of hash partition {}", exchange.0, k.0),
            Self::State(k) => write!(f, "state of hash partition {}", k.0),
        }
    }
}

/// One uninterrupted life of a pod: the producer identity it got when it registered. A plain `InitProducerId` never gives
/// the same pair twice, so marks of different lives never look alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Life {
    /// Producer id answered to `InitProducerId`.
    pub producer_id: ProducerId,
    /// Producer epoch answered with it.
    pub epoch: ProducerEpoch,
}

/// Number of a commit; greater than every number the pod has seen in offsets or state, so it only grows within each hash
/// partition, whoever owns it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitNumber(pub u64);

/// Names one commit for ever. Written as offset metadata, it tells the outcome after a lost answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitMark {
    /// The life that made the commit.
    pub life: Life,
    /// Its number.
    pub number: CommitNumber,
}

/// What the consumer group knows of one input: an offset and, as its metadata, who committed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Next offset to read, or for a state partition its floor.
    pub position: Offset,
    /// The commit that named it last.
    pub mark: CommitMark,
    /// The last commit that wrote more than a claim to it. A claim names a state partition too, and must not wipe out what the
    /// group knows of its content before anyone has compared the two (rule 6).
    pub content: CommitNumber,
}

/// Offset metadata that is not ours.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("offset metadata {0:?} is not a commit's: another program commits to this group")]
pub struct InvalidMetadata(pub String);

impl Committed {
    /// The metadata of the offset: `1:<producer id>:<epoch>:<number>:<content>`; the leading 1 is the version of the form.
    #[must_use]
    pub fn metadata(&self) -> String {
        let Life { producer_id, epoch } = self.mark.life;
        format!("1:{producer_id}:{epoch}:{}:{}", self.mark.number.0, self.content.0)
    }

    /// Reads an offset with the metadata that [`Committed::metadata`] wrote.
    ///
    /// # Errors
    /// The text has another form or another version.
    pub fn parse(position: Offset, metadata: &str) -> Result<Self, InvalidMetadata> {
        let read = || {
            let mut parts = metadata.split(':');
            if parts.next()? != "1" {
                return None;
            }
            let life = Life { producer_id: ProducerId(parts.next()?.parse().ok()?), epoch: ProducerEpoch(parts.next()?.parse().ok()?) };
            let mark = CommitMark { life, number: CommitNumber(parts.next()?.parse().ok()?) };
            let content = CommitNumber(parts.next()?.parse().ok()?);
            parts.next().is_none().then_some(Self { position, mark, content })
        };
        read().ok_or_else(|| InvalidMetadata(metadata.chars().take(64).collect()))
    }
}

impl fmt::Display for CommitMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of producer {} epoch {}", self.number.0, self.life.producer_id, self.life.epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_s_metadata_survives_its_text() {
        let mark = CommitMark { life: Life { producer_id: ProducerId(7), epoch: ProducerEpoch(3) }, number: CommitNumber(41) };
        let committed = Committed { position: Offset(9), mark, content: CommitNumber(40) };
        assert_eq!(committed.metadata(), "1:7:3:41:40");
        assert_eq!(Committed::parse(Offset(9), "1:7:3:41:40"), Ok(committed));
    }

    #[test]
    fn foreign_metadata_is_refused() {
        for text in ["", "2:7:3:41:40", "1:7:3:41", "1:7:3:41:5:6", "1:x:3:41:40", "1:7:99999:41:40"] {
            assert!(Committed::parse(Offset(0), text).is_err(), "{text}");
        }
    }
}
