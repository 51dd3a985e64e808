//! Which incarnation wrote which files. After a cut the next one counts on from there, in a file of its own: what the files
//! before still hold past that count is no part of the log.

use units::Incarnation;

use crate::codec::{self, Fields, Malformed};

const ERA_BYTES: usize = 16;

/// Where an incarnation began to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Era {
    pub(crate) incarnation: Incarnation,
    /// Its first file.
    pub(crate) file: u32,
    /// Sequence of its first group.
    pub(crate) seq: u64,
}

/// The eras of all files that there are, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Eras(Vec<Era>);

impl Eras {
    pub(crate) fn begin(&mut self, era: Era) {
        self.0.push(era);
    }

    /// Forgets eras whose files all lie below `oldest`.
    pub(crate) fn drop_below(&mut self, oldest: u32) {
        let begun = self.0.partition_point(|era| era.file <= oldest);
        self.0.drain(..begun.saturating_sub(1));
    }

    /// The sequence at which the log left `file` at the latest: groups from there on were cut off.
    pub(crate) fn end_of(&self, file: u32) -> u64 {
        self.0.iter().find(|era| era.file > file).map_or(u64::MAX, |era| era.seq)
    }

    pub(crate) fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&codec::length(self.0.len()).to_le_bytes());
        for era in &self.0 {
            bytes.extend_from_slice(&era.incarnation.0.to_le_bytes());
            bytes.extend_from_slice(&era.file.to_le_bytes());
            bytes.extend_from_slice(&era.seq.to_le_bytes());
        }
    }

    pub(crate) fn decode(fields: &mut Fields<'_>) -> Result<Self, Malformed> {
        let count = fields.count(ERA_BYTES)?;
        let mut one = || Ok(Era { incarnation: Incarnation(fields.u32()?), file: fields.u32()?, seq: fields.u64()? });
        (0..count).map(|_| one()).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_ends_where_the_next_incarnation_began() {
        let mut eras = Eras::default();
        for (incarnation, file, seq) in [(1, 1, 1), (2, 5, 40), (4, 9, 70)] {
            eras.begin(Era { incarnation: Incarnation(incarnation), file, seq });
        }
        assert_eq!([1, 4, 5, 8, 9, 12].map(|file| eras.end_of(file)), [40, 40, 70, 70, u64::MAX, u64::MAX]);
        let mut bytes = Vec::new();
        eras.encode(&mut bytes);
        assert_eq!(Eras::decode(&mut Fields::new(&bytes)), Ok(eras.clone()));
        eras.drop_below(6);
        assert_eq!([5, 9].map(|file| eras.end_of(file)), [70, u64::MAX]);
        eras.drop_below(9);
        assert_eq!(eras.0.len(), 1);
    }
}
