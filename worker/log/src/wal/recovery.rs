//! Reading groups back: from a place on, one after the other, up to the first that does not verify.

use units::{Incarnation, TimestampMs};

use super::layout::{self, GroupHeader, HEADER_BYTES, Seal};
use crate::{
    Disk, OpenError, TopicPartitionId, checkpoint,
    codec::{self, Fields, Malformed},
    disk::BLOCK_BYTES,
    partition::index::{IndexEntry, Location},
    rules::Rules,
};

const SUMMARY_MAGIC: u32 = u32::from_le_bytes(*b"SWIX");
const SUMMARY_ENTRY_BYTES: usize = 48;

/// One WAL file in memory.
pub(crate) struct FileBytes {
    pub(crate) number: u32,
    bytes: Vec<u8>,
    seal: Seal,
    rules: Rules,
}

/// A group that verifies.
pub(crate) struct Group<'a> {
    pub(crate) header: GroupHeader,
    pub(crate) position: u32,
    pub(crate) body: &'a [u8],
}

impl FileBytes {
    pub(crate) fn read(disk: &dyn Disk, number: u32, seal: Seal, rules: Rules) -> Result<Self, OpenError> {
        let name = layout::file_name(number);
        let read = || {
            let file = disk.open(&name)?;
            let length = usize::try_from(file.length()?).map_err(std::io::Error::other)?;
            let mut bytes = vec![0; length];
            file.read_exact_at(0, &mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().map_err(|source| OpenError::Disk { action: "read", name: name.clone(), source })?;
        Ok(Self { number, bytes, seal, rules })
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The group at `position`, if it is one of this file's and of `incarnation`, and verifies.
    pub(crate) fn group(&self, position: u64, incarnation: Option<Incarnation>) -> Option<Group<'_>> {
        let at = usize::try_from(position).ok()?;
        let bytes = self.bytes.get(at..)?;
        let header = GroupHeader::parse(bytes, self.seal)?;
        if !self.is_ours(&header, incarnation) || !header.is_intact(bytes, self.seal) {
            return None;
        }
        let body = &bytes[HEADER_BYTES..HEADER_BYTES + header.body_bytes as usize];
        Some(Group { header, position: u32::try_from(position).ok()?, body })
    }

    fn is_ours(&self, header: &GroupHeader, incarnation: Option<Incarnation>) -> bool {
        let is_seeded = header.file == self.number && incarnation.is_none_or(|incarnation| header.incarnation == incarnation);
        is_seeded || !self.rules.groups_are_seeded
    }

    /// Group headers at or after `position` with a sequence above `seq`, and where they are; whole or not, what they say was said.
    pub(crate) fn headers_after(&self, position: u64, seq: u64, incarnation: Incarnation) -> impl Iterator<Item = (u64, GroupHeader)> {
        let start = usize::try_from(position).unwrap_or(usize::MAX).min(self.bytes.len());
        self.bytes[start..]
            .chunks(BLOCK_BYTES)
            .zip((position..).step_by(BLOCK_BYTES))
            .filter_map(|(block, at)| Some((at, GroupHeader::parse(block, self.seal)?)))
            .filter(move |(_, header)| self.is_ours(header, Some(incarnation)) && header.seq > seq)
    }

    /// The groups that verify, in order; what lies between them and does not is passed over.
    pub(crate) fn groups(&self) -> impl Iterator<Item = Group<'_>> {
        let mut position = 0;
        let mut last: Option<GroupHeader> = None;
        std::iter::from_fn(move || {
            while let Some(bytes) = usize::try_from(position).ok().and_then(|at| self.bytes.get(at..)).filter(|bytes| !bytes.is_empty()) {
                let at = position;
                let is_next = |header: &GroupHeader| {
                    self.is_ours(header, last.map(|last| last.incarnation)) && last.is_none_or(|last| header.seq > last.seq)
                };
                let Some(header) = GroupHeader::parse(bytes, self.seal).filter(is_next) else {
                    position += BLOCK_BYTES as u64;
                    continue;
                };
                // Nothing in the body of a group is taken for another one, be it damaged or not.
                position += header.stride();
                if let Some(group) = self.group(at, Some(header.incarnation)) {
                    last = Some(header);
                    return Some(group);
                }
            }
            None
        })
    }
}

/// The list of batches of a file that takes no more groups.
pub(crate) fn encode_summary(number: u32, batches: &[(TopicPartitionId, IndexEntry)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16 + batches.len() * SUMMARY_ENTRY_BYTES);
    bytes.extend_from_slice(&SUMMARY_MAGIC.to_le_bytes());
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.extend_from_slice(&codec::length(batches.len()).to_le_bytes());
    for (id, entry) in batches {
        checkpoint::encode_id(&mut bytes, *id);
        bytes.extend_from_slice(&entry.base.0.to_le_bytes());
        bytes.extend_from_slice(&entry.last_delta.to_le_bytes());
        bytes.extend_from_slice(&entry.length.to_le_bytes());
        bytes.extend_from_slice(&entry.location.position.to_le_bytes());
        bytes.extend_from_slice(&entry.max_timestamp.0.to_le_bytes());
    }
    codec::seal(bytes)
}

pub(crate) fn decode_summary(number: u32, bytes: &[u8]) -> Result<Vec<(TopicPartitionId, IndexEntry)>, Malformed> {
    let mut fields = Fields::new(codec::unseal(bytes)?);
    if (fields.u32()?, fields.u32()?) != (SUMMARY_MAGIC, number) {
        return Err(Malformed("not the summary of this file"));
    }
    let count = fields.count(SUMMARY_ENTRY_BYTES)?;
    let mut one = || {
        let id = checkpoint::decode_id(&mut fields)?;
        let base = fields.offset()?;
        let (last_delta, length) = (fields.u32()?, fields.u32()?);
        let location = Location { file: number, position: fields.u32()? };
        Ok((id, IndexEntry { base, last_delta, length, location, max_timestamp: TimestampMs(fields.i64()?) }))
    };
    (0..count).map(|_| one()).collect()
}
