//! The bytes of a WAL file.
//!
//! A file is a row of groups, each beginning at a multiple of 4096 bytes; its number is its name, and rises with each use.
//! All fields are little-endian.
//!
//! | at | bytes | field of the group header |
//! |---|---|---|
//! | 0 | 4 | magic `SWG1` |
//! | 4 | 4 | incarnation that wrote it |
//! | 8 | 4 | number of the file |
//! | 12 | 4 | length of the body |
//! | 16 | 8 | sequence, one more than the group before, over files and incarnations |
//! | 24 | 8 | acked through: every group up to this sequence was durable when this one was written |
//! | 32 | 8 | last change: the newest group before this one with an entry other than batches; 0 for none in this incarnation |
//! | 40 | 4 | CRC-32C of the body, begun with the CRC of the seal and the fields before it |
//! | 44 | 4 | CRC-32C of the 44 bytes before, begun with the seal |
//! | 48 | 16 | zero |
//!
//! The seal is a number that a volume draws once and keeps in its checkpoint. Without it, a producer could put what looks like a
//! group into a record, and have a recovery that searches for groups find that.
//!
//! The body is a row of entries: kind (1), topic id (16), partition (4), length (4), then that many bytes. Zeros fill up to
//! the next block.
//!
//! **Recovery.** From the checkpoint's position on, groups follow each other without a gap in sequence, through the rest of
//! the file and on in the next. The first that does not verify ends the log, unless a later group says that it was
//! acknowledged: that is corruption. Then the object store gives what the missing groups held, if it can be shown that they
//! held batches alone, which the last change of the next group says, and that these were all shipped. A recycled file shows no ghosts, since old groups name another file, an older
//! incarnation and a sequence that is not next.

use units::{Incarnation, PartitionId, TopicId};

use crate::{
    TopicPartitionId,
    codec::{Fields, Malformed},
};

/// Length of a group header.
pub(crate) const HEADER_BYTES: usize = 64;
/// Length of what stands before an entry's bytes.
pub(crate) const ENTRY_BYTES: usize = 25;
const MAGIC: u32 = u32::from_le_bytes(*b"SWG1");
const FIELD_BYTES: usize = 40;
const CHECKED_BYTES: usize = FIELD_BYTES + 4;

/// Name of a WAL file on the volume.
pub(crate) fn file_name(file: u32) -> String {
    format!("wal/{file:010}")
}

/// Name of the list of batches in a WAL file that takes no more groups.
pub(crate) fn summary_name(file: u32) -> String {
    format!("index/{file:010}")
}

/// The number in a name below its folder.
pub(crate) fn file_number(name: &str) -> Option<u32> {
    if name.len() == 10 && name.bytes().all(|byte| byte.is_ascii_digit()) { name.parse().ok() } else { None }
}

/// What the checksums of a volume's groups begin with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seal(pub(crate) u32);

/// What a group says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GroupHeader {
    pub(crate) incarnation: Incarnation,
    pub(crate) file: u32,
    pub(crate) body_bytes: u32,
    pub(crate) seq: u64,
    pub(crate) acked_through: u64,
    pub(crate) last_change: u64,
}

impl GroupHeader {
    fn fields(&self) -> [u8; FIELD_BYTES] {
        let mut bytes = [0; FIELD_BYTES];
        bytes[0..4].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.incarnation.0.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.file.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.body_bytes.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.seq.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.acked_through.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.last_change.to_le_bytes());
        bytes
    }

    /// Fills in the header at the front of `group`, whose body stands behind it.
    pub(crate) fn write(&self, group: &mut [u8], seal: Seal) {
        let (head, rest) = group.split_at_mut(HEADER_BYTES);
        head.fill(0);
        head[..FIELD_BYTES].copy_from_slice(&self.fields());
        let crc = crc32c::crc32c_append(crc32c::crc32c_append(seal.0, &head[..FIELD_BYTES]), &rest[..self.body_bytes as usize]);
        head[FIELD_BYTES..CHECKED_BYTES].copy_from_slice(&crc.to_le_bytes());
        let crc = crc32c::crc32c_append(seal.0, &head[..CHECKED_BYTES]);
        head[CHECKED_BYTES..CHECKED_BYTES + 4].copy_from_slice(&crc.to_le_bytes());
    }

    /// The header at the front of `bytes`, if its own checksum holds.
    pub(crate) fn parse(bytes: &[u8], seal: Seal) -> Option<Self> {
        let head = bytes.get(..HEADER_BYTES)?;
        let crc = u32::from_le_bytes(*head[CHECKED_BYTES..].first_chunk()?);
        if crc32c::crc32c_append(seal.0, &head[..CHECKED_BYTES]) != crc {
            return None;
        }
        Self::read(head)
    }

    /// The header at the front of `bytes`, whatever its checksums are: to tell a volume that has groups from a new one.
    pub(crate) fn unsealed(bytes: &[u8]) -> Option<Self> {
        Self::read(bytes.get(..HEADER_BYTES)?)
    }

    fn read(head: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(head);
        let mut read = || {
            let magic = fields.u32()?;
            let header = Self {
                incarnation: Incarnation(fields.u32()?),
                file: fields.u32()?,
                body_bytes: fields.u32()?,
                seq: fields.u64()?,
                acked_through: fields.u64()?,
                last_change: fields.u64()?,
            };
            if magic == MAGIC { Ok(header) } else { Err(Malformed("not a group")) }
        };
        read().ok()
    }

    /// Whether the checksum over the body holds; `group` begins with this header.
    pub(crate) fn is_intact(&self, group: &[u8], seal: Seal) -> bool {
        let Some(body) = group.get(HEADER_BYTES..HEADER_BYTES + self.body_bytes as usize) else { return false };
        let crc = crc32c::crc32c_append(crc32c::crc32c_append(seal.0, &group[..FIELD_BYTES]), body);
        group[FIELD_BYTES..CHECKED_BYTES] == crc.to_le_bytes()
    }

    /// Bytes from this group's start to the next one's.
    pub(crate) fn stride(&self) -> u64 {
        crate::aligned::round_up(HEADER_BYTES + self.body_bytes as usize) as u64
    }
}

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryKind {
    /// Whole batches of one partition, placed.
    Batches,
    /// A partition is made, or gets new settings.
    Configure,
    /// A partition is removed.
    Delete,
    /// A partition's log start moves to the 8 bytes given.
    LogStart,
}

impl EntryKind {
    fn code(self) -> u8 {
        match self {
            Self::Batches => 1,
            Self::Configure => 2,
            Self::Delete => 3,
            Self::LogStart => 4,
        }
    }

    fn of(code: u8) -> Result<Self, Malformed> {
        [Self::Batches, Self::Configure, Self::Delete, Self::LogStart]
            .into_iter()
            .find(|kind| kind.code() == code)
            .ok_or(Malformed("an entry of unknown kind"))
    }
}

/// One entry of a verified group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) kind: EntryKind,
    pub(crate) partition: TopicPartitionId,
    pub(crate) bytes: &'a [u8],
    /// Where `bytes` begin, from the start of the group.
    pub(crate) at: usize,
}

/// What stands before `length` bytes of an entry.
pub(crate) fn entry_head(kind: EntryKind, partition: TopicPartitionId, length: usize) -> [u8; ENTRY_BYTES] {
    let mut head = [0; ENTRY_BYTES];
    head[0] = kind.code();
    head[1..17].copy_from_slice(&partition.topic.0);
    head[17..21].copy_from_slice(&partition.partition.0.to_le_bytes());
    head[21..25].copy_from_slice(&crate::codec::length(length).to_le_bytes());
    head
}

/// The entries of `body`.
pub(crate) fn entries(body: &[u8]) -> impl Iterator<Item = Result<Entry<'_>, Malformed>> {
    let mut fields = Fields::new(body);
    let mut at = HEADER_BYTES;
    std::iter::from_fn(move || {
        if fields.is_empty() {
            return None;
        }
        let mut next = || {
            let kind = EntryKind::of(fields.u8()?)?;
            let partition = TopicPartitionId { topic: TopicId(fields.array()?), partition: PartitionId(fields.i32()?) };
            let length = fields.u32()? as usize;
            let entry = Entry { kind, partition, bytes: fields.bytes(length)?, at: at + ENTRY_BYTES };
            at = entry.at + length;
            Ok(entry)
        };
        let entry = next();
        if entry.is_err() {
            fields = Fields::new(&[]);
        }
        Some(entry)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEAL: Seal = Seal(0x5eed);

    fn group() -> (GroupHeader, Vec<u8>) {
        let partition = TopicPartitionId { topic: TopicId([7; 16]), partition: PartitionId(3) };
        let mut group = vec![0; HEADER_BYTES];
        group.extend_from_slice(&entry_head(EntryKind::Batches, partition, 5));
        group.extend_from_slice(b"batch");
        group.extend_from_slice(&entry_head(EntryKind::Delete, partition, 0));
        let body_bytes = u32::try_from(group.len() - HEADER_BYTES).unwrap();
        let header = GroupHeader { incarnation: Incarnation(2), file: 9, body_bytes, seq: 40, acked_through: 38, last_change: 12 };
        header.write(&mut group, SEAL);
        (header, group)
    }

    #[test]
    fn a_group_reads_back_as_written() {
        let (header, group) = group();
        assert_eq!(GroupHeader::parse(&group, SEAL), Some(header));
        assert!(header.is_intact(&group, SEAL));
        assert_eq!(header.stride(), 4096);
        let entries: Vec<_> = entries(&group[HEADER_BYTES..]).map(Result::unwrap).collect();
        assert_eq!((entries[0].kind, entries[0].bytes), (EntryKind::Batches, &b"batch"[..]));
        assert_eq!(&group[entries[0].at..entries[0].at + 5], b"batch");
        assert_eq!((entries[1].kind, entries[1].bytes.len()), (EntryKind::Delete, 0));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let (_, group) = group();
        for bit in 0..group.len() * 8 {
            if (48 * 8..64 * 8).contains(&bit) {
                continue;
            }
            let mut flipped = group.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let seen = GroupHeader::parse(&flipped, SEAL).is_some_and(|header| header.is_intact(&flipped, SEAL));
            assert!(!seen, "bit {bit} was not noticed");
        }
    }

    #[test]
    fn a_group_of_another_seal_is_none() {
        let (header, group) = group();
        assert_eq!(GroupHeader::parse(&group, Seal(0)), None);
        assert!(!header.is_intact(&group, Seal(0)));
    }

    #[test]
    fn bytes_that_are_no_entries_end_the_group() {
        assert!(entries(&[9; 40]).next().unwrap().is_err());
        let (_, group) = group();
        assert!(entries(&group[HEADER_BYTES..group.len() - 1]).any(|entry| entry.is_err()));
    }
}
