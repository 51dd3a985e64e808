//! The log of one broker: batches appended to a write-ahead log on the volume, acknowledged when durable, read from
//! memory, the volume or the object store, and kept as long as retention says.
//!
//! One WAL takes the batches of all partitions in groups; an idle partition costs memory only. The code that decides is
//! synchronous and simulated with seeds; a few threads perform what it decides. There is no async runtime here.

mod ahead;
mod aligned;
mod at_once;
mod batch;
mod checkpoint;
mod chunk;
mod codec;
mod cold;
mod config;
mod disk;
mod engine;
mod error;
#[cfg(test)]
mod hostile;
mod job;
mod keys;
mod log;
mod manifest;
mod merge;
mod open;
mod partition;
mod priority;
mod request;
mod restore;
mod retention;
mod roster;
mod rules;
mod sections;
mod segment;
mod shell;
mod shipper;
#[cfg(test)]
mod simulation;
mod spans;
mod stats;
mod tail;
mod times;
mod wal;

pub use config::{LogConfig, PartitionConfig, Ship, WriteMode};
pub use disk::{BLOCK_BYTES, Damage, Disk, DiskFile, RealDisk, SimulatedDisk};
pub use error::{AppendError, OpenError, PartitionError, ReadError};
pub use job::ReadJob;
pub use log::{AdvanceListener, Log};
pub use request::{
    AbortedTransaction, Append, Appended, Done, EpochEnd, Fetched, Isolation, Marker, OpenTransaction, Origin, PartitionOffsets,
    ProducerState, Read, ReadOutcome, TimedOffset, TopicPartitionId, TransactionOutcome, Usage, Verification, VerificationGuard,
};
pub use stats::{Recovered, Stats, StoreState, VolumeHealth};
