//! What every connection of a broker shares.

use std::sync::{Arc, Mutex};

use log::Log;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use units::BrokerId;

use crate::{
    BrokerConfig,
    budget::Budget,
    coordinator::{Groups, Transactions},
    counters::Counters,
    fetch::{ColdReads, Sessions},
    lane::Lane,
    listeners::Listeners,
    proposals::Proposals,
    topics::Topics,
    unknown_topics::UnknownTopics,
    waiters::Waiters,
};

/// One per broker, behind an `Arc`.
pub(crate) struct Shared {
    pub(crate) config: BrokerConfig,
    pub(crate) listeners: Listeners,
    pub(crate) log: Log,
    pub(crate) topics: Arc<Topics>,
    pub(crate) groups: Groups,
    pub(crate) transactions: Transactions,
    pub(crate) waiters: Arc<Waiters>,
    pub(crate) sessions: Mutex<Sessions>,
    pub(crate) requests: Budget,
    pub(crate) small_requests: Budget,
    pub(crate) responses: Budget,
    pub(crate) small_responses: Budget,
    /// Small answers of all APIs but Fetch.
    pub(crate) plain_responses: Budget,
    /// Answers that grow with what the cluster has: few are built at a time, since their size is known only then.
    pub(crate) builders: Semaphore,
    /// Connections of all ports.
    pub(crate) connections: Arc<Semaphore>,
    /// TLS handshakes under way.
    pub(crate) handshakes: Semaphore,
    pub(crate) counters: Counters,
    pub(crate) proposals: Arc<Proposals>,
    /// Reads of the volume.
    pub(crate) volume_reads: Lane,
    /// Fetches of what only the object store holds.
    pub(crate) cold_reads: ColdReads,
    /// Searches by time, through either.
    pub(crate) lookups: Lane,
    pub(crate) unknown_topics: UnknownTopics,
    /// The coordinators' tasks.
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

impl Shared {
    pub(crate) fn broker(&self) -> BrokerId {
        self.config.broker
    }

    pub(crate) fn leader_epoch(&self) -> units::LeaderEpoch {
        self.log.incarnation().leader_epoch()
    }
}
