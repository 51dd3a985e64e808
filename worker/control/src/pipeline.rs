//! A pipeline: what its pods shall run and under which names, and what they say back.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use units::{ByteCount, DurationMs, GroupId, TimestampMs, TopicName, TransactionalId};

use crate::{Layout, ObjectRef, PipelineProblem, Table};

/// Whether a pipeline shall run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Life {
    /// It runs.
    Run,
    /// A last commit, then it holds still; state and names stay. Both `suspend: true` and `replicas: 0`.
    Suspend,
    /// What was read is committed, then it leaves its group for good (`deletionPolicy: Drain`).
    Drain,
    /// It stops at once, without a last commit (`deletionPolicy: Immediate`).
    Stop,
}

/// Where a source is read from when it has no committed position yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum StartFrom {
    /// The log start.
    #[default]
    Earliest,
    /// The log end.
    Latest,
    /// The first record at or after this time.
    Timestamp(TimestampMs),
}

/// What an internal topic is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum InternalUse {
    /// Claims, state deltas, positions and names of checkpoints: partition *k* is hash partition *k*. Where the query keeps no rows there
    /// is one, of positions and counters.
    State,
    /// Rows on their way to the owner of hash partition *k*.
    Exchange {
        /// Id of the plan's exchange, stable across plans that share the sub-plan.
        exchange: String,
    },
}

/// A topic of the pipeline's own, `_sw.<namespace>.<name>.<layout>.<stage>`. The broker has it before the pipeline is told to run
/// (on a foreign Kafka the pods make it). No retention: its owner trims it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InternalTopic {
    /// Kafka's name.
    pub name: TopicName,
    /// What it is for.
    pub purpose: InternalUse,
    /// Number of partitions: the layout's `maxParallelism`; 1 for the state of a query that keeps no rows.
    pub partitions: i32,
}

/// All that a pod of a pipeline needs to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredPipeline {
    /// Number of this state; a pod follows the highest it has seen.
    pub generation: u64,
    /// Namespace and name of the Pipeline.
    pub pipeline: ObjectRef,
    /// Its `metadata.uid`.
    pub uid: String,
    /// The part of every name that tells this life of the Pipeline from others.
    pub layout: Layout,
    /// Whether it shall run.
    pub life: Life,
    /// Number of pods.
    pub replicas: u32,
    /// Streaming SQL, at most 128 KiB. `sql::plan` of it with `tables` is what runs.
    pub query: String,
    /// The tables that the query reads and writes, and no others, sorted by name.
    pub tables: Vec<Table>,
    /// Hash of the plan that the planner of the control plane made, in hexadecimal: shown in status, compared for upgrades.
    pub plan_hash: String,
    /// Consumer group of all pods.
    pub group: GroupId,
    /// Prefix of the transactional ids; see [`DesiredPipeline::transactional_id`].
    pub transactional_id_prefix: String,
    /// Its own topics: one for state, one for each exchange of the plan.
    pub internal_topics: Vec<InternalTopic>,
    /// Where rows go that cannot be decoded or computed.
    pub dead_letters: TopicName,
    /// Time between commits; the pipeline lengthens it by itself when commits get dear.
    pub commit_interval: DurationMs,
    /// Where a source without a committed position starts.
    pub start_from: StartFrom,
    /// The folder below which `'connector' = 'filesystem'` may read; `None`: nowhere.
    pub files_root: Option<PathBuf>,
    /// Prefix of its objects, without a slash at the end: `pipelines/<namespace>/<name>/<layout>`.
    pub store_prefix: String,
}

impl DesiredPipeline {
    /// The transactional id of pod number `ordinal`; also its static `group.instance.id`.
    #[must_use]
    pub fn transactional_id(&self, ordinal: u32) -> TransactionalId {
        TransactionalId::from(format!("{}.{ordinal}", self.transactional_id_prefix).as_str())
    }

    /// The topic of claims, positions and state deltas; `None` where the control plane gave none, and the group's offsets are the only
    /// witness of positions.
    #[must_use]
    pub fn state_topic(&self) -> Option<&InternalTopic> {
        self.internal_topics.iter().find(|topic| topic.purpose == InternalUse::State)
    }
}

/// Where a pipeline stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// Planning, connecting, joining the group.
    Starting,
    /// Reading state back.
    Restoring,
    /// Processing.
    Running,
    /// Holding still, state kept.
    Suspended,
    /// Every source is bounded and has ended, and all is committed.
    Finished,
    /// Committing for the last time.
    Draining,
    /// Gone from its group.
    Stopped,
    /// Not processing; see [`ActualPipeline::problem`].
    Failed,
}

/// How far one source has been read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceProgress {
    /// The table.
    pub table: String,
    /// Rows read since the pod started.
    pub rows: u64,
    /// Rows behind the log end; `None` where not known (a file).
    pub lag_records: Option<u64>,
    /// For a file: bytes read of it (compressed ones where it is compressed), over all runs.
    pub read: Option<ByteCount>,
    /// For a file: its size.
    pub size: Option<ByteCount>,
    /// Whether it is bounded and has been read to its end.
    pub finished: bool,
    /// Partitions left out of the watermark because they are idle, in order.
    pub idle_partitions: Vec<i32>,
}

/// What the pods of a pipeline say, merged: sums of counts, the furthest behind of times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActualPipeline {
    /// Namespace and name of the Pipeline.
    pub pipeline: ObjectRef,
    /// The [`DesiredPipeline::generation`] that is followed; 0 before the first.
    pub generation: u64,
    /// The layout that runs.
    pub layout: Layout,
    /// Hash of the plan that runs, in hexadecimal.
    pub plan_hash: String,
    /// Where it stands.
    pub phase: Phase,
    /// What is wrong; it may run all the same (`CheckpointFailing`).
    pub problem: Option<PipelineProblem>,
    /// Pods that are members of the group and process.
    pub ready_replicas: u32,
    /// Age of the oldest record not yet committed as processed; `None` before it is known.
    pub lag: Option<DurationMs>,
    /// Event time up to which results are final; `None` before the first row.
    pub watermark: Option<TimestampMs>,
    /// When the last commit succeeded.
    pub last_commit: Option<TimestampMs>,
    /// When the last checkpoint's manifest was committed.
    pub last_checkpoint: Option<TimestampMs>,
    /// Bytes of keyed state.
    pub state_bytes: ByteCount,
    /// Bytes of state deltas in the log that no checkpoint has folded yet.
    pub unfolded_bytes: ByteCount,
    /// Since when checkpoints have failed without a success between; `None` while they succeed.
    pub checkpoint_failing_since: Option<TimestampMs>,
    /// Rows that came after their window was final, over the life of the layout.
    pub late_rows: u64,
    /// Rows sent to the dead-letter topic, over the life of the layout.
    pub dead_letters: u64,
    /// Rows read since the pods started.
    pub rows_in: u64,
    /// Rows written since the pods started.
    pub rows_out: u64,
    /// Each source, sorted by table.
    pub sources: Vec<SourceProgress>,
}

impl ActualPipeline {
    /// One that was told `desired`, follows nothing yet, and has read and written nothing.
    #[must_use]
    pub fn new(desired: &DesiredPipeline, phase: Phase) -> Self {
        Self {
            pipeline: desired.pipeline.clone(),
            generation: 0,
            layout: desired.layout.clone(),
            plan_hash: desired.plan_hash.clone(),
            phase,
            problem: None,
            ready_replicas: 0,
            lag: None,
            watermark: None,
            last_commit: None,
            last_checkpoint: None,
            state_bytes: ByteCount(0),
            unfolded_bytes: ByteCount(0),
            checkpoint_failing_since: None,
            late_rows: 0,
            dead_letters: 0,
            rows_in: 0,
            rows_out: 0,
            sources: Vec::new(),
        }
    }
}
