//! Kafka's requests and responses as values, and as bytes in every version we speak.
//!
//! A message is declared once, in one file under [`api`], as a struct whose fields say in which versions they exist; both directions
//! of the codec follow from that. Decoding is bounded by the bytes that are there: a length is checked before anything is taken for it,
//! strings and record sets are slices of the frame, and what one frame may take in memory is limited (see [`Decoder`]).
//! Encoding yields slices, so that record sets are never copied (see [`Encoder`]).
//!
//! Sans-IO: [`frame::status`] looks at a buffer, [`RequestHeader`] says what a frame asks for, and [`encode_request`] and
//! [`encode_response`] give the bytes to write, with their length in front.

#[macro_use]
mod message;

pub mod api;
mod api_key;
mod decoder;
mod encoder;
mod error_code;
mod field;
pub mod frame;
mod header;
mod record_set;
mod text;

#[cfg(test)]
mod tests;

pub use api::*;
pub use api_key::ApiKey;
pub use decoder::{DecodeError, Decoder};
pub use encoder::{EncodeError, Encoder};
pub use error_code::ErrorCode;
pub use frame::Encoded;
pub use header::{HeaderError, RequestHeader, decode_response, encode_request, encode_response, unsupported_api_versions};
pub use message::{Message, Request};
pub use record_set::RecordSet;
pub use text::Str;
