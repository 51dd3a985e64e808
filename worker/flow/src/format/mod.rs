//! Bytes of records to rows and back: JSON and CSV, a whole poll at a time, straight to and from Arrow.
//!
//! # Decoding
//! [`Decoder`] reads the needed columns only and isolates errors: a row that does not fit its schema is a [`BadRow`] with a reason and
//! never costs another row. The rules are those of Flink's formats, and stricter where Flink would invent a value:
//!
//! - A missing field is NULL; NULL in a `NOT NULL` column is a bad row. Extra fields are ignored. Of fields named twice the last counts, but
//!   each must fit.
//! - A record without a value (a tombstone) is no row of an append-only stream: it is skipped and counted, as in Flink.
//! - Numbers may be written as strings; a number out of range, or one with a fraction for an integer, is a bad row (Flink truncates).
//!   A DECIMAL is rounded half up to its scale; one with too many digits before the point is a bad row (Flink: NULL).
//! - Timestamps are `yyyy-MM-dd HH:mm:ss[.f…]`, also with `T` between and `Z` behind; TIMESTAMP_LTZ also takes an offset. Digits past the
//!   column's precision are cut. BYTES are base64.
//! - A STRING column takes a number or boolean as it is written, and an object or array as its JSON text without blanks.
//! - A row is one JSON object and nothing after it, nested at most [`json::MAX_DEPTH`] deep.
//!
//! # Encoding
//! [`Encoder`] writes what the decoder reads: a NULL as JSON `null` or as an empty CSV field, timestamps as
//! `yyyy-MM-dd HH:mm:ss.SSS` with as many digits as the type has and `Z` behind a TIMESTAMP_LTZ.

mod base64;
pub mod csv;
mod decoder;
mod encoder;
pub mod json;
mod kind;
pub(crate) mod text;

pub use decoder::{BadRow, DecodeError, Decoded, Decoder, Row};
pub use encoder::{EncodeError, Encoded, Encoder, Slab, row_as_json};
