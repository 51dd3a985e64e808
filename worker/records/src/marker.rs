//! [`Marker`]: the control batch that ends a transaction in one partition (KIP-98).
//!
//! Its one record has a key of two numbers (version 0; 0 abort, 1 commit) and a value of two (version 0; the coordinator's epoch).

use bytes::Bytes;
use units::{ProducerEpoch, ProducerId, Sequence, TimestampMs};

use crate::{BatchBuilder, BatchError, Compression, Records, patch};

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MarkerKind {
    /// What it wrote is to be dropped.
    Abort,
    /// What it wrote counts.
    Commit,
}

/// The end of a transaction in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker {
    /// How it ended.
    pub kind: MarkerKind,
    /// Epoch of the coordinator that ended it; one with a lower epoch is no longer listened to.
    pub coordinator_epoch: i32,
    /// Whose transaction it was.
    pub producer_id: ProducerId,
    /// The producer's epoch when it ended.
    pub producer_epoch: ProducerEpoch,
    /// When it ended.
    pub timestamp: TimestampMs,
}

const KEY_VERSION: i16 = 0;
const VALUE_VERSION: i16 = 0;
const ABORT: i16 = 0;
const COMMIT: i16 = 1;

impl Marker {
    /// The batch to append; it has no offset yet.
    #[must_use]
    pub fn to_batch(&self) -> Vec<u8> {
        let kind = if self.kind == MarkerKind::Commit { COMMIT } else { ABORT };
        let key = [KEY_VERSION.to_be_bytes(), kind.to_be_bytes()].concat();
        let value = [&VALUE_VERSION.to_be_bytes()[..], &self.coordinator_epoch.to_be_bytes()[..]].concat();
        let mut builder = BatchBuilder::control();
        builder.push_plain(self.timestamp, Some(&key), Some(&value));
        let mut batch = builder.finish();
        patch::stamp(&mut batch, self.producer_id, self.producer_epoch, Sequence::NONE, true);
        batch
    }

    /// Reads a batch: `None` where it is not a control batch, or one that ends no transaction (of a kind that came later).
    ///
    /// # Errors
    /// [`BatchError`] where it should be a marker and is not.
    pub fn parse(batch: &Bytes) -> Result<Option<Self>, BatchError> {
        let header = crate::BatchHeader::parse(batch)?;
        if !header.attributes.is_control() {
            return Ok(None);
        }
        if header.attributes.compression()? != Compression::None {
            return Err(BatchError::Marker("is compressed"));
        }
        let records = Records::decode(batch, 0)?;
        let record = records.iter().next().ok_or(BatchError::Marker("has no record"))??;
        let (version, kind) = record.key.and_then(two_numbers).ok_or(BatchError::Marker("has a key of less than four bytes"))?;
        let kind = match kind {
            _ if version < KEY_VERSION => return Err(BatchError::Marker("has a key of a version below 0")),
            ABORT => MarkerKind::Abort,
            COMMIT => MarkerKind::Commit,
            _ => return Ok(None),
        };
        let epoch = record.value.and_then(|value| value.get(2..6)).ok_or(BatchError::Marker("has a value of less than six bytes"))?;
        let coordinator_epoch = i32::from_be_bytes(epoch.try_into().expect("four bytes"));
        let (producer_id, producer_epoch) = (header.producer_id, header.producer_epoch);
        Ok(Some(Self { kind, coordinator_epoch, producer_id, producer_epoch, timestamp: record.timestamp }))
    }
}

fn two_numbers(key: &[u8]) -> Option<(i16, i16)> {
    let [a, b, c, d] = *key.first_chunk()?;
    Some((i16::from_be_bytes([a, b]), i16::from_be_bytes([c, d])))
}
