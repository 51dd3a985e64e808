//! WriteTxnMarkers (27): write the markers that end transactions, between brokers (KIP-98).

use units::{PartitionId, ProducerEpoch, ProducerId};

use crate::{ErrorCode, Str};

message! {
    /// Asks for markers to be written.
    request WriteTxnMarkersRequest: WriteTxnMarkers -> WriteTxnMarkersResponse {
        /// The transactions.
        markers: Vec<WritableTxnMarker>,
    }

    /// The markers of one transaction.
    struct WritableTxnMarker {
        /// The producer id.
        producer_id: ProducerId,
        /// The epoch of the producer id.
        producer_epoch: ProducerEpoch,
        /// Whether the transaction committed rather than aborted.
        transaction_result: bool,
        /// The topics.
        topics: Vec<WritableTxnMarkerTopic>,
        /// Epoch of the coordinator; a lower one than seen before is refused.
        coordinator_epoch: i32,
    }

    /// The partitions of one topic.
    struct WritableTxnMarkerTopic {
        /// Name of the topic.
        name: Str,
        /// The partitions.
        partition_indexes: Vec<PartitionId>,
    }
}

message! {
    /// What became of the markers.
    response WriteTxnMarkersResponse: WriteTxnMarkers {
        /// The transactions.
        markers: Vec<WritableTxnMarkerResult>,
    }

    /// What became of the markers of one transaction.
    struct WritableTxnMarkerResult {
        /// The producer id.
        producer_id: ProducerId,
        /// The topics.
        topics: Vec<WritableTxnMarkerTopicResult>,
    }

    /// What became of the markers in one topic.
    struct WritableTxnMarkerTopicResult {
        /// Name of the topic.
        name: Str,
        /// The partitions.
        partitions: Vec<WritableTxnMarkerPartitionResult>,
    }

    /// What became of the marker in one partition.
    struct WritableTxnMarkerPartitionResult {
        /// The partition.
        partition_index: PartitionId,
        /// What went wrong.
        error_code: ErrorCode,
    }
}
