//! A broker: the Kafka protocol on a socket, over the log, the coordinators and a catalogue of topics.
//!
//! ```text
//! listeners -> listener -> connection -> dispatch -> api/*  --> log            (produce, fetch, offsets)
//!                                                       |----> coordinator/*  (groups, transactions: sans-IO cores in a task each)
//!                                                       |----> topics         (catalogue; on disk, then in the log, then in force)
//!                                                       '----> proposals      (changes that a custom resource must bring about)
//! ```
//!
//! [`Broker::start`] recovers, loads and listens; [`Broker::apply`] goes towards a desired state, which is kept on the volume and in force again
//! after a restart; [`Broker::actual`] says what is.
//! Memory is taken from budgets before bytes are read ([`BrokerConfig`]); what waits holds none.

mod actual;
mod api;
mod broker;
mod budget;
mod catalogue;
mod clock;
mod config;
mod connection;
mod coordinator;
mod counters;
mod desired_file;
mod dispatch;
mod errors;
mod fetch;
mod lane;
mod listener;
mod listeners;
mod open_files;
mod port;
mod proposals;
mod random;
mod shared;
mod topics;
mod unknown_topics;
mod waiters;

pub use broker::{Broker, StartError};
pub use catalogue::FileError;
pub use config::{BrokerConfig, ClientChanges};
pub use coordinator::LoadError;
pub use counters::{Counted, RequestsCounted};
