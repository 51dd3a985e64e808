//! The object that one checkpoint of one pod leaves: sealed runs of many hash partitions, and their manifests.
//!
//! ```text
//! "SWRUNS01"                        8 bytes
//! blocks                            sections one behind the other; each block has its own checksum (see `block`)
//! index                             per section: hash partition, operator, columns, and its blocks with place, rows, hash range
//! manifests                         JSON, one per hash partition; only in the last object of a checkpoint
//! footer                            life, hash partitions with their claims, place of the index, places of the manifests
//! length of footer, its CRC-32C     u32 each, little-endian
//! "SWRUNS01"
//! ```
//!
//! A *section* is rows of one operator and hash partition, sorted by (key hash, key), each key once. A manifest names sections
//! and the place of the index, so a restore reads index and blocks and nothing else; the footer is for whoever finds an object
//! that no manifest at hand names: collectors, and people. An object is put whole or not at all, so there is no torn one.

mod index;
mod reader;
mod writer;

pub(crate) use index::{BlockEntry, Footer, Index, Section};
pub(crate) use reader::{ObjectReader, read_footer};
pub(crate) use writer::{FinishedObject, ObjectWriter};

pub(crate) const MAGIC: &[u8; 8] = b"SWRUNS01";
/// Length and checksum of the footer, and the magic.
pub(crate) const TRAILER_BYTES: u64 = 16;

#[cfg(test)]
mod tests;
