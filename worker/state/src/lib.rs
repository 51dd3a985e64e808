//! Keyed state of a pipeline: what commits change, what checkpoints seal, and how it is read back.
//!
//! State belongs to an operator and a hash partition. Each commit appends what it changed to the hash partition's state
//! partition in the log ([`StateRecord`], [`Delta`]). By bytes, never by clock, a checkpoint folds those deltas into *runs*:
//! Arrow rows sorted by (key hash, key) in immutable objects, many hash partitions to one object ([`Checkpoints`], [`SealJob`]).
//! A [`Manifest`] lists the runs, and a commit names the manifest. Restoring is the last manifest and the deltas after it
//! ([`Readback`], [`RestoredState`]), for any range of hashes, and runs are read as rows are asked for.
//!
//! No sockets and no Kafka here: the pipeline gives bytes and gets bytes. What decides does no I/O; what works against the store
//! is a job that blocks the thread it is given.

mod block;
mod checkpoint;
mod codec;
mod collect;
mod compaction;
mod error;
mod fold;
mod identity;
mod manifest;
mod merge;
mod names;
mod object;
mod pin;
mod readback;
mod record;
mod restore;
mod schema;
mod seal;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod testing;

pub use block::{decode_block, encode_blocks};
pub use checkpoint::{CHECKPOINT_BYTES_MIN, CheckpointDue, Checkpoints, checkpoint_is_due};
pub use collect::{CollectJob, Collected};
pub use error::{Malformed, ReadError, SealError};
pub use identity::{ALL_HASHES, Claim, CommitMark, HashPartition, HashRange, Life, OperatorId, Position, Upstream};
pub use manifest::{Manifest, ManifestRef};
pub use names::StateNames;
pub use pin::{PinError, pin, unpin};
pub use readback::{Readback, ReadbackError, Restored, Step};
pub use record::{Content, Delta, EncodedDelta, ManifestRecord, OperatorDelta, Progress, StateRecord};
pub use restore::{OperatorRows, RestoredState, StateReader};
pub use schema::{DELETE, OperatorSchema, SchemaError, UPSERT, leading_fields, state_columns};
pub use seal::{SealJob, SealLimits, Sealed};
