//! [`Cluster`]: who is who, kept up to date by asking.

mod view;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use tokio::sync::Mutex as AsyncMutex;
use units::{BrokerId, TopicName, TopicPartition};
use wire::{
    ApiKey, ErrorCode, FindCoordinatorRequest, FindCoordinatorResponse, MetadataRequest, MetadataResponse, Str,
    metadata::MetadataRequestTopic,
};

use crate::{CallError, ClientError, ClientOptions, Connection, patience::Patience};
use view::View;
pub use view::{Leader, PartitionView, TopicView};

/// What is coordinated.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CoordinatorKey {
    /// A consumer group.
    Group(units::GroupId),
    /// A transactional id.
    Transaction(units::TransactionalId),
}

impl CoordinatorKey {
    fn on_wire(&self) -> (Str, i8) {
        match self {
            Self::Group(group) => (group.into(), 0),
            Self::Transaction(id) => (id.into(), 1),
        }
    }
}

/// A handle on a cluster; clones share what is known of it, and one connection per broker for short requests.
///
/// # Cancel safety
/// Dropping any future of these calls loses an answer at most: nothing here changes anything in the cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: ClientOptions,
    view: Mutex<View>,
    /// One slot per address, so that a broker that does not answer delays only those who want it.
    shared: Mutex<HashMap<Arc<str>, SharedSlot>>,
}

type SharedSlot = Arc<AsyncMutex<Option<Connection>>>;

impl Cluster {
    /// Finds the cluster that one of the bootstrap addresses belongs to.
    ///
    /// # Errors
    /// Where none of them answers within `retry_timeout`: what the last one said.
    pub async fn connect(options: ClientOptions) -> Result<Self, ClientError> {
        let inner = Inner { options, view: Mutex::default(), shared: Mutex::default() };
        let cluster = Self { inner: Arc::new(inner) };
        let mut patience = cluster.patience();
        loop {
            match cluster.refresh(&[]).await {
                Err(error) if error.is_passing() && patience.pause().await => {}
                outcome => return outcome.map(|()| cluster),
            }
        }
    }

    /// What this client was told to be.
    #[must_use]
    pub fn options(&self) -> &ClientOptions {
        &self.inner.options
    }

    pub(crate) fn patience(&self) -> Patience {
        Patience::new(self.inner.options.retry_timeout)
    }

    fn view<T>(&self, look: impl FnOnce(&mut View) -> T) -> T {
        look(&mut self.inner.view.lock().expect("nobody panics while holding the view"))
    }

    /// The brokers that are known, by ascending id.
    #[must_use]
    pub fn brokers(&self) -> Vec<BrokerId> {
        self.view(|view| view.brokers())
    }

    /// A connection of its own to `broker`: for requests that wait, or that must be in an order of their own.
    ///
    /// # Errors
    /// [`CallError::Connect`], also where the cluster has no such broker (any more).
    pub async fn open(&self, broker: BrokerId) -> Result<Connection, CallError> {
        let address = self.address(broker)?;
        Connection::open(&address, &self.inner.options).await
    }

    /// The connection to `broker` that everybody shares, for requests that are answered at once.
    ///
    /// # Errors
    /// As [`Cluster::open`].
    pub async fn shared(&self, broker: BrokerId) -> Result<Connection, CallError> {
        let address = self.address(broker)?;
        self.shared_at(&address).await
    }

    fn address(&self, broker: BrokerId) -> Result<Arc<str>, CallError> {
        let unknown = || CallError::Connect { address: format!("broker {broker}").into(), reason: "no such broker is known".into() };
        self.view(|view| view.address(broker)).ok_or_else(unknown)
    }

    async fn shared_at(&self, address: &Arc<str>) -> Result<Connection, CallError> {
        let slot = {
            let mut shared = self.inner.shared.lock().expect("nobody panics while holding the slots");
            shared.entry(address.clone()).or_default().clone()
        };
        let mut slot = slot.lock().await;
        if let Some(open) = slot.as_ref().filter(|connection| connection.is_open()) {
            return Ok(open.clone());
        }
        let opened = Connection::open(address, &self.inner.options).await?;
        *slot = Some(opened.clone());
        Ok(opened)
    }

    /// A connection to whichever broker answers first, in the order known brokers, bootstrap addresses.
    ///
    /// # Errors
    /// What the last address said.
    pub async fn any(&self) -> Result<Connection, CallError> {
        let known = self.view(|view| view.addresses());
        let bootstrap = self.inner.options.bootstrap.iter().map(|address| Arc::from(address.as_str()));
        let mut last = CallError::Connect { address: "nowhere".into(), reason: "no bootstrap address is given".into() };
        for address in known.into_iter().chain(bootstrap) {
            match self.shared_at(&address).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Asks for brokers, and for these topics. What is already known stays where the answer is older (KIP-320).
    ///
    /// # Errors
    /// Where no broker answers. A topic that does not exist is no error here: it is then known not to exist.
    pub async fn refresh(&self, topics: &[TopicName]) -> Result<(), ClientError> {
        let response = self.metadata(topics).await?;
        response.error_code.check().map_err(|code| ClientError::refused(ApiKey::Metadata, code))?;
        self.view(|view| view.learn(&response));
        Ok(())
    }

    async fn metadata(&self, topics: &[TopicName]) -> Result<MetadataResponse, CallError> {
        let topics = topics.iter().map(|name| MetadataRequestTopic { name: Some(name.into()), ..Default::default() }).collect();
        let request = MetadataRequest { topics: Some(topics), allow_auto_topic_creation: false, ..Default::default() };
        let connection = self.any().await?;
        // Version 12 may name a topic by its id alone; 10 gives ids.
        connection.call_from(&request, 10, std::time::Duration::ZERO).await
    }

    /// What is known of `topic`, asking where nothing is.
    ///
    /// # Errors
    /// [`ClientError::UnknownTopic`] where it does not exist after having been waited for, for a moment: a topic that was just made
    /// is not known everywhere at once.
    pub async fn topic(&self, topic: &TopicName) -> Result<TopicView, ClientError> {
        let mut patience = Patience::new(self.inner.options.retry_timeout.min(std::time::Duration::from_secs(2)));
        loop {
            if let Some(known) = self.view(|view| view.topic(topic)) {
                return Ok(known);
            }
            match self.refresh(std::slice::from_ref(topic)).await {
                Err(error) if !error.is_passing() => return Err(error),
                Ok(()) if self.view(|view| view.topic(topic)).is_some() => {}
                outcome => {
                    if !patience.pause().await {
                        return Err(outcome.err().unwrap_or_else(|| ClientError::UnknownTopic(topic.clone())));
                    }
                }
            }
        }
    }

    /// Who leads `partition`, asking where nobody is known to.
    ///
    /// # Errors
    /// [`ClientError::UnknownTopic`], [`ClientError::UnknownPartition`]; [`ClientError::NoLeader`] once `retry_timeout` has passed.
    pub async fn leader(&self, partition: &TopicPartition) -> Result<Leader, ClientError> {
        let mut patience = self.patience();
        loop {
            let topic = self.topic(&partition.topic).await?;
            let known = topic.partition(partition.partition).ok_or_else(|| ClientError::UnknownPartition(partition.clone()))?;
            if let Some(leader) = known.leader {
                return Ok(Leader { broker: leader, epoch: known.leader_epoch, topic_id: topic.id });
            }
            if !patience.pause().await {
                return Err(ClientError::NoLeader(partition.clone()));
            }
            self.forget_topic(&partition.topic);
        }
    }

    /// What is known of who leads `partition`, without asking.
    #[must_use]
    pub fn known_leader(&self, partition: &TopicPartition) -> Option<Leader> {
        let topic = self.view(|view| view.topic(&partition.topic))?;
        let known = topic.partition(partition.partition)?;
        Some(Leader { broker: known.leader?, epoch: known.leader_epoch, topic_id: topic.id })
    }

    /// Something said of `topic` turned out to be wrong: it is asked for again when it is needed. Epochs seen are remembered.
    pub fn forget_topic(&self, topic: &TopicName) {
        self.view(|view| view.forget(topic));
    }

    /// Who coordinates `key`, asking where nobody is known to.
    ///
    /// # Errors
    /// Where there is no coordinator within `retry_timeout`, or the client may not ask.
    pub async fn coordinator(&self, key: &CoordinatorKey) -> Result<BrokerId, ClientError> {
        if let Some(known) = self.view(|view| view.coordinators.get(key).copied()) {
            return Ok(known);
        }
        let mut patience = self.patience();
        loop {
            match self.find_coordinator(key).await {
                Err(error) if error.is_passing() && patience.pause().await => {}
                outcome => return outcome,
            }
        }
    }

    async fn find_coordinator(&self, key: &CoordinatorKey) -> Result<BrokerId, ClientError> {
        let (text, key_type) = key.on_wire();
        let request = FindCoordinatorRequest { key_type, coordinator_keys: vec![text], ..Default::default() };
        let response: FindCoordinatorResponse = self.any().await?.call_from(&request, 4, std::time::Duration::ZERO).await?;
        let found = response.coordinators.into_iter().next().ok_or(ClientError::Incomplete(ApiKey::FindCoordinator))?;
        if found.error_code != ErrorCode::None {
            return Err(ClientError::Refused { api: ApiKey::FindCoordinator, code: found.error_code, message: found.error_message });
        }
        self.view(|view| {
            view.learn_address(found.node_id, &found.host, found.port);
            view.coordinators.insert(key.clone(), found.node_id);
        });
        Ok(found.node_id)
    }

    /// The coordinator of `key` turned out to be another: it is asked for again when it is needed.
    pub fn forget_coordinator(&self, key: &CoordinatorKey) {
        self.view(|view| view.coordinators.remove(key));
    }
}
