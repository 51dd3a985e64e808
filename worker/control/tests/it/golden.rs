//! What each minor version wrote is read by all later ones, and what a later one adds is skipped. Files: `golden/<minor>/<message>.json`;
//! those of the present minor are written anew with `UPDATE_GOLDEN=1`, those of the past never.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    fs,
    path::PathBuf,
};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use streamwright_control::{
    Actual, ActualBroker, ActualPipeline, ActualTopic, BrokerStorage, Cleanup, ConfigEntry, DamagedPartition, Desired, DesiredBroker,
    DesiredListener, DesiredTopic, InternalTopic, InternalUse, Listener, ObjectStoreUse, Owner, OwnerKind, Phase, PipelineProblem,
    PipelineReason, ProposalKind, ProposalRefusal, RefusalReason, Release, ReleasedTopic, Retention, SourceProgress, StoreHealth,
    TopicProblem, TopicProposal, TopicReason, VolumeHealth,
};
use units::{BrokerId, ByteCount, DurationMs, Incarnation, PartitionId, TimestampMs, TopicId, TopicName};

use crate::{object, pipeline};

/// The minor version whose shape the types have.
const PRESENT: &str = "0.1";

fn path(minor: &str, message: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden").join(minor).join(format!("{message}.json"))
}

fn written(minor: &str, message: &str) -> Value {
    let path = path(minor, message);
    let text = fs::read_to_string(&path).unwrap_or_else(|reason| panic!("{}: {reason}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn name(text: &str) -> TopicName {
    TopicName::new(text).unwrap()
}

fn retention() -> Retention {
    Retention {
        cleanup: Cleanup::Delete,
        total_time: Some(DurationMs(604_800_000)),
        total_size_per_partition: Some(ByteCount(1 << 40)),
        local_time: Some(DurationMs(21_600_000)),
        local_size_per_partition: None,
    }
}

fn config() -> Vec<ConfigEntry> {
    vec![ConfigEntry { name: "max.message.bytes".into(), value: "2097152".into() }]
}

fn owner() -> Owner {
    Owner { kind: OwnerKind::Topic, object: object("orders") }
}

fn desired_broker() -> Desired {
    let topic = DesiredTopic {
        name: name("orders"),
        topic_id: Some(TopicId([7; 16])),
        partitions: 6,
        retention: retention(),
        config: config(),
        owner: owner(),
        internal: false,
    };
    let listener = |name: &str, tls: Option<&str>| DesiredListener {
        name: name.into(),
        port: 9092,
        advertised_host: "main-broker-0.main-brokers.default.svc".into(),
        advertised_port: 9092,
        tls: tls.map(String::from),
    };
    Desired::Broker(DesiredBroker {
        cluster_id: Some("5xT0".into()),
        topics: vec![topic],
        released: vec![ReleasedTopic { name: name("old"), topic_id: TopicId([8; 16]), release: Release::Retain }],
        auto_create_topics: true,
        listeners: vec![listener("internal", None), listener("outside", Some("outside"))],
        client_topics: BTreeSet::from([name("orders")]),
        refused_proposals: vec![ProposalRefusal { id: "3-1".into(), reason: RefusalReason::Policy, message: "no".into() }],
        ..DesiredBroker::new(12, object("main"))
    })
}

fn actual_broker() -> Actual {
    let topic = ActualTopic {
        name: name("orders"),
        topic_id: TopicId([7; 16]),
        partitions: 6,
        retention: retention(),
        config: config(),
        owner: Some(owner()),
        last_owner: None,
        internal: false,
        local_bytes: ByteCount(1),
        object_bytes: ByteCount(2),
        records: 3,
        records_appended: 4,
    };
    let problem = TopicProblem { reason: TopicReason::Conflict, message: "somebody else's".into() };
    Actual::Broker(ActualBroker {
        generation: 12,
        cluster_id: "5xT0".into(),
        version: "0.1.0".into(),
        ready: true,
        listeners: vec![Listener { name: "internal".into(), address: "main-broker-0:9092".into() }],
        storage: BrokerStorage { capacity: ByteCount(9), used: ByteCount(4), free: ByteCount(5), health: VolumeHealth::Full },
        object_store: ObjectStoreUse { health: StoreHealth::Reachable, bytes: ByteCount(2), bytes_at_risk: ByteCount(1) },
        damaged: vec![DamagedPartition { topic: name("orders"), partition: PartitionId(3) }],
        topics: vec![topic],
        problems: BTreeMap::from([(name("other"), problem)]),
        listener_problems: BTreeMap::from([("outside".into(), "tls.crt is missing".into())]),
        proposals: vec![TopicProposal {
            id: "3-1".into(),
            kind: ProposalKind::Configure,
            topic: name("orders"),
            topic_id: Some(TopicId([7; 16])),
            partitions: 6,
            retention: retention(),
            config: config(),
            client_id: "admin".into(),
        }],
        ..ActualBroker::new(BrokerId(0), Incarnation(3))
    })
}

fn desired_pipeline() -> Desired {
    let mut desired = pipeline();
    let exchange = InternalTopic {
        name: name("_sw.default.delays.1c9e04d7-1-64.exchange"),
        purpose: InternalUse::Exchange { exchange: "agg-1".into() },
        partitions: 64,
    };
    desired.internal_topics.push(exchange);
    desired.files_root = Some("/files".into());
    Desired::Pipeline(desired)
}

fn actual_pipeline() -> Actual {
    Actual::Pipeline(ActualPipeline {
        generation: 3,
        problem: Some(PipelineProblem { reason: PipelineReason::CheckpointFailing, message: "the store is away".into() }),
        ready_replicas: 1,
        lag: Some(DurationMs(5)),
        watermark: Some(TimestampMs(6)),
        last_commit: Some(TimestampMs(7)),
        last_checkpoint: Some(TimestampMs(8)),
        checkpoint_failing_since: Some(TimestampMs(9)),
        sources: vec![SourceProgress {
            table: "a".into(),
            rows: 1,
            lag_records: Some(2),
            read: Some(ByteCount(3)),
            size: Some(ByteCount(4)),
            finished: false,
            idle_partitions: vec![5],
        }],
        ..ActualPipeline::new(&pipeline(), Phase::Running)
    })
}

/// Writes as the golden file has it, and reads it back, also when a later version has added fields everywhere.
fn holds<T: Serialize + DeserializeOwned + PartialEq + Debug>(message: &str, value: &T) {
    let now = serde_json::to_value(value).unwrap();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path(PRESENT, message).parent().unwrap()).unwrap();
        fs::write(path(PRESENT, message), serde_json::to_string_pretty(&now).unwrap() + "\n").unwrap();
    }
    let golden = written(PRESENT, message);
    assert_eq!(now, golden, "{message}: the shape changed; if it only gained fields with defaults, UPDATE_GOLDEN=1");
    assert_eq!(serde_json::from_value::<T>(golden.clone()).unwrap(), *value);
    let later = with_news(golden, true);
    assert_eq!(serde_json::from_value::<T>(later).unwrap(), *value, "{message}: a later version's fields are skipped");
}

/// The same with a field more in every struct. Not in maps, nor beside the name of an enum's variant.
fn with_news(value: Value, is_struct: bool) -> Value {
    match value {
        Value::Object(fields) => {
            let is_variant = fields.len() == 1 && fields.keys().all(|key| key.starts_with(char::is_uppercase));
            let is_map = |key: &str| key.ends_with("problems");
            let mut fields: serde_json::Map<_, _> =
                fields.into_iter().map(|(key, value)| (key.clone(), with_news(value, !is_map(&key)))).collect();
            if is_struct && !is_variant {
                fields.insert("a_later_field".into(), json!({"any": ["thing"]}));
            }
            Value::Object(fields)
        }
        Value::Array(values) => Value::Array(values.into_iter().map(|value| with_news(value, true)).collect()),
        other => other,
    }
}

#[test]
fn messages_have_the_shape_that_was_agreed() {
    holds("desired-broker", &desired_broker());
    holds("actual-broker", &actual_broker());
    holds("desired-pipeline", &desired_pipeline());
    holds("actual-pipeline", &actual_pipeline());
}

#[test]
fn what_the_first_edition_wrote_is_read_with_defaults() {
    // The edition for laptops had neither listeners nor proposals.
    let Desired::Broker(desired) = serde_json::from_value(written("0.0", "desired-broker")).unwrap() else { panic!("a broker's") };
    let Desired::Broker(now) = desired_broker() else { panic!("a broker's") };
    let expected = DesiredBroker { listeners: Vec::new(), client_topics: BTreeSet::new(), refused_proposals: Vec::new(), ..now };
    assert_eq!(desired, expected);
    let Actual::Broker(actual) = serde_json::from_value(written("0.0", "actual-broker")).unwrap() else { panic!("a broker's") };
    let Actual::Broker(now) = actual_broker() else { panic!("a broker's") };
    assert_eq!(actual, ActualBroker { damaged: Vec::new(), listener_problems: BTreeMap::new(), proposals: Vec::new(), ..now });
}
