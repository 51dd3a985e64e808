//! The decisions of one pipeline pod: register, join, claim, restore, commit, trim, leave.
//!
//! [`Pod`] is synchronous: it takes [`Event`]s and the time and hands out [`Intention`]s; a shell performs them and
//! answers with the intention's [`Ticket`]. Payloads are opaque (`B`), so nothing here knows Arrow, SQL or sockets.
//! Exactly-once rests on six rules, one file each under [`rules`]; every rule has a switch ([`Rules`]) that tests turn off
//! to see a simulated schedule fail.

mod assignment;
mod config;
mod event;
mod intention;
mod names;
mod pace;
mod pod;
mod progress;
pub mod rules;
mod state_record;

pub use assignment::{Assignment, AssignmentError, Candidate, Share, assign, lead};
pub use config::{Config, TRANSACTION_TIMEOUT_MAX_MS, Time};
pub use event::{Event, Failure, Fence, Joined, Membership};
pub use intention::{AdoptHash, AdoptSource, Burst, Intention, ManifestDue, NamedOffset, Route, StopReason, Ticket, TouchedHash, Until};
pub use names::{CommitMark, CommitNumber, Committed, ExchangeIndex, HashPartition, Input, InvalidMetadata, Life, SourceIndex};
pub use pace::Pace;
pub use pod::{Pod, Snapshot};
pub use progress::{Progress, Watermark};
pub use rules::{Rules, witness::DataLoss};
pub use state_record::{StateHeader, StateKind, Upstream, Verdict};
