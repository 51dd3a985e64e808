//! A world in a test: manifests pass admission, a broker and runners do what they are told, and conditions keep to the vocabulary.

use control::{ActualBroker, ActualPipeline, ActualTopic, DesiredPipeline, Life, Listener, ObjectRef, Phase, Release};
use crds::{
    Condition, ConditionStatus, ConditionType, Kind, Reason, Time, Timestamp, admission,
    conditions::reasons,
    manifest::{self, DocumentKind},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use streamwright_desired::{InProcess, Memory, Place, Planned, PlannedOperator, Planner, Report, Resolved, Status, World, resolve};
use units::{BrokerId, ByteCount, Incarnation, TopicId, TopicName};

pub(crate) fn object(name: &str) -> ObjectRef {
    let (namespace, name) = name.split_once('/').unwrap_or(("default", name));
    ObjectRef { namespace: namespace.into(), name: name.into() }
}

pub(crate) fn topic(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

/// A query language small enough to be obvious: `FROM a b INTO c STATE agg BROKEN`.
pub(crate) struct Words;

impl Planner for Words {
    fn plan(&self, text: &str, catalog: &sql::Catalog) -> Result<Planned, sql::PlanError> {
        let (mut mode, mut tables, mut stateful) = ("", BTreeSet::new(), Vec::new());
        for (line, words) in text.lines().enumerate() {
            for word in words.split_whitespace() {
                let column = u32::try_from(words.find(word).unwrap() + 1).unwrap();
                let error = |message: String| sql::PlanError {
                    line: u32::try_from(line + 1).unwrap(),
                    column,
                    message,
                    hint: Some("do better".into()),
                };
                match word {
                    "FROM" | "INTO" | "STATE" => mode = word,
                    "BROKEN" => return Err(error("this is broken".into())),
                    name if mode == "STATE" => stateful.push(PlannedOperator { id: format!("{:0>16}", name.len()), name: name.into() }),
                    name if catalog.tables.iter().any(|table| table.name == name) => drop(tables.insert(name.to_owned())),
                    name => return Err(error(format!("there is no table {name}"))),
                }
            }
        }
        let state_hash = stateful.iter().map(|operator| operator.name.clone()).collect::<Vec<_>>().join("+");
        let exchanges = stateful.iter().map(|operator| operator.id.clone()).collect();
        Ok(Planned { hash: text.len().to_string(), state_hash, stateful, exchanges, tables: tables.into_iter().collect() })
    }
}

pub(crate) struct House {
    pub(crate) world: World,
    pub(crate) memory: Memory,
    pub(crate) last: Resolved,
    planner: Box<dyn Planner>,
    seconds: i64,
    births: u32,
}

impl House {
    /// One process with a broker that serves.
    pub(crate) fn process(manifests: &str) -> Self {
        let mut house = Self::in_place(Place::Process { broker: object("default") });
        house.serve("default");
        house.apply(manifests);
        house
    }

    /// The same, with real SQL.
    pub(crate) fn with_sql(manifests: &str) -> Self {
        let mut house = Self::process(manifests);
        house.planner = Box::new(InProcess::default());
        house
    }

    /// A Kubernetes cluster, without brokers.
    pub(crate) fn kubernetes(manifests: &str) -> Self {
        let mut house = Self::in_place(Place::Kubernetes);
        house.apply(manifests);
        house
    }

    fn in_place(place: Place) -> Self {
        let world = World::empty(place);
        let last = resolve(&world, &Memory::default(), &Words, Timestamp::from_second(0).unwrap());
        Self { world, memory: Memory::default(), last, planner: Box::new(Words), seconds: 0, births: 0 }
    }

    /// A broker of this Cluster begins to serve.
    pub(crate) fn serve(&mut self, cluster: &str) {
        let broker = ActualBroker {
            cluster_id: "abc".into(),
            ready: true,
            listeners: vec![Listener { name: "internal".into(), address: "127.0.0.1:9092".into() }],
            ..ActualBroker::new(BrokerId(0), Incarnation(1))
        };
        self.world.brokers.insert(object(cluster), broker);
    }

    /// `kubectl apply`: admission against the object before, new uid or next generation.
    pub(crate) fn apply(&mut self, manifests: &str) {
        for document in manifest::read(manifests) {
            let document = document.unwrap();
            let object_ref = reference(&document.object);
            match document.kind {
                DocumentKind::ConfigMap => {
                    drop(self.world.config_maps.insert(object_ref, serde_json::from_value(document.object["data"].clone()).unwrap()))
                }
                DocumentKind::Namespace => {
                    drop(
                        self.world
                            .namespaces
                            .insert(object_ref.name, serde_json::from_value(document.object["metadata"]["labels"].clone()).unwrap()),
                    );
                }
                DocumentKind::Ours(kind) => self.put(kind, document.object),
                DocumentKind::Other(other) => panic!("{other}"),
            }
        }
    }

    fn put(&mut self, kind: Kind, written: Value) {
        let name = reference(&written);
        let old = self.objects(kind).into_iter().find(|old| reference(old) == name);
        let mut new = admission::admit(kind, written, old.as_ref()).unwrap_or_else(|found| panic!("{found:?}"));
        self.births += 1;
        let born = |field: &str, value: Value| old.as_ref().map_or(value, |old| old["metadata"][field].clone());
        let generation =
            old.as_ref().map_or(1, |old| old["metadata"]["generation"].as_i64().unwrap() + i64::from(old["spec"] != new["spec"]));
        let uid = born("uid", json!(format!("{:08x}-0000-0000-0000-000000000000", self.births)));
        let created = born("creationTimestamp", json!(Time(Timestamp::from_second(i64::from(self.births)).unwrap())));
        new["metadata"]["uid"] = uid;
        new["metadata"]["generation"] = json!(generation);
        new["metadata"]["creationTimestamp"] = created;
        self.remove(kind, &name);
        match kind {
            Kind::Cluster => self.world.clusters.push(serde_json::from_value(new).unwrap()),
            Kind::Topic => self.world.topics.push(serde_json::from_value(new).unwrap()),
            Kind::RetentionPolicy => self.world.policies.push(serde_json::from_value(new).unwrap()),
            Kind::Pipeline => self.world.pipelines.push(serde_json::from_value(new).unwrap()),
        }
    }

    fn objects(&self, kind: Kind) -> Vec<Value> {
        let value = |object: Result<Value, serde_json::Error>| object.unwrap();
        match kind {
            Kind::Cluster => self.world.clusters.iter().map(serde_json::to_value).map(value).collect(),
            Kind::Topic => self.world.topics.iter().map(serde_json::to_value).map(value).collect(),
            Kind::RetentionPolicy => self.world.policies.iter().map(serde_json::to_value).map(value).collect(),
            Kind::Pipeline => self.world.pipelines.iter().map(serde_json::to_value).map(value).collect(),
        }
    }

    fn remove(&mut self, kind: Kind, name: &ObjectRef) {
        let keep = |metadata: &crds::ObjectMeta| {
            metadata.name.as_deref() != Some(&name.name) || metadata.namespace.as_deref().unwrap_or("default") != name.namespace
        };
        match kind {
            Kind::Cluster => self.world.clusters.retain(|object| keep(&object.metadata)),
            Kind::Topic => self.world.topics.retain(|object| keep(&object.metadata)),
            Kind::RetentionPolicy => self.world.policies.retain(|object| keep(&object.metadata)),
            Kind::Pipeline => self.world.pipelines.retain(|object| keep(&object.metadata)),
        }
    }

    /// `kubectl delete`: the object stays until its report says that it is gone.
    pub(crate) fn delete(&mut self, kind: Kind, name: &str) {
        let (name, now) = (object(name), Some(Time(Timestamp::from_second(self.seconds).unwrap())));
        let is_it = |metadata: &crds::ObjectMeta| metadata.name.as_deref() == Some(&name.name);
        match kind {
            Kind::Cluster => self
                .world
                .clusters
                .iter_mut()
                .filter(|object| is_it(&object.metadata))
                .for_each(|object| object.metadata.deletion_timestamp = now.clone()),
            Kind::Topic => self
                .world
                .topics
                .iter_mut()
                .filter(|object| is_it(&object.metadata))
                .for_each(|object| object.metadata.deletion_timestamp = now.clone()),
            Kind::RetentionPolicy => self
                .world
                .policies
                .iter_mut()
                .filter(|object| is_it(&object.metadata))
                .for_each(|object| object.metadata.deletion_timestamp = now.clone()),
            Kind::Pipeline => self
                .world
                .pipelines
                .iter_mut()
                .filter(|object| is_it(&object.metadata))
                .for_each(|object| object.metadata.deletion_timestamp = now.clone()),
        }
    }

    /// Resolves once, and writes status back as the operator would. Memory goes through its durable form.
    pub(crate) fn look(&mut self) -> &Resolved {
        self.seconds += 60;
        let memory = serde_json::from_str(&serde_json::to_string(&self.memory).unwrap()).unwrap();
        assert_eq!(self.memory, memory, "memory survives being written and read");
        self.last = resolve(&self.world, &memory, &*self.planner, Timestamp::from_second(self.seconds).unwrap());
        self.memory = self.last.memory.clone();
        for dead_letters in self.last.dead_letters.clone() {
            // The operator makes a Topic of them.
            let ObjectRef { namespace, name } = &dead_letters.pipeline;
            let (topic, cluster) = (format!("{name}-dead-letters"), &dead_letters.cluster);
            let reference = json!({"name": cluster.name, "namespace": cluster.namespace});
            let kafka = streamwright_desired::dead_letters(&dead_letters.pipeline, cluster);
            self.put(
                Kind::Topic,
                json!({
                    "apiVersion": "streamwright.dev/v1alpha1", "kind": "Topic",
                    "metadata": {"name": topic, "namespace": namespace}, "spec": {"partitions": 1, "clusterRef": reference, "topicName": kafka.as_str()},
                }),
            );
        }
        for report in self.last.reports.clone() {
            check_vocabulary(&report);
            if report.is_gone {
                self.remove(report.kind, &report.object);
            }
            self.write_status(&report);
        }
        &self.last
    }

    fn write_status(&mut self, report: &Report) {
        let name = |metadata: &crds::ObjectMeta| ObjectRef {
            namespace: metadata.namespace.clone().unwrap_or_else(|| "default".into()),
            name: metadata.name.clone().unwrap(),
        };
        match &report.status {
            Status::Cluster(status) => self
                .world
                .clusters
                .iter_mut()
                .filter(|one| name(&one.metadata) == report.object)
                .for_each(|one| one.status = Some(status.clone())),
            Status::Topic(status) => self
                .world
                .topics
                .iter_mut()
                .filter(|one| name(&one.metadata) == report.object)
                .for_each(|one| one.status = Some(status.clone())),
            Status::RetentionPolicy(status) => self
                .world
                .policies
                .iter_mut()
                .filter(|one| name(&one.metadata) == report.object)
                .for_each(|one| one.status = Some(status.clone())),
            Status::Pipeline(status) => self
                .world
                .pipelines
                .iter_mut()
                .filter(|one| name(&one.metadata) == report.object)
                .for_each(|one| one.status = Some(status.clone())),
        }
    }

    /// Brokers do what they were told last.
    pub(crate) fn brokers_obey(&mut self) {
        for (cluster, desired) in &self.last.brokers {
            let broker = self.world.brokers.get_mut(cluster).unwrap();
            broker.generation = desired.generation;
            for released in &desired.released {
                match released.release {
                    Release::Delete => broker.topics.retain(|topic| topic.topic_id != released.topic_id),
                    Release::Retain => broker
                        .topics
                        .iter_mut()
                        .filter(|topic| topic.topic_id == released.topic_id)
                        .for_each(|topic| topic.last_owner = topic.owner.take()),
                }
            }
            for wanted in &desired.topics {
                let id = TopicId([u8::try_from(broker.topics.len() + 1).unwrap(); 16]);
                let had = broker.topics.iter().position(|topic| topic.name == wanted.name);
                let old = had.map(|index| broker.topics.remove(index));
                broker.topics.push(ActualTopic {
                    local_bytes: ByteCount(12_345),
                    ..ActualTopic::new(wanted, old.as_ref().map_or(id, |old| old.topic_id))
                });
            }
        }
    }

    /// Pipelines do what they were told last.
    pub(crate) fn pipelines_obey(&mut self) {
        let running = self.last.pipelines.iter().map(|desired| (desired.pipeline.clone(), follow(desired)));
        self.world.running = running.collect();
    }

    /// Everybody does what they are told until nothing changes.
    pub(crate) fn converge(&mut self) {
        for _ in 0..12 {
            let before = (self.world.brokers.clone(), self.world.running.clone(), self.world.topics.len() + self.world.pipelines.len());
            self.look();
            self.brokers_obey();
            self.pipelines_obey();
            if before == (self.world.brokers.clone(), self.world.running.clone(), self.world.topics.len() + self.world.pipelines.len()) {
                self.look();
                return;
            }
        }
        panic!("the world does not come to rest");
    }

    pub(crate) fn report(&self, kind: Kind, name: &str) -> &Report {
        self.last
            .reports
            .iter()
            .find(|report| report.kind == kind && report.object == object(name))
            .unwrap_or_else(|| panic!("no report of {kind} {name}"))
    }

    pub(crate) fn condition(&self, kind: Kind, name: &str, condition: ConditionType) -> Option<&Condition> {
        self.report(kind, name).status.condition(condition)
    }

    /// `True/Available`; panics where the condition is not there.
    pub(crate) fn says(&self, kind: Kind, name: &str, condition: ConditionType) -> String {
        let found = self.condition(kind, name, condition).unwrap_or_else(|| panic!("{kind} {name} has no {condition}"));
        format!("{:?}/{}", found.status, found.reason)
    }

    pub(crate) fn ready(&self, kind: Kind, name: &str) -> String {
        self.says(kind, name, ConditionType::Ready)
    }

    pub(crate) fn pipeline(&self, name: &str) -> &DesiredPipeline {
        self.last.pipelines.iter().find(|pipeline| pipeline.pipeline == object(name)).unwrap_or_else(|| panic!("{name} is not told to run"))
    }

    pub(crate) fn topic_names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.world.brokers.values().flat_map(|broker| &broker.topics).map(|topic| topic.name.to_string()).collect();
        names.sort();
        names
    }
}

fn reference(object: &Value) -> ObjectRef {
    let text = |field: &str| object["metadata"][field].as_str().map(str::to_owned);
    ObjectRef { namespace: text("namespace").unwrap_or_else(|| "default".into()), name: text("name").unwrap() }
}

fn follow(desired: &DesiredPipeline) -> ActualPipeline {
    let phase = match desired.life {
        Life::Run => Phase::Running,
        Life::Suspend => Phase::Suspended,
        Life::Drain | Life::Stop => Phase::Stopped,
    };
    ActualPipeline { generation: desired.generation, ready_replicas: 1, ..ActualPipeline::new(desired, phase) }
}

/// Every reason is one that the condition may have, each condition speaks of a type once, and those that are not only there when true are
/// always there, until the object leaves.
fn check_vocabulary(report: &Report) {
    let mut seen = BTreeSet::new();
    let is_only_there_when_true =
        |condition: &ConditionType| matches!(condition, ConditionType::Reconciling | ConditionType::Stalled | ConditionType::Degraded);
    for condition in report.status.conditions() {
        let condition_type = ConditionType::ALL.iter().find(|known| condition.is(**known)).expect("a known type");
        let reason = Reason::ALL.iter().find(|known| known.as_str() == condition.reason).expect("a known reason");
        assert!(reasons(report.kind, *condition_type).contains(reason), "{} {condition_type} does not know {reason}", report.kind);
        assert!(seen.insert(*condition_type), "{condition_type} is there twice");
        assert!(!is_only_there_when_true(condition_type) || condition.status == ConditionStatus::True);
    }
    let reconciling = report.status.condition(ConditionType::Reconciling).map(|condition| condition.reason.as_str());
    let always = ConditionType::ALL.iter().filter(|known| !is_only_there_when_true(known) && !reasons(report.kind, **known).is_empty());
    for wanted in always.filter(|_| !matches!(reconciling, Some("Deleting" | "Draining"))) {
        assert!(seen.contains(wanted), "{} {} has no {wanted}", report.kind, report.object);
    }
}
