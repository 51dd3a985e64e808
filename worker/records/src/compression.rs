//! [`Compression`]: the codecs of a batch, each bounded when it opens what a peer has sent.

mod gzip;
mod lz4_frame;
mod snappy;
mod zstandard;

use std::{
    fmt,
    io::{BufRead, BufReader, Read},
};

use crate::BatchError;

/// How the records of a batch are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip, level 6.
    Gzip,
    /// Snappy. Written in the frames of snappy-java, as Kafka's own clients do; raw Snappy is read too.
    Snappy,
    /// LZ4 frames with independent blocks of 64 KiB, fastest level.
    Lz4,
    /// Zstandard, level 3 (KIP-110).
    Zstd,
}

impl Compression {
    /// Every codec.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    pub(crate) fn from_bits(bits: u8) -> Result<Self, BatchError> {
        Self::ALL.get(usize::from(bits)).copied().ok_or(BatchError::Compression(bits))
    }

    pub(crate) fn bits(self) -> u16 {
        self as u16
    }

    /// Kafka's name of the codec, as in `compression.type`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// Opens `compressed`, and gives up as soon as it gives more than `bytes_max` bytes.
    pub(crate) fn decompress(self, compressed: &[u8], bytes_max: usize) -> Result<Vec<u8>, BatchError> {
        match self {
            Self::None => within(compressed.to_vec(), bytes_max),
            Self::Gzip => gzip::decompress(compressed, bytes_max),
            Self::Snappy => snappy::decompress(compressed, bytes_max),
            Self::Lz4 => lz4_frame::decompress(compressed, bytes_max),
            Self::Zstd => zstandard::decompress(compressed, bytes_max),
        }
    }

    /// Opens `compressed` as a stream, which takes what the codec needs and not what comes out of it.
    pub(crate) fn reader(self, compressed: &[u8]) -> Result<Box<dyn BufRead + Send + '_>, BatchError> {
        Ok(match self {
            Self::None => Box::new(compressed),
            Self::Gzip => Box::new(BufReader::new(gzip::reader(compressed))),
            Self::Snappy => Box::new(snappy::reader(compressed)?),
            Self::Lz4 => Box::new(BufReader::new(lz4_frame::reader(compressed)?)),
            Self::Zstd => Box::new(BufReader::new(zstandard::reader(compressed)?)),
        })
    }

    /// Appends `plain`, compressed, to `out`.
    pub(crate) fn compress(self, plain: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::None => out.extend_from_slice(plain),
            Self::Gzip => gzip::compress(plain, out),
            Self::Snappy => snappy::compress(plain, out),
            Self::Lz4 => lz4_frame::compress(plain, out),
            Self::Zstd => zstandard::compress(plain, out),
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn within(bytes: Vec<u8>, bytes_max: usize) -> Result<Vec<u8>, BatchError> {
    if bytes.len() > bytes_max { Err(BatchError::TooLarge { bytes_max }) } else { Ok(bytes) }
}

/// Reads to the end, or to one byte past `bytes_max`. Memory grows with what has really come out, so a short input cannot ask for much.
fn read_bounded(codec: Compression, reader: impl Read, bytes_max: usize) -> Result<Vec<u8>, BatchError> {
    let mut plain = Vec::new();
    let limit = u64::try_from(bytes_max).map_or(u64::MAX, |max| max.saturating_add(1));
    reader.take(limit).read_to_end(&mut plain).map_err(|_| BatchError::Damaged { codec })?;
    within(plain, bytes_max)
}
