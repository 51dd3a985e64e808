//! The Kafka client of pipelines: it talks to our brokers and to any Kafka from 4.0 on.
//!
//! It gives calls with honest outcomes and decides no policy. [`Cluster`] knows brokers, leaders and coordinators; [`Fetcher`] turns
//! positions into batches, with what aborted transactions wrote left out; [`Member`] is one member of a classic group;
//! [`TransactionalProducer`] sends a burst in one transaction and says of every request whether it was done, was not done, or
//! may have been done; [`Admin`] is for topics, offsets and other people's transactions.
//!
//! Deciding code is sans-IO and apart: `fetch/session.rs`, `fetch/filter.rs`, `member/core.rs`, `transaction/burst.rs`.
//! There is no offset reset policy anywhere: an offset that is not there is an error with its partition and both ends of the log.

mod admin;
mod cluster;
mod connection;
mod error;
mod fetch;
mod member;
mod options;
mod patience;
mod transaction;

pub use admin::{
    Admin, CommittedOffset, ConfigEntry, ListedOffset, ListedTransaction, NewTopic, OffsetAt, OpenTransaction, TopicDescription,
};
pub use cluster::{Cluster, CoordinatorKey, Leader, PartitionView, TopicView};
pub use connection::{Connection, Pending};
pub use error::{CallError, ClientError};
pub use fetch::{FetchError, FetchOptions, Fetched, Fetcher, Isolation, Position};
pub use member::{Generation, GroupMember, Lost, Member, MemberEvent, MemberOptions};
pub use options::ClientOptions;
pub use transaction::{Batch, Fence, GroupOffset, ProducerIdentity, TransactionError, TransactionalProducer};
