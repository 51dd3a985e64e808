//! The broker as the operator and the kubelet see it: from the start of its recovery to the end of its stop.

use std::sync::atomic::{AtomicU64, Ordering};

use broker::Broker;
use control::{Actual, ActualBroker, Desired, ObjectRef, ObjectStoreUse, StoreHealth, VolumeHealth, grpc::PushError, grpc::Worker};
use tokio::{sync::RwLock, task::block_in_place};
use units::{BrokerId, Incarnation};

use super::metrics;
use crate::pod::{health::Vitals, metrics::Snapshot};

/// A broker, from before its log is open until after it has stopped.
pub(super) struct BrokerWorker {
    cluster: ObjectRef,
    life: RwLock<Life>,
    /// Counts the changes of `life`.
    turns: AtomicU64,
}

enum Life {
    /// There is none: why, and how the object store answers where it is what the start needs.
    Closed(String, StoreHealth),
    Open(Broker),
}

impl BrokerWorker {
    pub(super) fn new(cluster: ObjectRef) -> Self {
        let recovering = Life::Closed("the log is being recovered".into(), StoreHealth::NotConfigured);
        Self { cluster, life: RwLock::new(recovering), turns: AtomicU64::new(1) }
    }

    /// From now on this is the broker.
    pub(super) async fn begin(&self, broker: Broker) {
        self.turn(Life::Open(broker)).await;
    }

    /// It cannot start before the object store answers.
    pub(super) async fn wait(&self, reason: String, health: StoreHealth) {
        self.turn(Life::Closed(reason, health)).await;
    }

    /// Takes it back, once pushes that have begun are gone through.
    pub(super) async fn end(&self) -> Option<Broker> {
        match self.turn(Life::Closed("the broker is stopping".into(), StoreHealth::NotConfigured)).await {
            Life::Open(broker) => Some(broker),
            Life::Closed(..) => None,
        }
    }

    async fn turn(&self, next: Life) -> Life {
        let before = std::mem::replace(&mut *self.life.write().await, next);
        self.turns.fetch_add(1, Ordering::Relaxed);
        before
    }

    /// What `look` sees; `None` before the log is open and from the stop on.
    async fn with<T>(&self, look: impl FnOnce(&Broker) -> T) -> Option<T> {
        match &*self.life.read().await {
            // It waits for locks of the log, and goes through every partition.
            Life::Open(broker) => Some(block_in_place(|| look(broker))),
            Life::Closed(..) => None,
        }
    }
}

impl Worker for BrokerWorker {
    async fn push(&self, desired: Desired) -> Result<(), PushError> {
        let ours = &self.cluster;
        let Desired::Broker(desired) = desired else {
            return Err(PushError::NotOurs(format!("this is a broker of Cluster {ours}, not a pipeline")));
        };
        if desired.cluster != *ours {
            return Err(PushError::NotOurs(format!("this is a broker of Cluster {ours}, not of {}", desired.cluster)));
        }
        match &*self.life.read().await {
            Life::Open(broker) => broker.apply(desired).await.map_err(|error| PushError::Failed(error.to_string())),
            Life::Closed(reason, _) => Err(PushError::Failed(reason.clone())),
        }
    }

    async fn actual(&self) -> Actual {
        Actual::Broker(match &*self.life.read().await {
            Life::Open(broker) => block_in_place(|| broker.actual()),
            Life::Closed(reason, health) => {
                let nothing = ActualBroker::new(BrokerId(-1), Incarnation(0));
                let object_store = ObjectStoreUse { health: *health, ..nothing.object_store };
                ActualBroker { object_store, closed: Some(reason.clone()), ..nothing }
            }
        })
    }

    fn revision(&self) -> u64 {
        let turns = self.turns.load(Ordering::Relaxed);
        match self.life.try_read().as_deref() {
            Ok(Life::Open(broker)) => broker.revision().wrapping_add(turns),
            Ok(Life::Closed(..)) | Err(_) => turns,
        }
    }
}

impl Vitals for BrokerWorker {
    async fn mortal(&self) -> Option<String> {
        let volume = self.with(|broker| broker.log_stats().volume).await?;
        match volume {
            // Nothing is acknowledged any more until it starts anew; what it acknowledged is there.
            log::VolumeHealth::Failed(reason) => Some(format!("the volume failed: {reason}")),
            log::VolumeHealth::Healthy | log::VolumeHealth::Full => None,
        }
    }

    async fn unready(&self) -> Option<String> {
        match &*self.life.read().await {
            Life::Open(broker) => why_unready(&block_in_place(|| broker.actual())),
            Life::Closed(reason, _) => Some(reason.clone()),
        }
    }

    async fn metrics(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        let seen = self.with(|broker| (broker.actual(), broker.counted(), broker.log_stats())).await;
        if let Some((actual, counted, stats)) = seen {
            metrics::add(&mut snapshot, &self.cluster, &actual, &counted, &stats);
        }
        snapshot
    }
}

/// Whether clients are served. A listener that cannot open is the operator's to say: the others serve, and not being ready would take them
/// away from their clients.
fn why_unready(actual: &ActualBroker) -> Option<String> {
    if actual.storage.health == VolumeHealth::Failed {
        return Some("the volume failed".into());
    }
    if actual.generation == 0 {
        return Some("the operator has not said yet what this broker shall be".into());
    }
    actual.listeners.is_empty().then(|| match actual.listener_problems.iter().next() {
        Some((name, problem)) => format!("no listener is open; {name}: {problem}"),
        None => "no listener is wanted".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use control::Listener;

    #[test]
    fn a_broker_is_ready_when_somebody_can_reach_it() {
        let new = ActualBroker::new(BrokerId(0), Incarnation(1));
        assert!(why_unready(&new).unwrap().contains("operator"));
        let told = ActualBroker { generation: 1, listener_problems: [("outside".into(), "no key".into())].into(), ..new };
        assert!(why_unready(&told).unwrap().contains("outside: no key"));
        let listeners = vec![Listener { name: "internal".into(), address: "a:1".into() }];
        assert_eq!(why_unready(&ActualBroker { listeners, ..told }), None, "one of two is enough");
    }
}
