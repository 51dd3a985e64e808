//! Workers that do as they are told at once, as long as their pod is there. Volumes outlive pods.

use control::{
    ActualBroker, ActualPipeline, ActualTopic, DesiredBroker, DesiredPipeline, Life, ObjectRef, ObjectStoreUse, Phase, Release, StoreHealth,
};
use crds::Kind;
use futures::future::BoxFuture;
use operator::{
    resource::{Key, Resource},
    workers::{Actual, Address, Workers},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};
use tokio::sync::Notify;
use units::{BrokerId, ByteCount, Incarnation, TopicId};

use crate::fake::Fake;

#[derive(Default)]
struct State {
    followed: BTreeMap<(Kind, ObjectRef), Address>,
    brokers: BTreeMap<ObjectRef, ActualBroker>,
    pipelines: BTreeMap<ObjectRef, ActualPipeline>,
    words: usize,
    last: BTreeMap<ObjectRef, DesiredBroker>,
    topics: u8,
    /// Topics deleted with their data, in order.
    deleted: Vec<String>,
    /// Which word, counted from 0, is lost.
    lose: Option<usize>,
    away: bool,
}

#[derive(Clone)]
pub(crate) struct Stub {
    fake: Fake,
    state: Arc<Mutex<State>>,
    news: Arc<Notify>,
}

impl Stub {
    pub(crate) fn new(fake: Fake) -> Self {
        Self { fake, state: Arc::default(), news: Arc::default() }
    }

    /// Words that were spoken to workers.
    pub(crate) fn words(&self) -> usize {
        self.state.lock().unwrap().words
    }

    pub(crate) fn lose(&self, word: usize) {
        self.state.lock().unwrap().lose = Some(word);
    }

    /// Nobody reaches any worker.
    pub(crate) fn be_away(&self, away: bool) {
        self.state.lock().unwrap().away = away;
        self.news.notify_one();
    }

    pub(crate) fn deleted(&self) -> Vec<String> {
        self.state.lock().unwrap().deleted.clone()
    }

    /// Topics of a broker: name, partitions, owner, hours kept.
    pub(crate) fn topics(&self, cluster: &str) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let topics = state.brokers.get(&super::object(cluster)).map(|broker| broker.topics.clone()).unwrap_or_default();
        topics.iter().map(shown).collect()
    }

    pub(crate) fn broker<T>(&self, cluster: &str, act: impl FnOnce(&mut ActualBroker) -> T) -> T {
        let mut state = self.state.lock().unwrap();
        let done = act(state.brokers.get_mut(&super::object(cluster)).unwrap());
        self.news.notify_one();
        done
    }

    /// What a broker was told last.
    pub(crate) fn told(&self, cluster: &str) -> DesiredBroker {
        self.state.lock().unwrap().last[&super::object(cluster)].clone()
    }

    pub(crate) fn pipeline<T>(&self, name: &str, act: impl FnOnce(&mut ActualPipeline) -> T) -> T {
        let mut state = self.state.lock().unwrap();
        let done = act(state.pipelines.get_mut(&super::object(name)).unwrap());
        self.news.notify_one();
        done
    }

    fn has_pod(&self, kind: Kind, name: &ObjectRef) -> bool {
        let component = if kind == Kind::Cluster { "broker" } else { "pipeline" };
        let pod = Key::new(Resource::Pod, name.namespace.clone(), format!("{}-{component}-0", name.name));
        self.fake.state().store.get(&pod).is_ok()
    }

    /// What the file in a pipeline's pod says.
    fn mounted(&self, name: &ObjectRef) -> Option<DesiredPipeline> {
        let key = Key::new(Resource::ConfigMap, name.namespace.clone(), format!("{}-pipeline-record", name.name));
        let state = self.fake.state();
        let text = state.store.get(&key).ok()?["data"]["record.json"].as_str()?.to_owned();
        Some(serde_json::from_str::<desired::AppliedPipeline>(&text).unwrap().desired)
    }

    fn hear(&self) -> bool {
        let mut state = self.state.lock().unwrap();
        let is_lost = state.lose == Some(state.words) || state.away;
        state.words += 1;
        !is_lost
    }
}

fn shown(topic: &ActualTopic) -> String {
    let owner = topic.owner.as_ref().map_or_else(|| "nobody".to_owned(), ToString::to_string);
    let kept = topic.retention.total_time.map_or_else(|| "for ever".to_owned(), |time| format!("{}h", time.0 / 3_600_000));
    format!("{} x{} {owner} {kept}", topic.name, topic.partitions)
}

impl Workers for Stub {
    fn follow(&self, workers: BTreeMap<(Kind, ObjectRef), Address>) {
        self.state.lock().unwrap().followed = workers;
    }

    fn actual(&self) -> Actual {
        let followed = self.state.lock().unwrap().followed.clone();
        let alive: Vec<_> = followed.into_keys().filter(|(kind, name)| self.has_pod(*kind, name)).collect();
        let told: BTreeMap<_, _> = alive.iter().filter_map(|(_, name)| Some((name.clone(), self.mounted(name)?))).collect();
        let mut state = self.state.lock().unwrap();
        // A pod that went takes what it followed with it; a new one follows the file that it has mounted.
        state.pipelines.retain(|name, _| alive.contains(&(Kind::Pipeline, name.clone())));
        for (name, desired) in told {
            state.pipelines.entry(name).or_insert_with(|| follow(&desired));
        }
        let mut actual = Actual::default();
        if state.away {
            return actual;
        }
        for (kind, name) in alive {
            match kind {
                Kind::Cluster => {
                    let broker = state.brokers.entry(name.clone()).or_insert_with(new_broker);
                    actual.brokers.insert(name, broker.clone());
                }
                _ => drop(state.pipelines.get(&name).map(|running| actual.pipelines.insert(name.clone(), running.clone()))),
            }
        }
        actual
    }

    fn is_silent(&self, _: Kind, _: &ObjectRef) -> bool {
        self.state.lock().unwrap().away
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.news.notified())
    }

    fn push_broker(&self, cluster: ObjectRef, desired: DesiredBroker) -> BoxFuture<'static, Result<(), String>> {
        let stub = self.clone();
        Box::pin(async move {
            if !stub.hear() {
                return Err("the line is dead".into());
            }
            let mut state = stub.state.lock().unwrap();
            let State { brokers, topics, deleted, .. } = &mut *state;
            let broker = brokers.get_mut(&cluster).ok_or("no such broker")?;
            obey(broker, &desired, topics, deleted);
            state.last.insert(cluster, desired);
            stub.news.notify_one();
            Ok(())
        })
    }

    fn push_pipeline(&self, pipeline: ObjectRef, desired: DesiredPipeline) -> BoxFuture<'static, Result<(), String>> {
        let stub = self.clone();
        Box::pin(async move {
            if !stub.hear() {
                return Err("the line is dead".into());
            }
            stub.state.lock().unwrap().pipelines.insert(pipeline, follow(&desired));
            stub.news.notify_one();
            Ok(())
        })
    }
}

/// A pipeline pod follows this state.
fn follow(desired: &DesiredPipeline) -> ActualPipeline {
    let phase = match desired.life {
        Life::Run => Phase::Running,
        Life::Suspend => Phase::Suspended,
        Life::Drain | Life::Stop => Phase::Stopped,
    };
    ActualPipeline { generation: desired.generation, ready_replicas: 1, ..ActualPipeline::new(desired, phase) }
}

fn new_broker() -> ActualBroker {
    ActualBroker {
        cluster_id: "abc".into(),
        ready: true,
        object_store: ObjectStoreUse { health: StoreHealth::Reachable, bytes: ByteCount(0), bytes_at_risk: ByteCount(0) },
        ..ActualBroker::new(BrokerId(0), Incarnation(1))
    }
}

/// What a broker does with its desired state: releases first, then what is wanted; it takes from no other owner.
fn obey(broker: &mut ActualBroker, desired: &DesiredBroker, births: &mut u8, deleted: &mut Vec<String>) {
    if desired.generation < broker.generation {
        return;
    }
    broker.generation = desired.generation;
    for released in &desired.released {
        match released.release {
            Release::Delete => {
                let gone = broker.topics.extract_if(.., |topic| topic.topic_id == released.topic_id);
                deleted.extend(gone.map(|topic| topic.name.to_string()));
            }
            Release::Retain => {
                for topic in broker.topics.iter_mut().filter(|topic| topic.topic_id == released.topic_id) {
                    topic.last_owner = topic.owner.take().or(topic.last_owner.take());
                }
            }
        }
    }
    for wanted in &desired.topics {
        match broker.topics.iter_mut().find(|topic| topic.name == wanted.name) {
            Some(topic) if topic.owner.as_ref().is_some_and(|owner| *owner != wanted.owner) => {}
            Some(topic) => {
                topic.owner = Some(wanted.owner.clone());
                topic.partitions = topic.partitions.max(wanted.partitions);
                topic.retention = wanted.retention;
                topic.config.clone_from(&wanted.config);
            }
            None => {
                *births += 1;
                broker.topics.push(ActualTopic::new(wanted, wanted.topic_id.unwrap_or(TopicId([*births; 16]))));
            }
        }
    }
    broker.topics.sort_by(|left, right| left.name.cmp(&right.name));
}
