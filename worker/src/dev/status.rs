//! `status.json`: what is, for people, tests and the table. Written about once a second when something changed, whole or not at all.
//!
//! | key | what |
//! |---|---|
//! | `version` | of this format: 1; keys are added, never changed |
//! | `pid`, `kafka`, `clusterId`, `incarnation`, `manifests` | the process, its address, Kafka's cluster id, how often the broker has started, the folder |
//! | `topics[]` | `namespace`, `name` (Kafka's), `object` (what declares it), `partitions`, `offsets` (from log start to log end: records, and the markers of transactions), `recordsPerSecond` (offsets a second), `hotBytes`, `sealedBytes` |
//! | `pipelines[]` | `namespace`, `name`, `phase`, `reason`, `message`, `layout`, `records` (read since start), `recordsOut`, `recordsPerSecond`, `lagSeconds`, `watermark`, `lastCommitTime`, `lastCheckpointTime`, `stateBytes`, `lateRows`, `deadLetters`, `progress[]` |
//! | `pipelines[].progress[]` | `table`, `rows`, `lagRecords`, `readBytes`, `sizeBytes`, `finished` |
//! | `objects[]` | `kind`, `namespace`, `name`, `file`, `generation`, `conditions[]` as in Kubernetes |
//! | `problems[]` | sentences: what is wrong with manifests, by file, line and column; what is wrong with the volume |
//!
//! Times are RFC 3339 in UTC to the millisecond, or null where there is none. `phase` is one of `control::Phase`, or `Waiting` where nothing runs yet.

use control::{ActualBroker, ActualPipeline, ObjectRef, SourceProgress};
use crds::{Condition, ConditionType, Kind, Timestamp};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::Path, time::Instant};
use units::TimestampMs;

use super::{
    objects::{Accepted, Objects},
    rates::Rates,
};

/// The file's name in the data folder.
pub(crate) const FILE: &str = "status.json";

/// All of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Overview {
    pub(crate) version: u32,
    pub(crate) pid: u32,
    pub(crate) kafka: String,
    pub(crate) cluster_id: String,
    pub(crate) incarnation: u32,
    pub(crate) manifests: String,
    pub(crate) topics: Vec<TopicLine>,
    pub(crate) pipelines: Vec<PipelineLine>,
    pub(crate) objects: Vec<ObjectLine>,
    pub(crate) problems: Vec<String>,
}

/// A topic that people see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TopicLine {
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// `Topic default/flights`, `Pipeline default/load` (its dead letters); null for one that a client made or that was released.
    pub(crate) object: Option<String>,
    pub(crate) partitions: i32,
    pub(crate) offsets: u64,
    pub(crate) records_per_second: u64,
    pub(crate) hot_bytes: u64,
    pub(crate) sealed_bytes: u64,
}

/// A pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PipelineLine {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) phase: String,
    pub(crate) reason: String,
    pub(crate) message: String,
    pub(crate) layout: Option<String>,
    pub(crate) records: u64,
    pub(crate) records_out: u64,
    pub(crate) records_per_second: u64,
    pub(crate) lag_seconds: Option<f64>,
    pub(crate) watermark: Option<String>,
    pub(crate) last_commit_time: Option<String>,
    pub(crate) last_checkpoint_time: Option<String>,
    pub(crate) state_bytes: u64,
    pub(crate) late_rows: u64,
    pub(crate) dead_letters: u64,
    pub(crate) progress: Vec<Progress>,
}

/// How far a source was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Progress {
    pub(crate) table: String,
    pub(crate) rows: u64,
    pub(crate) lag_records: Option<u64>,
    pub(crate) read_bytes: Option<u64>,
    pub(crate) size_bytes: Option<u64>,
    pub(crate) finished: bool,
}

/// An object and its conditions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ObjectLine {
    pub(crate) kind: Kind,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) file: String,
    pub(crate) generation: i64,
    pub(crate) conditions: Vec<Condition>,
}

impl ObjectLine {
    /// The condition of this type.
    pub(crate) fn condition(&self, wanted: ConditionType) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.is(wanted))
    }
}

/// What an overview is made of.
pub(crate) struct Sources<'a> {
    pub(crate) manifests: &'a Path,
    pub(crate) objects: &'a Objects,
    pub(crate) broker: &'a ActualBroker,
    pub(crate) kafka: String,
    pub(crate) running: &'a BTreeMap<ObjectRef, ActualPipeline>,
    pub(crate) problems: Vec<String>,
    pub(crate) now: Instant,
}

impl Overview {
    /// Puts it together.
    pub(crate) fn of(sources: Sources<'_>, rates: &mut Rates) -> Self {
        let objects: Vec<ObjectLine> = sources.objects.iter().map(object).collect();
        let declared = objects.iter().filter(|one| one.kind == Kind::Pipeline);
        let pipelines = declared.map(|declared| {
            let name = ObjectRef { namespace: declared.namespace.clone(), name: declared.name.clone() };
            pipeline(declared, sources.running.get(&name), rates, sources.now)
        });
        let pipelines = pipelines.collect();
        let visible = sources.broker.topics.iter().filter(|topic| !topic.internal);
        let topics = visible.map(|topic| topic_line(topic, rates, sources.now)).collect();
        Self {
            version: 1,
            pid: std::process::id(),
            kafka: sources.kafka.clone(),
            cluster_id: sources.broker.cluster_id.clone(),
            incarnation: sources.broker.incarnation.0,
            manifests: sources.manifests.display().to_string(),
            topics,
            pipelines,
            objects,
            problems: sources.problems,
        }
    }
}

fn topic_line(topic: &control::ActualTopic, rates: &mut Rates, now: Instant) -> TopicLine {
    TopicLine {
        namespace: topic.owner.as_ref().map_or_else(|| "default".into(), |owner| owner.object.namespace.clone()),
        name: topic.name.to_string(),
        object: topic.owner.as_ref().map(ToString::to_string),
        partitions: topic.partitions,
        offsets: topic.records,
        records_per_second: rates.look(&format!("topic/{}", topic.name), topic.records_appended, now),
        hot_bytes: topic.local_bytes.0,
        sealed_bytes: topic.object_bytes.0,
    }
}

fn pipeline(declared: &ObjectLine, running: Option<&ActualPipeline>, rates: &mut Rates, now: Instant) -> PipelineLine {
    let ready = declared.condition(ConditionType::Ready);
    let count = |of: fn(&ActualPipeline) -> u64| running.map_or(0, of);
    let time = |of: fn(&ActualPipeline) -> Option<TimestampMs>| running.and_then(of).and_then(time_text);
    PipelineLine {
        namespace: declared.namespace.clone(),
        name: declared.name.clone(),
        phase: running.map_or_else(|| "Waiting".into(), |running| format!("{:?}", running.phase)),
        reason: ready.map(|ready| ready.reason.clone()).unwrap_or_default(),
        message: ready.map(|ready| ready.message.clone()).unwrap_or_default(),
        layout: running.map(|running| running.layout.to_string()),
        records: count(|running| running.rows_in),
        records_out: count(|running| running.rows_out),
        records_per_second: rates.look(
            &format!("pipeline/{}/{}", declared.namespace, declared.name),
            count(|running| running.rows_in),
            now,
        ),
        lag_seconds: running.and_then(|running| running.lag).map(|lag| lag.0 as f64 / 1000.0),
        watermark: time(|running| running.watermark),
        last_commit_time: time(|running| running.last_commit),
        last_checkpoint_time: time(|running| running.last_checkpoint),
        state_bytes: count(|running| running.state_bytes.0),
        late_rows: count(|running| running.late_rows),
        dead_letters: count(|running| running.dead_letters),
        progress: running.map(|running| running.sources.iter().map(progress).collect()).unwrap_or_default(),
    }
}

fn progress(source: &SourceProgress) -> Progress {
    Progress {
        table: source.table.clone(),
        rows: source.rows,
        lag_records: source.lag_records,
        read_bytes: source.read.map(|bytes| bytes.0),
        size_bytes: source.size.map(|bytes| bytes.0),
        finished: source.finished,
    }
}

fn object(accepted: &Accepted) -> ObjectLine {
    let name = accepted.name();
    let conditions = accepted.object["status"]["conditions"].clone();
    ObjectLine {
        kind: accepted.kind,
        namespace: name.namespace,
        name: name.name,
        file: accepted.file.display().to_string(),
        generation: accepted.object["metadata"]["generation"].as_i64().unwrap_or_default(),
        conditions: serde_json::from_value(conditions).unwrap_or_default(),
    }
}

fn time_text(time: TimestampMs) -> Option<String> {
    Timestamp::from_millisecond(time.0).ok().map(|time| format!("{time:.3}"))
}
