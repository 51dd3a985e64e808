//! Runs a plan in a pod: what the pod core decides, done with sockets, lanes and an object store.
//!
//! ```text
//! Runner (supervisor) ── Driver (one task a pipeline, owns commit::Pod)
//!    │                     ├─ Sender task: register, produce, name offsets, end      (client::TransactionalProducer)
//!    │                     ├─ Member task: join, heartbeat, leave                     (client::Member)
//!    │                     ├─ Fetchers: sources; state and exchange partitions read back
//!    │                     ├─ blocking jobs: restore, assemble a burst, checkpoint, collect
//!    └─ Lanes (threads, shared by all pipelines of the process): decode, compute, encode
//! ```
//!
//! A source batch goes to the lane of its partition, is decoded, driven through its stage and summed up; partial rows go to the lane
//! that owns their hash partition, and the source's watermark behind them. A cut stops the dispatch of new batches, waits until the
//! lanes have drained what they were given, takes deltas and outputs, and goes on: the commit happens meanwhile.

mod catalog;
mod dead_letter;
mod driver;
mod environment;
mod failure;
mod lanes;
mod murmur2;
mod outputs;
mod program;
mod runner;
mod sender;
mod status;
mod topics;
mod worker;

pub use environment::Environment;
pub use lanes::Lanes;
pub use runner::{Handle, Runner};
