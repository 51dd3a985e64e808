//! The broker as the operator and the kubelet see it: from the start of its recovery to the end of its stop.

use broker::Broker;
use control::{Actual, ActualBroker, Desired, ObjectRef, VolumeHealth, grpc::PushError, grpc::Worker};
use tokio::{sync::RwLock, task::block_in_place};
use units::{BrokerId, Incarnation};

use super::metrics;
use crate::pod::{health::Vitals, metrics::Snapshot};

/// A broker, while there is one.
pub(super) struct BrokerWorker {
    cluster: ObjectRef,
    broker: RwLock<Option<Broker>>,
}

impl BrokerWorker {
    pub(super) fn new(cluster: ObjectRef) -> Self {
        Self { cluster, broker: RwLock::new(None) }
    }

    /// From now on this is the broker.
    pub(super) async fn begin(&self, broker: Broker) {
        *self.broker.write().await = Some(broker);
    }

    /// Takes it back, once pushes that have begun are gone through.
    pub(super) async fn end(&self) -> Option<Broker> {
        self.broker.write().await.take()
    }

    /// What `look` sees; `None` before the log is open and from the stop on.
    async fn with<T>(&self, look: impl FnOnce(&Broker) -> T) -> Option<T> {
        let broker = self.broker.read().await;
        // It waits for locks of the log, and goes through every partition.
        broker.as_ref().map(|broker| block_in_place(|| look(broker)))
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
        let broker = self.broker.read().await;
        let Some(broker) = broker.as_ref() else { return Err(PushError::Failed("the broker is stopping".into())) };
        broker.apply(desired).await.map_err(|error| PushError::Failed(error.to_string()))
    }

    async fn actual(&self) -> Actual {
        let actual = self.with(Broker::actual).await;
        Actual::Broker(actual.unwrap_or_else(|| ActualBroker::new(BrokerId(-1), Incarnation(0))))
    }

    fn revision(&self) -> u64 {
        self.broker.try_read().ok().and_then(|broker| broker.as_ref().map(Broker::revision)).unwrap_or(0)
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
        match self.with(Broker::actual).await {
            None => Some("recovering the log, or stopping".into()),
            Some(actual) => why_unready(&actual),
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
