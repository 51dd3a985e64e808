//! The operators of a pipeline: batch in, batch out. Synchronous; no sockets, no clock, no files but those of a bounded source.
//!
//! The way of a row: [`format`] decodes records of one poll; [`chain`] drives them through the stateless nodes of their stage to sinks and,
//! summed up per window pane and key, to exchanges; [`hash`] and [`exchange`] say which hash partition, lane or pod is next; [`window`]
//! keeps what arrives there until [`watermark`] says that a window is complete; its rows go through the next stage's chain, until a sink's
//! rows are encoded by [`format`] again. [`files`] are sources that end.
//!
//! No row is lost on this way: one that cannot be decoded, computed or placed in time is a [`format::BadRow`] with its origin and a reason;
//! late rows are counted.

mod batch;
pub mod chain;
mod column;
pub mod exchange;
pub mod files;
pub mod format;
pub mod hash;
mod operand;
pub mod watermark;
pub mod window;

pub use batch::Batch;
pub use column::UnsupportedType;
