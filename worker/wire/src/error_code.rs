//! [`ErrorCode`]: what an answer says went wrong.

use std::fmt;

macro_rules! codes {
    ($($(#[$attribute:meta])* $name:ident = $code:literal, $text:literal, $doc:literal;)*) => {
        /// Kafka's error codes, all that Kafka 4.2 knows. A code that is not among them is kept as it is: a newer peer may send one.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ErrorCode {
            $(
                #[doc = concat!("`", $text, "` (", $code, "): ", $doc, ".")]
                $(#[$attribute])*
                $name,
            )*
            /// A code that is not known here; never one of those above.
            Other(i16),
        }

        impl ErrorCode {
            /// Every code known, ascending.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The meaning of a code.
            #[must_use]
            pub fn from_code(code: i16) -> Self {
                match code {
                    $($code => Self::$name,)*
                    _ => Self::Other(code),
                }
            }

            /// The code on the wire.
            #[must_use]
            pub fn code(self) -> i16 {
                match self {
                    $(Self::$name => $code,)*
                    Self::Other(code) => code,
                }
            }

            /// Kafka's name for it, as its tools print it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    Self::Other(_) => "UNKNOWN",
                }
            }

            /// What it means, as a clause without a full stop.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => $doc,)*
                    Self::Other(_) => "a code that is not known here",
                }
            }
        }
    };
}

codes! {
    UnknownServerError = -1, "UNKNOWN_SERVER_ERROR", "a fault of the broker that has no code of its own";
    #[default]
    None = 0, "NONE", "nothing went wrong";
    OffsetOutOfRange = 1, "OFFSET_OUT_OF_RANGE", "the offset lies before the log start or behind the log end";
    CorruptMessage = 2, "CORRUPT_MESSAGE", "a batch fails its checksum, or cannot be read";
    UnknownTopicOrPartition = 3, "UNKNOWN_TOPIC_OR_PARTITION", "no such topic or partition here";
    InvalidFetchSize = 4, "INVALID_FETCH_SIZE", "the size asked for makes no sense";
    LeaderNotAvailable = 5, "LEADER_NOT_AVAILABLE", "the partition has no leader now";
    NotLeaderOrFollower = 6, "NOT_LEADER_OR_FOLLOWER", "another broker leads the partition";
    RequestTimedOut = 7, "REQUEST_TIMED_OUT", "it was not done in time; it may still be done";
    BrokerNotAvailable = 8, "BROKER_NOT_AVAILABLE", "the broker is away";
    ReplicaNotAvailable = 9, "REPLICA_NOT_AVAILABLE", "the copy is away";
    MessageTooLarge = 10, "MESSAGE_TOO_LARGE", "the batch is larger than the topic allows";
    StaleControllerEpoch = 11, "STALE_CONTROLLER_EPOCH", "another controller has taken over";
    OffsetMetadataTooLarge = 12, "OFFSET_METADATA_TOO_LARGE", "the note with a position is longer than allowed";
    NetworkException = 13, "NETWORK_EXCEPTION", "the connection closed before the answer came; clients only";
    CoordinatorLoadInProgress = 14, "COORDINATOR_LOAD_IN_PROGRESS", "the coordinator is still reading its state";
    CoordinatorNotAvailable = 15, "COORDINATOR_NOT_AVAILABLE", "there is no coordinator now";
    NotCoordinator = 16, "NOT_COORDINATOR", "another broker coordinates this";
    InvalidTopicException = 17, "INVALID_TOPIC_EXCEPTION", "the name is not one for a topic, or not one for clients";
    RecordListTooLarge = 18, "RECORD_LIST_TOO_LARGE", "the batch is larger than a segment";
    NotEnoughReplicas = 19, "NOT_ENOUGH_REPLICAS", "too few copies are complete";
    NotEnoughReplicasAfterAppend = 20, "NOT_ENOUGH_REPLICAS_AFTER_APPEND", "it was written, and then too few copies were complete";
    InvalidRequiredAcks = 21, "INVALID_REQUIRED_ACKS", "`acks` is none of -1, 0, 1";
    IllegalGeneration = 22, "ILLEGAL_GENERATION", "the generation is not the current one";
    InconsistentGroupProtocol = 23, "INCONSISTENT_GROUP_PROTOCOL", "the member shares no way of assigning with the group";
    InvalidGroupId = 24, "INVALID_GROUP_ID", "the id is not one for a group";
    UnknownMemberId = 25, "UNKNOWN_MEMBER_ID", "the group has no such member";
    InvalidSessionTimeout = 26, "INVALID_SESSION_TIMEOUT", "the session timeout is outside of what the broker allows";
    RebalanceInProgress = 27, "REBALANCE_IN_PROGRESS", "the group is between generations: join again";
    InvalidCommitOffsetSize = 28, "INVALID_COMMIT_OFFSET_SIZE", "the positions are larger than allowed";
    TopicAuthorizationFailed = 29, "TOPIC_AUTHORIZATION_FAILED", "the client may not do this with the topic";
    GroupAuthorizationFailed = 30, "GROUP_AUTHORIZATION_FAILED", "the client may not do this with the group";
    ClusterAuthorizationFailed = 31, "CLUSTER_AUTHORIZATION_FAILED", "the client may not do this with the cluster";
    InvalidTimestamp = 32, "INVALID_TIMESTAMP", "a record's time is outside of what the topic allows";
    UnsupportedSaslMechanism = 33, "UNSUPPORTED_SASL_MECHANISM", "the broker does not have this way of logging in";
    IllegalSaslState = 34, "ILLEGAL_SASL_STATE", "not possible at this step of logging in";
    UnsupportedVersion = 35, "UNSUPPORTED_VERSION", "the broker does not have this version";
    TopicAlreadyExists = 36, "TOPIC_ALREADY_EXISTS", "there is a topic of that name";
    InvalidPartitions = 37, "INVALID_PARTITIONS", "the number of partitions is not possible";
    InvalidReplicationFactor = 38, "INVALID_REPLICATION_FACTOR", "the number of copies is not possible";
    InvalidReplicaAssignment = 39, "INVALID_REPLICA_ASSIGNMENT", "the brokers wanted are not possible";
    InvalidConfig = 40, "INVALID_CONFIG", "a setting is not possible";
    NotController = 41, "NOT_CONTROLLER", "another broker decides about topics";
    InvalidRequest = 42, "INVALID_REQUEST", "the request contradicts itself";
    UnsupportedForMessageFormat = 43, "UNSUPPORTED_FOR_MESSAGE_FORMAT", "the batch format cannot carry this";
    PolicyViolation = 44, "POLICY_VIOLATION", "a policy of the cluster forbids it";
    OutOfOrderSequenceNumber = 45, "OUT_OF_ORDER_SEQUENCE_NUMBER", "batches of this producer are missing before this one";
    DuplicateSequenceNumber = 46, "DUPLICATE_SEQUENCE_NUMBER", "the batch is already there";
    InvalidProducerEpoch = 47, "INVALID_PRODUCER_EPOCH", "a newer epoch of the producer is known";
    InvalidTxnState = 48, "INVALID_TXN_STATE", "the transaction is in no state for this";
    InvalidProducerIdMapping = 49, "INVALID_PRODUCER_ID_MAPPING", "the producer id is not that of the transactional id";
    InvalidTransactionTimeout = 50, "INVALID_TRANSACTION_TIMEOUT", "the transaction timeout is outside of what the broker allows";
    ConcurrentTransactions = 51, "CONCURRENT_TRANSACTIONS", "the transaction before this one is still ending: ask again";
    TransactionCoordinatorFenced = 52, "TRANSACTION_COORDINATOR_FENCED", "a newer coordinator has written markers";
    TransactionalIdAuthorizationFailed = 53, "TRANSACTIONAL_ID_AUTHORIZATION_FAILED", "the client may not use the transactional id";
    SecurityDisabled = 54, "SECURITY_DISABLED", "the broker has no such security";
    OperationNotAttempted = 55, "OPERATION_NOT_ATTEMPTED", "not tried, since another part of the request failed";
    KafkaStorageError = 56, "KAFKA_STORAGE_ERROR", "the broker's disk failed";
    LogDirNotFound = 57, "LOG_DIR_NOT_FOUND", "no such folder";
    SaslAuthenticationFailed = 58, "SASL_AUTHENTICATION_FAILED", "logging in failed";
    UnknownProducerId = 59, "UNKNOWN_PRODUCER_ID", "the partition knows nothing of the producer any more";
    ReassignmentInProgress = 60, "REASSIGNMENT_IN_PROGRESS", "the partition is moving already";
    DelegationTokenAuthDisabled = 61, "DELEGATION_TOKEN_AUTH_DISABLED", "the broker has no delegation tokens";
    DelegationTokenNotFound = 62, "DELEGATION_TOKEN_NOT_FOUND", "no such delegation token";
    DelegationTokenOwnerMismatch = 63, "DELEGATION_TOKEN_OWNER_MISMATCH", "the delegation token belongs to another";
    DelegationTokenRequestNotAllowed = 64, "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED", "delegation tokens are not given over such a connection";
    DelegationTokenAuthorizationFailed = 65, "DELEGATION_TOKEN_AUTHORIZATION_FAILED", "the client may not do this with the delegation token";
    DelegationTokenExpired = 66, "DELEGATION_TOKEN_EXPIRED", "the delegation token has expired";
    InvalidPrincipalType = 67, "INVALID_PRINCIPAL_TYPE", "no such kind of principal";
    NonEmptyGroup = 68, "NON_EMPTY_GROUP", "the group has members";
    GroupIdNotFound = 69, "GROUP_ID_NOT_FOUND", "no such group";
    FetchSessionIdNotFound = 70, "FETCH_SESSION_ID_NOT_FOUND", "the broker has forgotten the fetch session: make a new one";
    InvalidFetchSessionEpoch = 71, "INVALID_FETCH_SESSION_EPOCH", "the request's number in the fetch session is not the next one";
    ListenerNotFound = 72, "LISTENER_NOT_FOUND", "the leader has no such listener";
    TopicDeletionDisabled = 73, "TOPIC_DELETION_DISABLED", "topics cannot be deleted here";
    FencedLeaderEpoch = 74, "FENCED_LEADER_EPOCH", "the client's leader epoch is older than the broker's";
    UnknownLeaderEpoch = 75, "UNKNOWN_LEADER_EPOCH", "the client's leader epoch is newer than the broker's";
    UnsupportedCompressionType = 76, "UNSUPPORTED_COMPRESSION_TYPE", "the version cannot carry this compression";
    StaleBrokerEpoch = 77, "STALE_BROKER_EPOCH", "the broker has registered anew since";
    OffsetNotAvailable = 78, "OFFSET_NOT_AVAILABLE", "the new leader does not know its high watermark yet";
    MemberIdRequired = 79, "MEMBER_ID_REQUIRED", "join again with the member id given";
    PreferredLeaderNotAvailable = 80, "PREFERRED_LEADER_NOT_AVAILABLE", "the preferred leader is away";
    GroupMaxSizeReached = 81, "GROUP_MAX_SIZE_REACHED", "the group has as many members as allowed";
    FencedInstanceId = 82, "FENCED_INSTANCE_ID", "another member has taken over the static name";
    EligibleLeadersNotAvailable = 83, "ELIGIBLE_LEADERS_NOT_AVAILABLE", "nobody could lead the partition";
    ElectionNotNeeded = 84, "ELECTION_NOT_NEEDED", "the partition has the right leader";
    NoReassignmentInProgress = 85, "NO_REASSIGNMENT_IN_PROGRESS", "the partition is not moving";
    GroupSubscribedToTopic = 86, "GROUP_SUBSCRIBED_TO_TOPIC", "the group reads the topic now";
    InvalidRecord = 87, "INVALID_RECORD", "a record breaks a rule of its topic";
    UnstableOffsetCommit = 88, "UNSTABLE_OFFSET_COMMIT", "an open transaction holds a position: ask again";
    ThrottlingQuotaExceeded = 89, "THROTTLING_QUOTA_EXCEEDED", "a quota is used up: ask later";
    ProducerFenced = 90, "PRODUCER_FENCED", "a newer producer has the transactional id";
    ResourceNotFound = 91, "RESOURCE_NOT_FOUND", "no such thing";
    DuplicateResource = 92, "DUPLICATE_RESOURCE", "the request names the same thing twice";
    UnacceptableCredential = 93, "UNACCEPTABLE_CREDENTIAL", "the credential is not good enough";
    InconsistentVoterSet = 94, "INCONSISTENT_VOTER_SET", "the voters are not those expected";
    InvalidUpdateVersion = 95, "INVALID_UPDATE_VERSION", "the version for the update is not possible";
    FeatureUpdateFailed = 96, "FEATURE_UPDATE_FAILED", "the feature's level could not be changed";
    PrincipalDeserializationFailure = 97, "PRINCIPAL_DESERIALIZATION_FAILURE", "a principal that was passed on cannot be read";
    SnapshotNotFound = 98, "SNAPSHOT_NOT_FOUND", "no such snapshot";
    PositionOutOfRange = 99, "POSITION_OUT_OF_RANGE", "the position lies outside of the snapshot";
    UnknownTopicId = 100, "UNKNOWN_TOPIC_ID", "no topic of that id here";
    DuplicateBrokerRegistration = 101, "DUPLICATE_BROKER_REGISTRATION", "a live broker has that id";
    BrokerIdNotRegistered = 102, "BROKER_ID_NOT_REGISTERED", "no broker of that id";
    InconsistentTopicId = 103, "INCONSISTENT_TOPIC_ID", "the topic's id is another";
    InconsistentClusterId = 104, "INCONSISTENT_CLUSTER_ID", "the cluster's id is another";
    TransactionalIdNotFound = 105, "TRANSACTIONAL_ID_NOT_FOUND", "no such transactional id";
    FetchSessionTopicIdError = 106, "FETCH_SESSION_TOPIC_ID_ERROR", "the fetch session mixes topic names and topic ids";
    IneligibleReplica = 107, "INELIGIBLE_REPLICA", "a broker may not be in sync now";
    NewLeaderElected = 108, "NEW_LEADER_ELECTED", "done, and the leader has changed";
    OffsetMovedToTieredStorage = 109, "OFFSET_MOVED_TO_TIERED_STORAGE", "the offset is in remote storage";
    FencedMemberEpoch = 110, "FENCED_MEMBER_EPOCH", "the member's epoch is fenced: join again";
    UnreleasedInstanceId = 111, "UNRELEASED_INSTANCE_ID", "another member still has the static name";
    UnsupportedAssignor = 112, "UNSUPPORTED_ASSIGNOR", "the broker does not have this assignor";
    StaleMemberEpoch = 113, "STALE_MEMBER_EPOCH", "the member's epoch has moved on: ask again";
    MismatchedEndpointType = 114, "MISMATCHED_ENDPOINT_TYPE", "this endpoint is not for that";
    UnsupportedEndpointType = 115, "UNSUPPORTED_ENDPOINT_TYPE", "no such kind of endpoint";
    UnknownControllerId = 116, "UNKNOWN_CONTROLLER_ID", "no controller of that id";
    UnknownSubscriptionId = 117, "UNKNOWN_SUBSCRIPTION_ID", "the telemetry subscription is old";
    TelemetryTooLarge = 118, "TELEMETRY_TOO_LARGE", "the telemetry is larger than allowed";
    InvalidRegistration = 119, "INVALID_REGISTRATION", "the broker's registration is not possible";
    TransactionAbortable = 120, "TRANSACTION_ABORTABLE", "the transaction must be aborted; the producer can go on after that";
    InvalidRecordState = 121, "INVALID_RECORD_STATE", "the record cannot be acknowledged now";
    ShareSessionNotFound = 122, "SHARE_SESSION_NOT_FOUND", "no such share session";
    InvalidShareSessionEpoch = 123, "INVALID_SHARE_SESSION_EPOCH", "the request's number in the share session is not the next one";
    FencedStateEpoch = 124, "FENCED_STATE_EPOCH", "the share group's state has moved on";
    InvalidVoterKey = 125, "INVALID_VOTER_KEY", "the voter's key is another";
    DuplicateVoter = 126, "DUPLICATE_VOTER", "it is a voter already";
    VoterNotFound = 127, "VOTER_NOT_FOUND", "it is no voter";
    InvalidRegularExpression = 128, "INVALID_REGULAR_EXPRESSION", "the regular expression is not one";
    RebootstrapRequired = 129, "REBOOTSTRAP_REQUIRED", "the client shall start again from its bootstrap addresses";
    StreamsInvalidTopology = 130, "STREAMS_INVALID_TOPOLOGY", "the topology is not possible";
    StreamsInvalidTopologyEpoch = 131, "STREAMS_INVALID_TOPOLOGY_EPOCH", "the topology's epoch is not possible";
    StreamsTopologyFenced = 132, "STREAMS_TOPOLOGY_FENCED", "the topology's epoch is old";
    ShareSessionLimitReached = 133, "SHARE_SESSION_LIMIT_REACHED", "there are as many share sessions as allowed";
}

impl ErrorCode {
    /// Whether nothing went wrong.
    #[must_use]
    pub fn is_ok(self) -> bool {
        self == Self::None
    }

    /// `Err` with the code where something went wrong.
    ///
    /// # Errors
    /// The code itself.
    pub fn check(self) -> Result<(), Self> {
        if self.is_ok() { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(code) => write!(f, "error code {code}"),
            known => f.write_str(known.name()),
        }
    }
}

impl std::error::Error for ErrorCode {}
