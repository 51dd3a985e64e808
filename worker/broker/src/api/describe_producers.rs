//! DescribeProducers (61): who writes to a partition, and since where its transaction is open (KIP-664).

use units::{Offset, PartitionId};
use wire::{DescribeProducersRequest, DescribeProducersResponse, ErrorCode, describe_producers as d};

use crate::{dispatch::Call, errors};

pub(crate) async fn answer(call: Call, request: DescribeProducersRequest) -> DescribeProducersResponse {
    let described = |topic: d::TopicRequest| {
        let partitions = topic.partition_indexes.iter().map(|partition| match producers(&call, &topic.name, *partition) {
            Ok(active_producers) => {
                d::PartitionResponse { partition_index: *partition, active_producers, ..d::PartitionResponse::default() }
            }
            Err(error_code) => d::PartitionResponse { partition_index: *partition, error_code, ..d::PartitionResponse::default() },
        });
        d::TopicResponse { partitions: partitions.collect(), name: topic.name.clone() }
    };
    DescribeProducersResponse { topics: request.topics.into_iter().map(described).collect(), ..DescribeProducersResponse::default() }
}

fn producers(call: &Call, topic: &str, partition: PartitionId) -> Result<Vec<d::ProducerState>, ErrorCode> {
    let catalogue = call.shared.topics.now();
    let partition = catalogue.get(topic).and_then(|topic| topic.partition(partition)).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let known = call.shared.log.producers(partition).map_err(|error| errors::of_read(&error))?;
    let state = |producer: log::ProducerState| d::ProducerState {
        producer_id: producer.producer_id,
        producer_epoch: i32::from(producer.producer_epoch.0),
        last_sequence: producer.last_sequence,
        last_timestamp: producer.last_timestamp,
        coordinator_epoch: producer.coordinator_epoch,
        current_txn_start_offset: producer.transaction_start.unwrap_or(Offset(-1)),
    };
    Ok(known.into_iter().map(state).collect())
}
