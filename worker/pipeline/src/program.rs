//! A plan as a pod runs it: which partitions are read by which stages, where state and rows for others are kept, and under which names.
//! Made once for a run and shared by driver and lanes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arrow::datatypes::{DataType, Field};
use commit::{DataLoss, ExchangeIndex, HashPartition, Input, SourceIndex};
use control::{DesiredPipeline, InternalUse};
use flow::{hash::hash_partition, watermark::Upstream, window::FinalAggregate};
use sql::{FileTable, Operator, Plan, SourceFrom};
use state::{OperatorId, OperatorSchema, state_columns};
use units::{PartitionId, TopicName, TopicPartition};

use crate::topics::Found;

/// Where the pipeline's [`crate::status::Standing`] is kept: an operator that no plan can have (FNV-1a of "streamwright.counters").
pub(crate) const STANDING: OperatorId = OperatorId(0x0ad7_6f29_6b07_9b6d);

/// A partition of a topic that the plan reads.
#[derive(Clone, Debug)]
pub(crate) struct SourcePartition {
    pub(crate) at: TopicPartition,
    /// Position in [`Program::topics`].
    pub(crate) topic: usize,
}

/// A topic that the plan reads; it may feed several stages, each with its own columns.
#[derive(Clone, Debug)]
pub(crate) struct SourceTopic {
    /// As the query names it.
    pub(crate) table: String,
    pub(crate) topic: TopicName,
    /// Stages whose root reads it.
    pub(crate) stages: Vec<usize>,
    pub(crate) watermark_delay_ms: i64,
    pub(crate) idle_timeout_ms: i64,
}

/// A file that the plan reads.
#[derive(Clone, Debug)]
pub(crate) struct SourceFile {
    pub(crate) stage: usize,
    pub(crate) table: Arc<FileTable>,
    pub(crate) operator: OperatorId,
    /// The hash partition that keeps its position.
    pub(crate) hash: HashPartition,
    /// Its name among a state record's positions.
    pub(crate) upstream: Arc<str>,
}

/// A window aggregate behind its exchange.
#[derive(Clone, Debug)]
pub(crate) struct Aggregate {
    pub(crate) node: usize,
    /// The stage of which it is the root.
    pub(crate) stage: usize,
    pub(crate) operator: OperatorId,
    /// Everything rows come to it from, through the stages that feed its exchange.
    pub(crate) upstreams: Vec<Upstream>,
    /// Topic for rows from other pods.
    pub(crate) topic: Option<TopicName>,
}

/// A sink.
#[derive(Clone, Debug)]
pub(crate) struct Sink {
    pub(crate) node: usize,
    pub(crate) topic: TopicName,
    pub(crate) partitions: i32,
    /// The largest batch that the topic takes.
    pub(crate) batch_bytes_max: usize,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) plan: Plan,
    pub(crate) desired: DesiredPipeline,
    pub(crate) layout: Arc<str>,
    pub(crate) hash_partitions: u32,
    pub(crate) state_topic: Option<TopicName>,
    /// Whether there is more state than positions and standing, so that it is checkpointed; else each commit says all there is, and nothing
    /// is ever asked of the object store.
    pub(crate) keeps_state: bool,
    pub(crate) sources: Vec<SourcePartition>,
    index_of_source: BTreeMap<TopicPartition, SourceIndex>,
    pub(crate) topics: Vec<SourceTopic>,
    pub(crate) files: Vec<SourceFile>,
    pub(crate) aggregates: Vec<Aggregate>,
    pub(crate) sinks: Vec<Sink>,
    pub(crate) schemas: Arc<BTreeMap<OperatorId, OperatorSchema>>,
    /// How far a source partition may run ahead of the slowest in event time, in milliseconds.
    pub(crate) most_ahead_ms: i64,
}

/// A source partition may always be so much ahead of others.
const AHEAD_MS_LEAST: i64 = 3_600_000;
/// It may be ahead by so many of the plan's greatest windows.
const AHEAD_WINDOWS: i64 = 4;

/// A plan cannot be run by this version: a bug, since the planner lets nothing through that cannot.
#[derive(Debug, thiserror::Error)]
#[error("the plan cannot be run: {0}")]
pub(crate) struct ProgramError(pub(crate) String);

impl Program {
    /// `found` has every topic of [`topics_of`].
    pub(crate) fn new(desired: DesiredPipeline, plan: Plan, found: &Found) -> Result<Self, ProgramError> {
        let partitions = &found.partitions;
        let state_topic = desired.state_topic().map(|topic| topic.name.clone());
        let hash_partitions = desired.state_topic().map_or(1, |topic| u32::try_from(topic.partitions).unwrap_or(1));
        let (topics, sources) = source_topics(&plan, partitions);
        let index_of_source = (0..).map(SourceIndex).zip(&sources).map(|(index, source)| (source.at.clone(), index)).collect();
        let files = source_files(&plan, hash_partitions);
        let aggregates = aggregates(&plan, &desired, &topics, &sources, hash_partitions);
        let sink = |(node, sink): (usize, &sql::Sink)| Sink {
            node,
            topic: sink.table.topic.clone(),
            partitions: partitions.get(&sink.table.topic).copied().unwrap_or(sink.table.partitions),
            batch_bytes_max: found.batch_bytes_max(&sink.table.topic),
        };
        let sinks = plan.sinks().map(sink).collect();
        let schemas = Arc::new(schemas(&plan, &aggregates, &files, hash_partitions)?);
        let layout = desired.layout.to_string().into();
        let greatest = plan.aggregates().map(|(_, aggregate)| aggregate.windows.window().size_ms).max().unwrap_or(0);
        let most_ahead_ms = greatest.saturating_mul(AHEAD_WINDOWS).max(AHEAD_MS_LEAST);
        Ok(Self {
            keeps_state: !aggregates.is_empty() || !files.is_empty(),
            plan,
            layout,
            hash_partitions,
            state_topic,
            sources,
            index_of_source,
            topics,
            files,
            aggregates,
            sinks,
            schemas,
            most_ahead_ms,
            desired,
        })
    }

    /// Whether nothing is ever to come once the files are read.
    pub(crate) fn is_bounded(&self) -> bool {
        self.sources.is_empty()
    }

    /// The log partition of an input; `None` for state of a pipeline that keeps none in the log.
    pub(crate) fn place(&self, input: Input) -> Option<TopicPartition> {
        let at = |topic: &TopicName, partition: u32| TopicPartition {
            topic: topic.clone(),
            partition: PartitionId(i32::try_from(partition).unwrap_or(i32::MAX)),
        };
        match input {
            Input::Source(SourceIndex(index)) => self.sources.get(index as usize).map(|source| source.at.clone()),
            Input::Exchange(ExchangeIndex(exchange), HashPartition(k)) => {
                self.aggregates.get(exchange as usize)?.topic.as_ref().map(|topic| at(topic, k))
            }
            Input::State(HashPartition(k)) => self.state_topic.as_ref().map(|topic| at(topic, k)),
        }
    }

    /// The input that lies in a log partition.
    pub(crate) fn input(&self, at: &TopicPartition) -> Option<Input> {
        let k = || u32::try_from(at.partition.0).ok().map(HashPartition);
        if self.state_topic.as_ref() == Some(&at.topic) {
            return Some(Input::State(k()?));
        }
        if let Some(index) = self.aggregates.iter().position(|aggregate| aggregate.topic.as_ref() == Some(&at.topic)) {
            return Some(Input::Exchange(ExchangeIndex(u32::try_from(index).ok()?), k()?));
        }
        self.source(at).map(Input::Source)
    }

    /// The source partition of this name.
    pub(crate) fn source(&self, at: &TopicPartition) -> Option<SourceIndex> {
        self.index_of_source.get(at).copied()
    }

    /// What was lost, by the names that people know, and what to do.
    pub(crate) fn in_words(&self, loss: &DataLoss) -> String {
        let name = |input: Input| self.place(input).map_or_else(|| input.to_string(), |at| at.to_string());
        let what = match loss {
            DataLoss::StateBehind { hash, state, group } => {
                let at = name(Input::State(*hash));
                format!(
                    "{at} ends at commit {} of this pipeline, but its group's offsets know commit {}: the topic has lost records",
                    state.0, group.0
                )
            }
            DataLoss::PositionAhead { input, group, state } => {
                format!("{}: the group's offset is {group}, but the state has seen rows only up to {state}", name(*input))
            }
            DataLoss::RecordsGone { input, needed, log_start, log_end } => {
                let at = name(*input);
                format!("{at}: records from offset {needed} on were not read yet, but the topic holds only {log_start} to {log_end}")
            }
            DataLoss::Trimmed { hash, log_start, needed } => {
                format!("{} starts at offset {log_start}, but its records from {needed} on are needed", name(Input::State(*hash)))
            }
        };
        format!("{what}; nothing is skipped: bring the data back, or let the pipeline begin anew with allowStateLoss")
    }

    /// The lane of each hash partition, of so many lanes: contiguous ranges.
    pub(crate) fn lanes_of_hashes(&self, lanes: usize) -> Vec<usize> {
        (0..self.hash_partitions as usize).map(|k| k * lanes / self.hash_partitions as usize).collect()
    }
}

/// Every topic that the plan reads or writes, its own and dead letters aside.
pub(crate) fn topics_of(plan: &Plan) -> BTreeSet<TopicName> {
    let read = plan.sources().filter_map(|(_, source)| match &source.from {
        SourceFrom::Topic(table) => Some(table.topic.clone()),
        SourceFrom::File(_) => None,
    });
    read.chain(plan.sinks().map(|(_, sink)| sink.table.topic.clone())).collect()
}

fn source_topics(plan: &Plan, partitions: &BTreeMap<TopicName, i32>) -> (Vec<SourceTopic>, Vec<SourcePartition>) {
    let mut topics: BTreeMap<TopicName, SourceTopic> = BTreeMap::new();
    let mut counts: BTreeMap<TopicName, i32> = BTreeMap::new();
    for (stage, root) in plan.stages.iter().enumerate().map(|(index, stage)| (index, stage.root)) {
        let Operator::Source(sql::Source { from: SourceFrom::Topic(table), .. }) = &plan.nodes[root].operator else { continue };
        let event_time = table.event_time.as_ref();
        let new = || SourceTopic {
            table: table.name.clone(),
            topic: table.topic.clone(),
            stages: Vec::new(),
            watermark_delay_ms: event_time.map_or(0, |event_time| event_time.watermark_delay_ms),
            idle_timeout_ms: event_time.map_or(0, |event_time| event_time.idle_timeout_ms),
        };
        topics.entry(table.topic.clone()).or_insert_with(new).stages.push(stage);
        counts.insert(table.topic.clone(), partitions.get(&table.topic).copied().unwrap_or(table.partitions));
    }
    let topics: Vec<SourceTopic> = topics.into_values().collect();
    let mut sources = Vec::new();
    for (index, topic) in topics.iter().enumerate() {
        let at = |partition| TopicPartition { topic: topic.topic.clone(), partition: PartitionId(partition) };
        sources.extend((0..counts[&topic.topic]).map(|partition| SourcePartition { at: at(partition), topic: index }));
    }
    (topics, sources)
}

fn source_files(plan: &Plan, hash_partitions: u32) -> Vec<SourceFile> {
    let file = |(stage, root): (usize, usize)| {
        let node = &plan.nodes[root];
        let Operator::Source(sql::Source { from: SourceFrom::File(table), .. }) = &node.operator else { return None };
        Some(SourceFile {
            stage,
            table: Arc::clone(table),
            operator: OperatorId(node.id.as_u64()),
            hash: HashPartition(hash_partition(node.id.as_u64(), hash_partitions)),
            upstream: format!("file-{}", node.id).into(),
        })
    };
    plan.stages.iter().enumerate().map(|(index, stage)| (index, stage.root)).filter_map(file).collect()
}

fn aggregates(
    plan: &Plan,
    desired: &DesiredPipeline,
    topics: &[SourceTopic],
    sources: &[SourcePartition],
    hash_partitions: u32,
) -> Vec<Aggregate> {
    let upstreams_of = |stage: usize| -> Vec<Upstream> {
        let root = plan.stages[stage].root;
        let node = u32::try_from(root).unwrap_or(u32::MAX);
        let count = match &plan.nodes[root].operator {
            Operator::Source(sql::Source { from: SourceFrom::Topic(table), .. }) => {
                let of_topic = |source: &&SourcePartition| topics[source.topic].topic == table.topic;
                u32::try_from(sources.iter().filter(of_topic).count()).unwrap_or(u32::MAX)
            }
            Operator::Source(_) => 1,
            _ => hash_partitions,
        };
        (0..count).map(|partition| Upstream { node, partition }).collect()
    };
    let aggregate = |exchange: &sql::Exchange| {
        let id = plan.nodes[exchange.aggregate].id;
        let topic = desired.internal_topics.iter().find(|topic| match &topic.purpose {
            InternalUse::Exchange { exchange } => *exchange == id.to_string(),
            InternalUse::State => false,
        });
        Aggregate {
            node: exchange.aggregate,
            stage: plan.stages.iter().position(|stage| stage.root == exchange.aggregate).expect("an aggregate is the root of a stage"),
            operator: OperatorId(id.as_u64()),
            upstreams: exchange.stages.iter().flat_map(|&stage| upstreams_of(stage)).collect(),
            topic: topic.map(|topic| topic.name.clone()),
        }
    };
    plan.exchanges.iter().map(aggregate).collect()
}

fn schemas(
    plan: &Plan,
    aggregates: &[Aggregate],
    files: &[SourceFile],
    hash_partitions: u32,
) -> Result<BTreeMap<OperatorId, OperatorSchema>, ProgramError> {
    let failed = |error: &dyn std::fmt::Display| ProgramError(error.to_string());
    let mut schemas = BTreeMap::new();
    for aggregate in aggregates {
        let shape = FinalAggregate::new(&plan.nodes[aggregate.node], hash_partitions).map_err(|error| failed(&error))?.delta_shape();
        let schema = OperatorSchema::new(aggregate.operator, shape.columns, shape.key, Some(shape.expires));
        schemas.insert(aggregate.operator, schema.map_err(|error| failed(&error))?);
    }
    // Positions of files and the standing are notes: these operators have no rows, and still need columns.
    for operator in files.iter().map(|file| file.operator).chain([STANDING]) {
        let columns = state_columns([Field::new("nothing", DataType::Int64, false)]);
        schemas.insert(operator, OperatorSchema::new(operator, columns, vec![2], None).map_err(|error| failed(&error))?);
    }
    Ok(schemas)
}
