//! [`BatchError`]: what is wrong with bytes that should be a batch.

use crate::Compression;

/// The bytes are not a batch that can be used.
///
/// [`BatchError::is_invalid_record`] tells the two answers to a producer apart: CORRUPT_MESSAGE (the bytes may have been damaged on
/// their way: send them again) and INVALID_RECORD (they say what they should not: do not).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The bytes end before the batch does.
    #[error("batch of {wanted} bytes has {left}")]
    Truncated {
        /// Bytes that the batch, or its header, takes.
        wanted: usize,
        /// Bytes that there are.
        left: usize,
    },
    /// A format other than 2, which is the only one since Kafka 0.11.
    #[error("batch has format {0}, only format 2 is read")]
    Magic(i8),
    /// A length, a count or an offset in the header that no batch can have.
    #[error("batch header says {field} is {value}")]
    Header {
        /// Which field.
        field: &'static str,
        /// What it says.
        value: i64,
    },
    /// The checksum is another than that of the bytes.
    #[error("batch has CRC {stored:08x} and bytes of CRC {computed:08x}")]
    Crc {
        /// What the header says.
        stored: u32,
        /// What the bytes give.
        computed: u32,
    },
    /// More than one batch where a producer must send exactly one.
    #[error("produced batch of {batch} bytes is followed by {more} more")]
    Several {
        /// Bytes of the first batch.
        batch: usize,
        /// Bytes behind it.
        more: usize,
    },
    /// A producer sent what only a broker may write, or a header that contradicts itself.
    #[error("produced batch {0}")]
    NotAllowed(&'static str),
    /// Compression bits that stand for no codec.
    #[error("compression {0} is not known")]
    Compression(u8),
    /// The compressed bytes cannot be read.
    #[error("{codec} data is damaged")]
    Damaged {
        /// The codec.
        codec: Compression,
    },
    /// The records take more memory than the limit that was given. They were given up when they passed it.
    #[error("batch decompresses to more than {bytes_max} bytes")]
    TooLarge {
        /// The limit.
        bytes_max: usize,
    },
    /// A record cannot be read, or records and header disagree.
    #[error("record {index} {problem}")]
    Record {
        /// Its place in the batch, from 0.
        index: u32,
        /// What is wrong.
        problem: &'static str,
    },
    /// A control batch whose record is no transaction marker.
    #[error("control batch {0}")]
    Marker(&'static str),
}

impl BatchError {
    /// Whether a producer is to be told INVALID_RECORD rather than CORRUPT_MESSAGE.
    #[must_use]
    pub fn is_invalid_record(&self) -> bool {
        matches!(self, Self::Several { .. } | Self::NotAllowed(_) | Self::Record { .. } | Self::TooLarge { .. } | Self::Marker(_))
    }
}
