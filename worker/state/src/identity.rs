//! What state is of, who keeps it, and how far it has come.

use crate::{Malformed, codec::Fields, codec::put_text};
use std::{fmt, ops::RangeInclusive, sync::Arc};
use units::{Offset, ProducerEpoch, ProducerId};

/// One of the `maxParallelism` contiguous ranges of the 64-bit key hash: the unit of state that moves between pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct HashPartition(pub u32);

/// Names an operator by its normalised sub-plan, so that its state is found again whatever else changes in the query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperatorId(pub u64);

/// A range of key hashes, both ends included: all of a hash partition, a lane's share of it, or any other cut.
pub type HashRange = RangeInclusive<u64>;

/// Every key hash.
pub const ALL_HASHES: HashRange = 0..=u64::MAX;

/// One uninterrupted life of a pod: the producer identity that it registered with. No two lives of a layout are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Life {
    /// Producer id answered to the first `InitProducerId`.
    pub producer_id: ProducerId,
    /// Producer epoch answered with it.
    pub epoch: ProducerEpoch,
}

/// Names one commit for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct CommitMark {
    /// The life that made the commit.
    pub life: Life,
    /// Its number, which grows within each hash partition whoever owns it.
    pub number: u64,
}

/// Offset of a claim record in the state partition of a hash partition: the log orders claims, so a later owner's is greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Claim(pub Offset);

/// Where rows came from: a partition of a topic, or of what else has a name in the plan.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Upstream {
    /// A topic, an exchange, or a bounded source, by its name in the plan; at most 1,024 bytes.
    pub name: Arc<str>,
    /// The partition in it.
    pub partition: i32,
}

/// How far one upstream partition has come into the state of one hash partition.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Position {
    /// Which upstream partition.
    pub upstream: Upstream,
    /// The offset of the first row that the state does not hold.
    pub next: Offset,
    /// Event time before which nothing more comes from there, in milliseconds; [`Position::NO_WATERMARK`] where nothing is
    /// known, [`Position::END`] where nothing follows at all.
    pub watermark: i64,
    /// Left out of the minimum, because its owner has read it to the end and nothing has come for a while.
    pub idle: bool,
}

impl Position {
    /// Nothing is known of the upstream's event time.
    pub const NO_WATERMARK: i64 = i64::MIN;
    /// The upstream has ended.
    pub const END: i64 = i64::MAX;
    /// Fewest bytes that a position is encoded in.
    pub(crate) const BYTES_MIN: usize = 2 + 4 + 8 + 8 + 1;

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_text(out, &self.upstream.name);
        out.extend(self.upstream.partition.to_le_bytes());
        out.extend(self.next.0.to_le_bytes());
        out.extend(self.watermark.to_le_bytes());
        out.push(self.idle.into());
    }

    pub(crate) fn decode(fields: &mut Fields) -> Result<Self, Malformed> {
        let upstream = Upstream { name: fields.text()?.into(), partition: fields.i32()? };
        Ok(Self { upstream, next: Offset(fields.i64()?), watermark: fields.i64()?, idle: fields.u8()? != 0 })
    }
}

impl Life {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.producer_id.0.to_le_bytes());
        out.extend(self.epoch.0.to_le_bytes());
    }

    pub(crate) fn decode(fields: &mut Fields) -> Result<Self, Malformed> {
        Ok(Self { producer_id: ProducerId(fields.i64()?), epoch: ProducerEpoch(fields.i16()?) })
    }
}

impl fmt::Display for HashPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for OperatorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for Life {
    /// As in object names: `<producer id>-<epoch>`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.producer_id, self.epoch)
    }
}

/// Written as 16 hexadecimal digits: JSON readers of other languages round numbers of 64 bits.
impl serde::Serialize for OperatorId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for OperatorId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        u64::from_str_radix(&text, 16).map(Self).map_err(serde::de::Error::custom)
    }
}
