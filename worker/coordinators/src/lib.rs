//! The two coordinators of a Kafka broker, sans-IO: consumer [`groups`] and [`transactions`].
//!
//! Both are synchronous state machines with the same contract. The shell (the broker):
//!
//! 1. gives every request a [`Token`] and calls `handle(now, token, request)`; nothing waits inside;
//! 2. after each call takes what is to be done with `poll()` until there is nothing more;
//! 3. puts the `Append`s of a partition into its log in the order they were handed out, and reports each with `on_appended(now, token, …)`;
//! 4. calls `on_time(now)` at `next_timeout()`.
//!
//! `now` never goes back. What is not reported durable is never shown to anyone. After a start, or a move of a partition, the shell calls
//! `begin_load(partition)`, `replay(…)` for each record of the partition's log in order, and `finish_load(partition, now)`; until then
//! requests are refused with `CoordinatorLoadInProgress`, and for partitions not owned with `NotCoordinator`. `unload(partition)` gives one
//! up and answers everything that waits in it.
//!
//! The coordinators' own partitions hold plain records, one batch per append: no transactional batches and no control batches, so they
//! may be trimmed at any time. How a transaction ended is such a record, too.

mod codec;
mod event;
pub mod groups;
mod journal;
mod partition;
mod refusal;
#[cfg(test)]
mod simulation;
mod timers;
pub mod transactions;

pub use codec::CorruptRecord;
pub use event::{AppendFailed, AppendToken, Outcome, Record, Token};
pub use partition::partition_for;
pub use refusal::Refusal;
