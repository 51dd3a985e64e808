//! What one lane has written for sinks since the last cut: record batches by topic and partition, ready but for the producer's stamp.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use flow::format::{BadRow, EncodeError, Encoder};
use records::{BatchBuilder, Compression};
use units::{PartitionId, TimestampMs, TopicName, TopicPartition};

use crate::{murmur2, program::Sink};

/// A batch is closed before it grows beyond this, or beyond what its topic takes.
const BATCH_BYTES: usize = 384 << 10;
/// What a batch with one record has besides key and value, at most.
const OVERHEAD_BYTES: usize = 96;

/// One sink of a plan on one lane.
#[derive(Debug)]
struct Target {
    topic: TopicName,
    partitions: i32,
    batch_bytes_max: usize,
    encoder: Encoder,
}

impl Target {
    /// Why the topic takes no batch with this record.
    fn refuses(&self, timestamp: TimestampMs, key: Option<&[u8]>, value: &[u8]) -> Option<String> {
        let bytes = key.map_or(0, <[u8]>::len) + value.len();
        if bytes + OVERHEAD_BYTES <= self.batch_bytes_max {
            return None;
        }
        let alone = BatchBuilder::new(Compression::None).push_plain(timestamp, key, Some(value));
        let Self { topic, batch_bytes_max, .. } = self;
        (alone > *batch_bytes_max)
            .then(|| format!("the row is a record of {bytes} bytes, and topic {topic} takes {batch_bytes_max} (max.message.bytes)"))
    }
}

/// Batches of all sinks.
#[derive(Debug)]
pub(crate) struct Outputs {
    /// By the sink's node.
    targets: BTreeMap<usize, Target>,
    current: BTreeMap<(TopicName, i32), BatchBuilder>,
    full: Vec<(TopicPartition, Vec<u8>)>,
    rows: u64,
}

/// What came of a batch of rows.
pub(crate) struct Written {
    pub(crate) bytes: usize,
    pub(crate) bad: Vec<BadRow>,
}

impl Outputs {
    pub(crate) fn new(sinks: &[Sink], plan: &sql::Plan) -> Result<Self, EncodeError> {
        let target = |sink: &Sink| {
            let node = &plan.nodes[sink.node];
            let sql::Operator::Sink(operator) = &node.operator else { unreachable!("listed as a sink") };
            let input = &plan.nodes[node.inputs[0]].schema;
            let encoder = Encoder::new(operator, input)?;
            let (topic, partitions, batch_bytes_max) = (sink.topic.clone(), sink.partitions, sink.batch_bytes_max);
            Ok((sink.node, Target { topic, partitions, batch_bytes_max, encoder }))
        };
        let targets = sinks.iter().map(target).collect::<Result<_, EncodeError>>()?;
        Ok(Self { targets, current: BTreeMap::new(), full: Vec::new(), rows: 0 })
    }

    /// Writes rows to the sink of this node. Keyed records go where their key's hash says, others to `partition` of however many there
    /// are; a record without a time of its own gets `now_ms`.
    pub(crate) fn write(&mut self, sink: usize, rows: &RecordBatch, partition: i32, now_ms: i64) -> Result<Written, EncodeError> {
        let target = &self.targets[&sink];
        let mut encoded = target.encoder.encode(rows)?;
        let mut bad = std::mem::take(&mut encoded.bad);
        let (mut bytes, mut written) = (0, 0);
        let batch_bytes = BATCH_BYTES.min(target.batch_bytes_max);
        for index in 0..encoded.len() {
            let key = encoded.key(index);
            let partition =
                key.map_or_else(|| partition.rem_euclid(target.partitions), |key| murmur2::partition_of(key, target.partitions));
            let timestamp = encoded.timestamps_ms.as_ref().map_or(now_ms, |times| times[index]);
            let value = encoded.values.get(index);
            if let Some(reason) = target.refuses(TimestampMs(timestamp), key, value) {
                bad.push(BadRow { index: encoded.origin[index], reason });
                continue;
            }
            let place = (target.topic.clone(), partition);
            let builder = self.current.entry(place).or_insert_with(|| BatchBuilder::new(Compression::None));
            let before = builder.bytes();
            if !builder.is_empty() && before + value.len() + key.map_or(0, <[u8]>::len) + OVERHEAD_BYTES > batch_bytes {
                let full = std::mem::replace(builder, BatchBuilder::new(Compression::None));
                self.full.push((at(&target.topic, partition), full.finish()));
            }
            let before = builder.bytes();
            bytes += builder.push_plain(TimestampMs(timestamp), key, Some(value)) - before;
            written += 1;
        }
        self.rows += written;
        Ok(Written { bytes, bad })
    }

    /// All batches, those of one partition in order, and how many rows are in them.
    pub(crate) fn take(&mut self) -> (Vec<(TopicPartition, Vec<u8>)>, u64) {
        let mut batches = std::mem::take(&mut self.full);
        let current = std::mem::take(&mut self.current).into_iter().filter(|(_, builder)| !builder.is_empty());
        batches.extend(current.map(|((topic, partition), builder)| (at(&topic, partition), builder.finish())));
        (batches, std::mem::take(&mut self.rows))
    }
}

fn at(topic: &TopicName, partition: i32) -> TopicPartition {
    TopicPartition { topic: topic.clone(), partition: PartitionId(partition) }
}
