//! The operators of a pipeline: batch in, batch out. Synchronous; no sockets, no clock, no files but those of a bounded source.

mod column;
pub mod format;
pub mod hash;

pub use column::UnsupportedType;
