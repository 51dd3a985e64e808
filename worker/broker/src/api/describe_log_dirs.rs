//! DescribeLogDirs (35): what each partition takes on the volume.

use std::sync::Arc;

use units::PartitionId;
use wire::{DescribeLogDirsRequest, DescribeLogDirsResponse, Str, describe_log_dirs as d};

use crate::{catalogue::Topic, dispatch::Call};

pub(crate) async fn answer(call: Call, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse {
    let shared = &call.shared;
    let catalogue = shared.topics.now();
    let size = |topic: &Topic, partition: PartitionId| {
        let usage = shared.log.usage(topic.partition(partition)?).ok()?;
        let partition_size = i64::try_from(usage.local_bytes.0).unwrap_or(i64::MAX);
        Some(d::DescribeLogDirsPartition { partition_index: partition, partition_size, ..d::DescribeLogDirsPartition::default() })
    };
    let all = |topic: &Arc<Topic>, partitions: Vec<PartitionId>| d::DescribeLogDirsTopic {
        name: Str::from(topic.name.as_str()),
        partitions: partitions.into_iter().filter_map(|partition| size(topic, partition)).collect(),
    };
    let topics = match request.topics {
        // A Pipeline's inside is shown only to those who know its name.
        None => catalogue
            .topics()
            .filter(|topic| !topic.internal)
            .map(|topic| all(topic, (0..topic.partitions).map(PartitionId).collect()))
            .collect(),
        Some(wanted) => wanted.into_iter().filter_map(|wanted| Some(all(catalogue.get(&wanted.topic)?, wanted.partitions))).collect(),
    };
    let stats = shared.log.stats();
    let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let folder = d::DescribeLogDirsResult {
        log_dir: Str::from(shared.config.folder.display().to_string()),
        topics,
        total_bytes: bytes(stats.free_disk_bytes + stats.wal_bytes),
        usable_bytes: bytes(stats.free_disk_bytes),
        ..d::DescribeLogDirsResult::default()
    };
    DescribeLogDirsResponse { results: vec![folder], ..DescribeLogDirsResponse::default() }
}
