//! The values survive being written and read: they cross a process boundary, and the broker keeps its own on disk.

mod golden;

use streamwright_control::{
    Cleanup, Column, ColumnSource, ConfigEntry, DesiredBroker, DesiredPipeline, DesiredTopic, Format, InternalTopic, InternalUse, Layout,
    Life, ObjectRef, Owner, OwnerKind, Retention, StartFrom, Table,
};
use units::{ByteCount, DurationMs, GroupId, TimestampMs, TopicId, TopicName};

pub(crate) fn object(name: &str) -> ObjectRef {
    ObjectRef { namespace: "default".into(), name: name.into() }
}

pub(crate) fn pipeline() -> DesiredPipeline {
    let layout = Layout::new("1c9e04d7-0000", 1, 64).unwrap();
    DesiredPipeline {
        generation: 3,
        pipeline: object("delays"),
        uid: "1c9e04d7-0000".into(),
        life: Life::Run,
        replicas: 1,
        query: "INSERT INTO b SELECT * FROM a".into(),
        tables: vec![Table {
            name: "a".into(),
            topic: TopicName::new("a").unwrap(),
            partitions: 6,
            format: Format::Csv,
            columns: vec![Column { name: "x".into(), data_type: "INT NOT NULL".into(), from: ColumnSource::Value }],
            key: vec!["x".into()],
            event_time: None,
        }],
        plan_hash: "91ac".into(),
        group: GroupId::from("_sw.default.delays.1c9e04d7-1-64"),
        transactional_id_prefix: "_sw.default.delays.1c9e04d7-1-64".into(),
        internal_topics: vec![InternalTopic {
            name: TopicName::new("_sw.default.delays.1c9e04d7-1-64.state").unwrap(),
            purpose: InternalUse::State,
            partitions: 64,
        }],
        dead_letters: TopicName::new("delays-dead-letters").unwrap(),
        commit_interval: DurationMs(200),
        start_from: StartFrom::Timestamp(TimestampMs(1)),
        files_root: None,
        store_prefix: format!("pipelines/default/delays/{layout}"),
        layout,
    }
}

#[test]
fn a_desired_pipeline_survives_being_written_and_read() {
    let wanted = pipeline();
    let text = serde_json::to_string(&wanted).unwrap();
    assert_eq!(serde_json::from_str::<DesiredPipeline>(&text).unwrap(), wanted);
    assert!(text.contains("\"1c9e04d7-1-64\""), "the layout is written as it is named: {text}");
}

#[test]
fn a_desired_broker_survives_being_written_and_read() {
    let wanted = DesiredBroker {
        topics: vec![DesiredTopic {
            name: TopicName::new("orders").unwrap(),
            topic_id: Some(TopicId([7; 16])),
            partitions: 6,
            retention: Retention {
                cleanup: Cleanup::Delete,
                total_time: Some(DurationMs(1000)),
                total_size_per_partition: Some(ByteCount(1)),
                ..Retention::default()
            },
            config: vec![ConfigEntry { name: "max.message.bytes".into(), value: "1".into() }],
            owner: Owner { kind: OwnerKind::Topic, object: object("orders") },
            internal: false,
        }],
        ..DesiredBroker::new(1, object("main"))
    };
    let text = serde_json::to_string(&wanted).unwrap();
    assert_eq!(serde_json::from_str::<DesiredBroker>(&text).unwrap(), wanted);
}

#[test]
fn pods_are_told_apart_by_their_number() {
    assert_eq!(pipeline().transactional_id(3).as_str(), "_sw.default.delays.1c9e04d7-1-64.3");
    assert_eq!(pipeline().state_topic().map(|topic| topic.partitions), Some(64));
}
