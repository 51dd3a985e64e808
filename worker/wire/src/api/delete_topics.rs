//! DeleteTopics (20): delete topics by name, or by id from version 6 on (KIP-516).

use units::TopicId;

use crate::{ErrorCode, Str};

message! {
    /// Asks for topics to be deleted.
    request DeleteTopicsRequest: DeleteTopics -> DeleteTopicsResponse {
        /// The topics (from version 6 on).
        topics: Vec<DeleteTopicState> [6..; strict],
        /// Names of the topics (up to version 5).
        topic_names: Vec<Str> [..=5],
        /// Milliseconds that the broker may take.
        timeout_ms: i32,
    }

    /// One topic, by name or by id (from version 6 on).
    struct DeleteTopicState {
        /// Name of the topic; null where the id is given.
        name: Option<Str>,
        /// Id of the topic (KIP-516).
        topic_id: TopicId,
    }
}

message! {
    /// What became of them.
    response DeleteTopicsResponse: DeleteTopics {
        /// Milliseconds for which a quota held this client back.
        throttle_time_ms: i32,
        /// The topics.
        responses: Vec<DeletableTopicResult>,
    }

    /// What became of one topic.
    struct DeletableTopicResult {
        /// Name of the topic; null where an unknown id was asked for.
        name: Option<Str> [.., nullable 6..],
        /// Id of the topic (KIP-516).
        topic_id: TopicId [6..],
        /// What went wrong.
        error_code: ErrorCode,
        /// What went wrong, in words.
        error_message: Option<Str> [5..],
    }
}
