//! Workers that do as they are told at once, without pods: a broker for every Cluster, and a pod for every Pipeline that is recorded to run.

use control::{
    ActualBroker, ActualPipeline, ActualTopic, DesiredBroker, DesiredPipeline, Life, ObjectRef, ObjectStoreUse, Phase, Release, StoreHealth,
};
use crds::Kind;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client, api::ListParams};
use operator::workers::{Actual, Address, Workers};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::Notify;
use units::{BrokerId, ByteCount, Incarnation, TopicId};

#[derive(Default)]
struct State {
    followed: BTreeMap<(Kind, ObjectRef), Address>,
    brokers: BTreeMap<ObjectRef, ActualBroker>,
    pipelines: BTreeMap<ObjectRef, ActualPipeline>,
    births: u8,
}

#[derive(Clone)]
pub(crate) struct Told {
    state: Arc<Mutex<State>>,
    news: Arc<Notify>,
}

impl Told {
    /// Looks at the records of a namespace, as pods look at the file that they have mounted.
    pub(crate) fn new(client: Client, namespace: &str) -> Self {
        let told = Self { state: Arc::default(), news: Arc::default() };
        let (seeing, api) = (told.clone(), Api::<ConfigMap>::namespaced(client, namespace));
        tokio::spawn(async move {
            let records = ListParams::default().labels("streamwright.dev/record");
            loop {
                for record in api.list(&records).await.into_iter().flatten() {
                    let text = record.data.and_then(|mut data| data.remove("record.json")).unwrap_or_default();
                    let applied: desired::AppliedPipeline = serde_json::from_str(&text).unwrap();
                    let name = applied.desired.pipeline.clone();
                    let is_new =
                        seeing.state.lock().unwrap().pipelines.get(&name).is_none_or(|known| known.layout != applied.desired.layout);
                    if is_new {
                        seeing.run(name, &applied.desired);
                    }
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
        told
    }

    pub(crate) fn topics(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        state.brokers.values().flat_map(|broker| &broker.topics).map(|topic| topic.name.to_string()).collect()
    }

    fn run(&self, name: ObjectRef, desired: &DesiredPipeline) {
        let phase = match desired.life {
            Life::Run => Phase::Running,
            Life::Suspend => Phase::Suspended,
            Life::Drain | Life::Stop => Phase::Stopped,
        };
        let running = ActualPipeline { generation: desired.generation, ready_replicas: 1, ..ActualPipeline::new(desired, phase) };
        self.state.lock().unwrap().pipelines.insert(name, running);
        self.news.notify_one();
    }
}

impl Workers for Told {
    fn follow(&self, workers: BTreeMap<(Kind, ObjectRef), Address>) {
        let mut state = self.state.lock().unwrap();
        for (_, name) in workers.keys().filter(|(kind, _)| *kind == Kind::Cluster) {
            state.brokers.entry(name.clone()).or_insert_with(new_broker);
        }
        state.followed = workers;
    }

    fn actual(&self) -> Actual {
        let state = self.state.lock().unwrap();
        let is_followed = |kind: Kind, name: &ObjectRef| state.followed.contains_key(&(kind, name.clone()));
        let brokers = state.brokers.iter().filter(|(name, _)| is_followed(Kind::Cluster, name));
        let pipelines = state.pipelines.iter().filter(|(name, _)| is_followed(Kind::Pipeline, name));
        let kept = |(name, actual): (&ObjectRef, &ActualPipeline)| (name.clone(), actual.clone());
        Actual { brokers: brokers.map(|(name, actual)| (name.clone(), actual.clone())).collect(), pipelines: pipelines.map(kept).collect() }
    }

    fn is_silent(&self, _: Kind, _: &ObjectRef) -> bool {
        false
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.news.notified())
    }

    fn push_broker(&self, cluster: ObjectRef, desired: DesiredBroker) -> BoxFuture<'static, Result<(), String>> {
        let told = self.clone();
        Box::pin(async move {
            let mut state = told.state.lock().unwrap();
            let State { brokers, births, .. } = &mut *state;
            obey(brokers.get_mut(&cluster).ok_or("no such broker")?, &desired, births);
            told.news.notify_one();
            Ok(())
        })
    }

    fn push_pipeline(&self, pipeline: ObjectRef, desired: DesiredPipeline) -> BoxFuture<'static, Result<(), String>> {
        let told = self.clone();
        Box::pin(async move {
            told.run(pipeline, &desired);
            Ok(())
        })
    }
}

fn new_broker() -> ActualBroker {
    ActualBroker {
        cluster_id: "abc".into(),
        ready: true,
        object_store: ObjectStoreUse { health: StoreHealth::Reachable, bytes: ByteCount(0), bytes_at_risk: ByteCount(0) },
        ..ActualBroker::new(BrokerId(0), Incarnation(1))
    }
}

fn obey(broker: &mut ActualBroker, desired: &DesiredBroker, births: &mut u8) {
    broker.generation = broker.generation.max(desired.generation);
    for released in &desired.released {
        match released.release {
            Release::Delete => broker.topics.retain(|topic| topic.topic_id != released.topic_id),
            Release::Retain => {
                for topic in broker.topics.iter_mut().filter(|topic| topic.topic_id == released.topic_id) {
                    topic.last_owner = topic.owner.take();
                }
            }
        }
    }
    for wanted in &desired.topics {
        let known = broker.topics.iter().position(|topic| topic.name == wanted.name).map(|index| broker.topics.remove(index));
        *births += u8::from(known.is_none());
        broker.topics.push(ActualTopic::new(wanted, known.map_or(TopicId([*births; 16]), |known| known.topic_id)));
    }
}
