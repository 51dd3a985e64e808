//! The roster: which partitions a broker has, so that one that starts on an empty volume knows what to look for.
//!
//! One small object of the broker ([`crate::shipper`] keeps it as a named one), replaced before data of a new partition leaves:
//!
//! | field | bytes |
//! |---|---|
//! | magic `SWRO`, version | 4, 4 |
//! | the first object of the row that may hold parts that no manifest names: incarnation, sequence | 4, 8 |
//! | partitions: count, then {topic id, partition, settings, log start} | 4, n x 65 |
//! | CRC-32C of all before | 4 |

use units::{Incarnation, Offset};

use crate::{
    PartitionConfig, TopicPartitionId, checkpoint,
    codec::{self, Fields, Malformed},
    partition::{CONFIG_BYTES, decode_config, encode_config},
};

/// Its name among the broker's named objects.
pub(crate) const NAME: &str = "partitions";
const MAGIC: u32 = u32::from_le_bytes(*b"SWRO");
const VERSION: u32 = 1;
const ENTRY_BYTES: usize = 20 + CONFIG_BYTES + 8;

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: TopicPartitionId,
    pub(crate) config: PartitionConfig,
    pub(crate) log_start: Offset,
}

/// All partitions of a broker, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Roster {
    /// The first object of the row that may hold parts which no manifest names.
    pub(crate) named_from: (Incarnation, u64),
    pub(crate) partitions: Vec<Entry>,
}

impl Roster {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(24 + self.partitions.len() * ENTRY_BYTES);
        bytes.extend_from_slice(&MAGIC.to_le_bytes());
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.named_from.0.0.to_le_bytes());
        bytes.extend_from_slice(&self.named_from.1.to_le_bytes());
        bytes.extend_from_slice(&codec::length(self.partitions.len()).to_le_bytes());
        for entry in &self.partitions {
            checkpoint::encode_id(&mut bytes, entry.id);
            bytes.extend_from_slice(&encode_config(&entry.config));
            bytes.extend_from_slice(&entry.log_start.0.to_le_bytes());
        }
        codec::seal(bytes)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Fields::new(codec::unseal(bytes)?);
        if (fields.u32()?, fields.u32()?) != (MAGIC, VERSION) {
            return Err(Malformed("not a roster of this version"));
        }
        let named_from = (Incarnation(fields.u32()?), fields.u64()?);
        let count = fields.count(ENTRY_BYTES)?;
        let mut one = || {
            let id = checkpoint::decode_id(&mut fields)?;
            let config = decode_config(fields.bytes(CONFIG_BYTES)?)?;
            Ok(Entry { id, config, log_start: fields.offset()? })
        };
        Ok(Self { named_from, partitions: (0..count).map(|_| one()).collect::<Result<_, _>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use units::{PartitionId, TopicId};

    #[test]
    fn a_roster_reads_back_as_written() {
        let entry = |partition| Entry {
            id: TopicPartitionId { topic: TopicId([3; 16]), partition: PartitionId(partition) },
            config: PartitionConfig { total_time: Some(Duration::from_secs(7)), ..PartitionConfig::default() },
            log_start: Offset(40),
        };
        let roster = Roster { named_from: (Incarnation(2), 9), partitions: vec![entry(0), entry(1)] };
        let bytes = roster.encode();
        assert_eq!(bytes.len(), 24 + 2 * ENTRY_BYTES + 4);
        assert_eq!(Roster::decode(&bytes), Ok(roster));
        assert!(Roster::decode(&bytes[..bytes.len() - 1]).is_err());
    }
}
