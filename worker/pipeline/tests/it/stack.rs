//! A broker, an object store and lanes in a temporary folder; tables, topics and desired pipelines in few words.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use broker::{Broker, BrokerConfig};
use client::{Admin, Batch, ClientOptions, Cluster, FetchOptions, Fetcher, Isolation, OffsetAt, Position, TransactionalProducer};
use control::{
    ActualPipeline, Cleanup, DesiredBroker, DesiredPipeline, DesiredTopic, Format, InternalTopic, InternalUse, Layout, Life, ObjectRef,
    Owner, OwnerKind, Phase, Retention, StartFrom, Table,
};
use records::{BatchBuilder, Compression, Record, Records};
use store::{FolderStore, ObjectStore};
use streamwright_pipeline::{Environment, Handle, Lanes, Runner};
use units::{BrokerId, DurationMs, GroupId, LeaderEpoch, Offset, PartitionId, TimestampMs, TopicName, TopicPartition, TransactionalId};

/// How long a test waits for something that has to come.
pub const PATIENCE: Duration = Duration::from_secs(40);

pub struct Stack {
    pub folder: tempfile::TempDir,
    broker: Option<Broker>,
    pub store: Arc<dyn ObjectStore>,
    lanes: Lanes,
    topics: BTreeMap<TopicName, DesiredTopic>,
    generation: u64,
}

impl Stack {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store: Arc<dyn ObjectStore> = Arc::new(FolderStore::open(folder.path().join("objects")).expect("a store"));
        let listen = "127.0.0.1:0".parse().expect("an address");
        let config =
            BrokerConfig { initial_rebalance_delay: DurationMs(0), ..BrokerConfig::new(BrokerId(0), folder.path().join("broker"), listen) };
        let broker = Broker::start(config, store.clone()).await.expect("a broker");
        Self { folder, broker: Some(broker), store, lanes: Lanes::new(2), topics: BTreeMap::new(), generation: 0 }
    }

    fn broker(&self) -> &Broker {
        self.broker.as_ref().expect("it is gone only while it restarts")
    }

    /// The broker goes, and comes back at the same address with what it had on disk.
    pub async fn restart_broker(&mut self, away: Duration) {
        let listen = self.broker().address();
        self.broker.take().expect("it runs").shutdown().await;
        tokio::time::sleep(away).await;
        let config = BrokerConfig {
            initial_rebalance_delay: DurationMs(0),
            ..BrokerConfig::new(BrokerId(0), self.folder.path().join("broker"), listen)
        };
        self.broker = Some(Broker::start(config, self.store.clone()).await.expect("a broker"));
        self.apply().await;
    }

    /// First offset of each partition of a topic.
    pub async fn log_starts(&self, topic: &str) -> Vec<i64> {
        let admin = Admin::new(self.cluster().await);
        let partitions = admin.describe_topic(&TopicName::new(topic).unwrap()).await.expect("a broker").expect("the topic").partitions;
        let places: Vec<TopicPartition> = partitions.iter().map(|partition| at(topic, partition.0)).collect();
        let mut starts = admin.list_offsets(&places, OffsetAt::Earliest, Isolation::ReadCommitted).await.expect("starts");
        starts.sort_by(|a, b| a.0.cmp(&b.0));
        starts.into_iter().map(|(_, listed)| listed.offset.map_or(0, |offset| offset.0)).collect()
    }

    /// Nothing below these offsets is kept.
    pub async fn delete_records(&self, topic: &str, partition: i32, before: i64) {
        let admin = Admin::new(self.cluster().await);
        admin.delete_records(&[(at(topic, partition), Offset(before))]).await.expect("records are deleted");
    }

    pub fn bootstrap(&self) -> String {
        self.broker().address().to_string()
    }

    pub async fn cluster(&self) -> Cluster {
        Cluster::connect(ClientOptions::new([self.bootstrap()], "test")).await.expect("a cluster")
    }

    pub async fn topic(&mut self, name: &str, partitions: i32) {
        let topic = desired_topic(name, partitions);
        self.topics.insert(topic.name.clone(), topic);
        self.apply().await;
    }

    /// Changes how a topic is kept.
    pub async fn alter(&mut self, name: &str, how: impl FnOnce(&mut DesiredTopic)) {
        how(self.topics.get_mut(&TopicName::new(name).expect("a name")).expect("a topic"));
        self.apply().await;
    }

    async fn apply(&mut self) {
        self.generation += 1;
        let cluster = ObjectRef { namespace: "default".into(), name: "default".into() };
        let desired = DesiredBroker { topics: self.topics.values().cloned().collect(), ..DesiredBroker::new(self.generation, cluster) };
        self.broker().apply(desired).await.expect("topics");
    }

    /// A desired pipeline with its internal topics made.
    pub async fn pipeline(&mut self, name: &str, query: &str, tables: &[Table]) -> DesiredPipeline {
        let desired = desired_pipeline(name, query, tables, self.folder.path());
        for topic in &desired.internal_topics {
            let made = desired_topic(topic.name.as_str(), topic.partitions);
            self.topics.insert(topic.name.clone(), made);
        }
        let dead = desired_topic(desired.dead_letters.as_str(), 1);
        self.topics.insert(dead.name.clone(), dead);
        self.apply().await;
        desired
    }

    pub fn run(&self, desired: &DesiredPipeline) -> Handle {
        self.run_with(desired, self.store.clone())
    }

    /// Runs it with checkpoints in another store than the broker's.
    pub fn run_with(&self, desired: &DesiredPipeline, store: Arc<dyn ObjectStore>) -> Handle {
        let environment = Environment { bootstrap: vec![self.bootstrap()], tls: None, store, lanes: self.lanes.clone(), ordinal: 0 };
        Runner::start(desired.clone(), environment)
    }

    /// Writes one batch as it is, outside any transaction of a pipeline.
    pub async fn produce_batch(&self, topic: &str, partition: i32, batch: BatchBuilder) {
        let id = TransactionalId::from(format!("test-{topic}-{partition}").as_str());
        let mut producer = TransactionalProducer::register(self.cluster().await, id, Duration::from_secs(10)).await.expect("a producer");
        producer.send(&mut [Batch { partition: at(topic, partition), bytes: batch.finish().into() }]).await.expect("a batch is written");
        producer.end(true).await.expect("a batch is committed");
    }

    pub async fn produce(&self, topic: &str, partition: i32, rows: &[(Option<&str>, String)]) {
        let mut builder = BatchBuilder::new(Compression::None);
        for (key, value) in rows {
            builder.push_plain(TimestampMs(1_700_000_000_000), key.map(str::as_bytes), Some(value.as_bytes()));
        }
        self.produce_batch(topic, partition, builder).await;
    }

    /// The headers of everything committed in a topic.
    pub async fn headers(&self, topic: &str) -> Vec<BTreeMap<String, String>> {
        let mut all = Vec::new();
        self.each(topic, |_, record| {
            let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
            all.push(record.headers.map(|(name, value)| (name.to_owned(), text(value))).collect());
        })
        .await;
        all
    }

    /// Everything committed in a topic: partition, key, value.
    pub async fn read(&self, topic: &str) -> Vec<(i32, Option<String>, String)> {
        let mut rows = Vec::new();
        self.each(topic, |partition, record| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            rows.push((partition, record.key.map(text), record.value.map(text).unwrap_or_default()));
        })
        .await;
        rows
    }

    async fn each(&self, topic: &str, mut then: impl FnMut(i32, Record<'_>)) {
        let cluster = self.cluster().await;
        let admin = Admin::new(cluster.clone());
        let partitions = admin.describe_topic(&TopicName::new(topic).unwrap()).await.expect("a broker").expect("the topic").partitions;
        let places: Vec<TopicPartition> = partitions.iter().map(|partition| at(topic, partition.0)).collect();
        let ends = admin.list_offsets(&places, OffsetAt::Latest, Isolation::ReadCommitted).await.expect("ends");
        let mut fetcher = Fetcher::new(cluster, FetchOptions::default());
        let mut missing: BTreeMap<TopicPartition, Offset> = BTreeMap::new();
        for (place, listed) in ends {
            if let Some(end) = listed.offset.filter(|end| *end > Offset::ZERO) {
                fetcher.assign([Position { partition: place.clone(), offset: Offset::ZERO, leader_epoch: LeaderEpoch(-1) }]);
                missing.insert(place, end);
            }
        }
        while !missing.is_empty() {
            let fetched = fetcher.next().await.expect("records");
            for (_, bytes) in &fetched.batches {
                for record in Records::decode(bytes, 64 << 20).expect("a batch").iter() {
                    then(fetched.partition.partition.0, record.expect("a record"));
                }
            }
            if missing.get(&fetched.partition).is_some_and(|end| fetched.next_offset >= *end) {
                missing.remove(&fetched.partition);
            }
        }
    }
}

/// Waits until the status is as wished.
pub async fn until(handle: &Handle, what: &str, is_so: impl Fn(&ActualPipeline) -> bool) -> ActualPipeline {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = handle.status();
        if is_so(&status) {
            return status;
        }
        assert!(Instant::now() < deadline, "{what} did not come about: {status:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until a topic has as many rows as wished, and returns them.
pub async fn rows(stack: &Stack, topic: &str, count: usize) -> Vec<(i32, Option<String>, String)> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let rows = stack.read(topic).await;
        if rows.len() >= count {
            return rows;
        }
        assert!(Instant::now() < deadline, "{topic} has {} rows of {count}: {rows:#?}", rows.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub async fn until_running(handle: &Handle) -> ActualPipeline {
    until(handle, "running", |status| status.phase == Phase::Running).await
}

pub fn at(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition { topic: TopicName::new(topic).expect("a name"), partition: PartitionId(partition) }
}

/// A JSON table: `name TYPE` columns, key columns, event time column with a watermark delay.
pub fn table(name: &str, columns: &[(&str, &str)], key: &[&str], event_time: Option<(&str, i64)>, partitions: i32) -> Table {
    Table {
        name: name.into(),
        topic: TopicName::new(name).expect("a name"),
        partitions,
        format: Format::Json,
        columns: columns
            .iter()
            .map(|(name, data_type)| control::Column {
                name: (*name).into(),
                data_type: (*data_type).into(),
                from: control::ColumnSource::Value,
            })
            .collect(),
        key: key.iter().map(|name| (*name).into()).collect(),
        event_time: event_time.map(|(column, delay)| control::EventTime {
            column: column.into(),
            watermark_delay: DurationMs(delay),
            idle_timeout: DurationMs(0),
        }),
    }
}

fn owner() -> Owner {
    Owner { kind: OwnerKind::Topic, object: ObjectRef { namespace: "default".into(), name: "test".into() } }
}

fn desired_topic(name: &str, partitions: i32) -> DesiredTopic {
    DesiredTopic {
        name: TopicName::new(name).expect("a name"),
        topic_id: None,
        partitions,
        retention: Retention { cleanup: Cleanup::Delete, ..Retention::default() },
        config: Vec::new(),
        owner: owner(),
        internal: name.starts_with("_sw."),
    }
}

fn desired_pipeline(name: &str, query: &str, tables: &[Table], files: &Path) -> DesiredPipeline {
    let layout = Layout::new("1c9e04d7", 1, 8).expect("a layout");
    let prefix = format!("_sw.default.{name}.{layout}");
    let plan = sql::plan(query, &catalog(tables), &sql::Limits::default()).unwrap_or_else(|error| panic!("{error}"));
    let topic = |stage: &str, purpose: InternalUse, partitions: i32| InternalTopic {
        name: TopicName::new(&format!("{prefix}.{stage}")).expect("a name"),
        purpose,
        partitions,
    };
    let mut internal_topics = vec![topic("state", InternalUse::State, if plan.stateful().next().is_some() { 8 } else { 1 })];
    for exchange in &plan.exchanges {
        let exchange = plan.nodes[exchange.aggregate].id.to_string();
        internal_topics.push(topic(&format!("exchange-{exchange}"), InternalUse::Exchange { exchange }, 8));
    }
    DesiredPipeline {
        generation: 1,
        pipeline: ObjectRef { namespace: "default".into(), name: name.into() },
        uid: "1c9e04d7-0000-0000-0000-000000000000".into(),
        store_prefix: format!("pipelines/default/{name}/{layout}"),
        layout,
        life: Life::Run,
        replicas: 1,
        query: query.into(),
        tables: tables.to_vec(),
        plan_hash: plan.hash.to_string(),
        group: GroupId::from(prefix.as_str()),
        transactional_id_prefix: prefix,
        internal_topics,
        dead_letters: TopicName::new(&format!("{name}-dead-letters")).expect("a name"),
        commit_interval: DurationMs(50),
        start_from: StartFrom::Earliest,
        files_root: Some(files.to_path_buf()),
    }
}

fn catalog(tables: &[Table]) -> sql::Catalog {
    let tables = tables.iter().map(|table| {
        let columns: Vec<sql::Column> = table
            .columns
            .iter()
            .map(|column| {
                let parsed = sql::types::parse(&column.data_type).expect("a type");
                sql::Column {
                    name: column.name.clone(),
                    data_type: parsed.data_type,
                    nullable: parsed.nullable,
                    from: sql::ColumnFrom::Value,
                }
            })
            .collect();
        let place = |name: &String| columns.iter().position(|column| column.name == *name).expect("a column");
        sql::Table {
            name: table.name.clone(),
            key: table.key.iter().map(place).collect(),
            event_time: table.event_time.as_ref().map(|declared| sql::EventTime {
                column: place(&declared.column),
                watermark_delay_ms: declared.watermark_delay.0,
                idle_timeout_ms: declared.idle_timeout.0,
            }),
            format: sql::Format::Json,
            topic: table.topic.clone(),
            partitions: table.partitions,
            columns,
        }
    });
    sql::Catalog { tables: tables.collect() }
}
