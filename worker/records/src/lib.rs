//! Kafka's record batch, format 2: the unit in which records are produced, stored, shipped and fetched.
//!
//! ```text
//! offset  size  field                  what it is
//!      0     8  base offset            offset of the first record; outside of the CRC
//!      8     4  batch length           bytes that follow this field: the whole batch is 12 more
//!     12     4  leader epoch           outside of the CRC
//!     16     1  magic                  2
//!     17     4  CRC                    CRC-32C of all that follows this field
//!     21     2  attributes             bits 0-2 compression, 3 append time, 4 transactional, 5 control, 6 delete horizon
//!     23     4  last offset delta      offset of the last record, less the base offset
//!     27     8  base timestamp         what record timestamps are relative to
//!     35     8  max timestamp
//!     43     8  producer id            -1 for none
//!     51     2  producer epoch
//!     53     4  base sequence          sequence of the first record
//!     57     4  record count
//!     61        records, compressed as one block where attributes say so
//! ```
//!
//! A batch is kept byte for byte as the producer made it. What a broker must know stands in the header ([`BatchHeader`]), so
//! the path of a batch never decompresses it: [`validate_produced`] checks it, [`place`] gives it its offset, [`split`] finds it again.
//! [`Records`] opens a batch, [`Skim`] looks through one without holding it, [`BatchBuilder`] makes one, [`Marker`] is the one that ends a transaction.
//!
//! No I/O and no clock. Every function that reads takes bytes of unknown origin: it answers with [`BatchError`] instead of panicking,
//! and takes no memory that a peer merely claims to need.

mod batch;
mod builder;
mod compression;
mod error;
mod header;
mod marker;
mod patch;
mod produced;
mod skim;
mod split;
mod varint;

pub use batch::{Headers, Iter, Record, Records};
pub use builder::BatchBuilder;
pub use compression::Compression;
pub use error::BatchError;
pub use header::{Attributes, BatchHeader, HEADER_BYTES, TimestampType, verify_crc};
pub use marker::{Marker, MarkerKind};
pub use patch::{place, set_append_time, stamp};
pub use produced::validate_produced;
pub use skim::{Skim, Skimmed};
pub use split::{Split, split};
