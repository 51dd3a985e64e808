//! What one commit changed in the state of one hash partition.

use super::{EncodedDelta, decode_positions, encode_positions};
use crate::{
    Malformed, OperatorId, OperatorSchema, Position, block,
    codec::{Fields, put_blob, put_count},
};
use arrow::array::RecordBatch;
use bytes::Bytes;

/// What an operator keeps beside its rows, for one hash partition; the latest counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Rows that expire before this are dead, in milliseconds of event time; `i64::MIN` where none are. Never goes back.
    pub horizon_ms: i64,
    /// Whatever the operator wants back when it is restored: what has fired, what was counted. At most 64 KiB.
    pub note: Bytes,
}

/// What one commit changed in one operator's state.
#[derive(Clone, Debug)]
pub struct OperatorDelta {
    /// Whose.
    pub operator: OperatorId,
    /// Its progress as of the commit.
    pub progress: Progress,
    /// Rows changed, in columns as its [`OperatorSchema`] says. Of rows with one key the last counts.
    pub rows: RecordBatch,
}

/// What one commit changed in one hash partition.
#[derive(Clone, Debug)]
pub struct Delta {
    /// How far each upstream partition has come with this commit.
    pub positions: Vec<Position>,
    /// What each operator changed; an operator may come up several times (once for each lane that has a share).
    pub operators: Vec<OperatorDelta>,
}

/// An operator's share of a delta, its rows still encoded.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EncodedOperator {
    pub(crate) operator: OperatorId,
    pub(crate) progress: Progress,
    /// A block, or nothing where only the progress changed.
    pub(crate) block: Bytes,
}

impl Default for Progress {
    fn default() -> Self {
        Self { horizon_ms: i64::MIN, note: Bytes::new() }
    }
}

impl Progress {
    /// Longest note, in bytes.
    pub const NOTE_BYTES_MAX: usize = 64 << 10;

    /// Takes in what came later.
    pub(crate) fn advance(&mut self, later: &Self) {
        self.horizon_ms = self.horizon_ms.max(later.horizon_ms);
        self.note = later.note.clone();
    }
}

impl Delta {
    /// Encodes this delta into as many as it takes for none to be much larger than `bytes_max` (compressed, at most that;
    /// a record adds its header). All of them belong into one commit, in this order.
    ///
    /// # Panics
    /// Where a note is longer than [`Progress::NOTE_BYTES_MAX`].
    #[must_use]
    pub fn encode(&self, bytes_max: u64) -> Vec<EncodedDelta> {
        let bytes_max = bytes_max.max(1024);
        let new = || EncodedDelta { positions: self.positions.clone(), operators: Vec::new() };
        let (mut deltas, mut current, mut bytes) = (Vec::new(), new(), 0);
        for operator in self.operators.iter().flat_map(|operator| operator.encode(bytes_max)) {
            let more = operator.bytes();
            if bytes + more > bytes_max && !current.operators.is_empty() {
                deltas.push(std::mem::replace(&mut current, new()));
                bytes = 0;
            }
            bytes += more;
            current.operators.push(operator);
        }
        deltas.push(current);
        deltas
    }
}

impl OperatorDelta {
    fn encode(&self, bytes_max: u64) -> Vec<EncodedOperator> {
        assert!(self.progress.note.len() <= Progress::NOTE_BYTES_MAX, "the note of operator {} is too long", self.operator);
        let encoded = |block| EncodedOperator { operator: self.operator, progress: self.progress.clone(), block };
        // A block that does not compress keeps below the bound too.
        let blocks = block::encode_blocks(&self.rows, bytes_max / 2);
        if blocks.is_empty() { vec![encoded(Bytes::new())] } else { blocks.into_iter().map(encoded).collect() }
    }
}

impl EncodedOperator {
    /// Fewest bytes that one is encoded in.
    const BYTES_MIN: usize = 8 + 8 + 4 + 4;

    fn bytes(&self) -> u64 {
        (Self::BYTES_MIN + self.progress.note.len() + self.block.len()) as u64
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.operator.0.to_le_bytes());
        out.extend(self.progress.horizon_ms.to_le_bytes());
        put_blob(out, &self.progress.note);
        put_blob(out, &self.block);
    }

    fn decode(fields: &mut Fields) -> Result<Self, Malformed> {
        let operator = OperatorId(fields.u64()?);
        let horizon_ms = fields.i64()?;
        let note = fields.blob()?;
        if note.len() > Progress::NOTE_BYTES_MAX {
            return Err(fields.malformed("has a note of more than 64 KiB"));
        }
        // The note lives longer than the record, whose bytes it would keep in memory.
        let note = Bytes::copy_from_slice(&note);
        Ok(Self { operator, progress: Progress { horizon_ms, note }, block: fields.blob()? })
    }

    pub(crate) fn rows(&self, schema: &OperatorSchema) -> Result<RecordBatch, Malformed> {
        if self.block.is_empty() { Ok(schema.empty()) } else { block::decode_block(&self.block, schema) }
    }
}

impl EncodedDelta {
    /// Bytes that it adds to its record.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.operators.iter().map(EncodedOperator::bytes).sum()
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        encode_positions(&self.positions, out);
        put_count(out, self.operators.len());
        self.operators.iter().for_each(|operator| operator.encode(out));
    }

    pub(super) fn decode(fields: &mut Fields) -> Result<Self, Malformed> {
        let positions = decode_positions(fields)?;
        Ok(Self { positions, operators: fields.list(EncodedOperator::BYTES_MIN, EncodedOperator::decode)? })
    }
}
