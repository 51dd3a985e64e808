//! Workers that do as they are told at once and have no data: one broker, and a pod for every Pipeline that is recorded to run. Each speaks the
//! `control` contract on a port of its own, by TLS, as pods do.

use anyhow::Context;
use control::{
    Actual, ActualBroker, ActualPipeline, ActualTopic, Desired, DesiredBroker, Life, ObjectRef, ObjectStoreUse, Phase, Release,
    StoreHealth,
    grpc::{PushError, ServerTls, Worker, serve},
};
use crds::Kind;
use desired::AppliedPipeline;
use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    runtime::{WatchStreamExt, watcher},
};
use operator::certificates::{Authority, Identity, Place, Usage, leaf};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::{net::TcpListener, task::JoinSet};
use units::{BrokerId, ByteCount, Incarnation, TopicId, TopicName};

use crate::{
    kubelet,
    operator::{Places, place},
};

/// The name in the certificate of every stub.
pub(crate) const NAME: &str = "worker.scale.test";

/// Every worker that there will be, each with a port, and not one that answers yet.
pub(crate) struct Stubs {
    cluster: ObjectRef,
    listeners: BTreeMap<ObjectRef, TcpListener>,
    broker: TcpListener,
}

impl Stubs {
    /// Takes a port for each.
    pub(crate) async fn bind(cluster: ObjectRef, pipelines: impl Iterator<Item = ObjectRef>) -> anyhow::Result<Self> {
        let mut listeners = BTreeMap::new();
        for pipeline in pipelines {
            listeners.insert(pipeline, TcpListener::bind(("127.0.0.1", 0)).await?);
        }
        Ok(Self { cluster, listeners, broker: TcpListener::bind(("127.0.0.1", 0)).await? })
    }

    /// Where they are.
    pub(crate) fn places(&self) -> anyhow::Result<Places> {
        let mut places = Places::from([(place(Kind::Cluster, &self.cluster), self.broker.local_addr()?.port())]);
        for (name, listener) in &self.listeners {
            places.insert(place(Kind::Pipeline, name), listener.local_addr()?.port());
        }
        Ok(places)
    }

    /// Has the broker answer at once, and each pod once the API server has the record that it would have mounted. Ends only with an error.
    pub(crate) async fn work(mut self, client: Client, tls: ServerTls) -> anyhow::Result<()> {
        let mut workers = JoinSet::new();
        workers.spawn(serve(self.broker, tls.clone(), Arc::new(Broker::new())));
        workers.spawn(kubelet::call_ready(Api::namespaced(client.clone(), &self.cluster.namespace)));
        let records = watcher::Config::default().labels("streamwright.dev/record");
        let watch = watcher(Api::<ConfigMap>::namespaced(client, &self.cluster.namespace), records).default_backoff();
        let mut applied = std::pin::pin!(watch.applied_objects());
        while let Some(record) = applied.next().await {
            let text = record?.data.and_then(|mut data| data.remove("record.json")).context("a record has its file")?;
            let recorded: AppliedPipeline = serde_json::from_str(&text)?;
            if let Some(listener) = self.listeners.remove(&recorded.desired.pipeline) {
                workers.spawn(serve(listener, tls.clone(), Arc::new(Runner::new(&recorded))));
            }
        }
        anyhow::bail!("the watch of records ended")
    }
}

/// A certificate for every stub, in a folder.
pub(crate) fn introduce(folder: &Path, authority: &Authority) -> anyhow::Result<ServerTls> {
    let names = BTreeSet::from([NAME.to_owned()]);
    let identity = Identity { place: Place::whole("none"), names, usage: Usage::Server, life_seconds: 7 * 24 * 3600 };
    let issued = leaf::issue(crds::Timestamp::now(), &identity, authority)?;
    std::fs::create_dir_all(folder)?;
    for (name, text) in [("ca.crt", authority.trusted()), ("tls.crt", issued.certificate), ("tls.key", issued.key)] {
        std::fs::write(folder.join(name), text)?;
    }
    Ok(ServerTls::open(folder)?)
}

struct Broker {
    state: Mutex<(u64, BTreeMap<TopicName, ActualTopic>)>,
    births: AtomicU64,
}

impl Broker {
    fn new() -> Self {
        Self { state: Mutex::default(), births: AtomicU64::new(0) }
    }

    /// Releases first, then what is wanted.
    fn obey(&self, desired: DesiredBroker) {
        let (generation, topics) = &mut *self.state.lock().expect("nobody panics with it");
        *generation = desired.generation.max(*generation);
        for released in desired.released {
            match released.release {
                Release::Delete => drop(topics.remove(&released.name)),
                Release::Retain => {
                    if let Some(topic) = topics.get_mut(&released.name) {
                        topic.last_owner = topic.owner.take();
                    }
                }
            }
        }
        for wanted in &desired.topics {
            let id = topics.get(&wanted.name).map_or_else(|| self.new_id(), |known| known.topic_id);
            topics.insert(wanted.name.clone(), ActualTopic::new(wanted, id));
        }
    }

    fn new_id(&self) -> TopicId {
        TopicId((u128::from(self.births.fetch_add(1, Ordering::Relaxed)) + 1).to_be_bytes())
    }
}

impl Worker for Broker {
    async fn push(&self, desired: Desired) -> Result<(), PushError> {
        let Desired::Broker(desired) = desired else { return Err(PushError::NotOurs("this is a broker".into())) };
        self.obey(desired);
        Ok(())
    }

    async fn actual(&self) -> Actual {
        let (generation, topics) = &*self.state.lock().expect("nobody panics with it");
        Actual::Broker(ActualBroker {
            generation: *generation,
            cluster_id: "abc".into(),
            ready: true,
            object_store: ObjectStoreUse { health: StoreHealth::Reachable, bytes: ByteCount(0), bytes_at_risk: ByteCount(0) },
            topics: topics.values().cloned().collect(),
            ..ActualBroker::new(BrokerId(0), Incarnation(1))
        })
    }

    fn revision(&self) -> u64 {
        self.state.lock().expect("nobody panics with it").0
    }
}

struct Runner(Mutex<ActualPipeline>);

impl Runner {
    fn new(recorded: &AppliedPipeline) -> Self {
        Self(Mutex::new(follow(&recorded.desired)))
    }
}

fn follow(desired: &control::DesiredPipeline) -> ActualPipeline {
    let phase = match desired.life {
        Life::Run => Phase::Running,
        Life::Suspend => Phase::Suspended,
        Life::Drain | Life::Stop => Phase::Stopped,
    };
    ActualPipeline { generation: desired.generation, ready_replicas: 1, ..ActualPipeline::new(desired, phase) }
}

impl Worker for Runner {
    async fn push(&self, desired: Desired) -> Result<(), PushError> {
        let Desired::Pipeline(desired) = desired else { return Err(PushError::NotOurs("this is a pipeline's pod".into())) };
        *self.0.lock().expect("nobody panics with it") = follow(&desired);
        Ok(())
    }

    async fn actual(&self) -> Actual {
        Actual::Pipeline(self.0.lock().expect("nobody panics with it").clone())
    }

    fn revision(&self) -> u64 {
        self.0.lock().expect("nobody panics with it").generation
    }
}
