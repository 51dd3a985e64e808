//! Why a coordinator says no, in Kafka's own words.

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)*) => {
        /// A request was not done, and this is why. Each variant is one of Kafka's protocol errors.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
        pub enum Refusal {
            $($(#[$doc])* #[error($text)] $name,)*
        }

        impl Refusal {
            /// Kafka's error code, as it stands in a response.
            #[must_use]
            pub fn code(self) -> i16 {
                match self {
                    $(Self::$name => $code,)*
                }
            }
        }
    };
}

refusals! {
    /// Our own failure; retrying does not help.
    UnknownServerError = -1, "coordinator failed unexpectedly";
    /// Metadata of an offset is longer than the configured bound (4096 bytes).
    OffsetMetadataTooLarge = 12, "offset metadata is longer than allowed";
    /// The partition of this coordinator is being replayed; try again.
    CoordinatorLoadInProgress = 14, "coordinator is loading; try again";
    /// Nothing can be made durable right now; look the coordinator up and try again.
    CoordinatorNotAvailable = 15, "coordinator is not available; try again";
    /// The group or transactional id belongs to another coordinator.
    NotCoordinator = 16, "this broker does not coordinate that name; look the coordinator up again";
    /// The generation is not the group's.
    IllegalGeneration = 22, "generation is not the group's";
    /// The member's protocol type or protocols do not fit those of the group.
    InconsistentGroupProtocol = 23, "protocol type or protocols do not fit the group's";
    /// The group id is empty where a name is needed.
    InvalidGroupId = 24, "group id is not valid";
    /// No such member in the group (any more).
    UnknownMemberId = 25, "member is not in the group; join again";
    /// The session timeout is outside the broker's bounds.
    InvalidSessionTimeout = 26, "session timeout is outside the bounds";
    /// The group is forming a new generation; join again.
    RebalanceInProgress = 27, "group is rebalancing; join again";
    /// The offsets of one commit are too large to be written.
    InvalidCommitOffsetSize = 28, "offsets are too large to be written";
    /// The request contradicts itself.
    InvalidRequest = 42, "request contradicts itself";
    /// A newer instance of the producer has bumped the epoch (what Produce and old clients are told).
    InvalidProducerEpoch = 47, "producer epoch is not the current one";
    /// The transaction is not in a state in which this can be done.
    InvalidTxnState = 48, "transaction is not in a state that allows this";
    /// The producer id is not the one of this transactional id.
    InvalidProducerIdMapping = 49, "producer id is not the one of this transactional id";
    /// The transaction timeout is not positive or above the broker's bound.
    InvalidTransactionTimeout = 50, "transaction timeout is not positive or above the bound";
    /// The last transaction of this id is still being completed; try again.
    ConcurrentTransactions = 51, "the previous transaction is still being completed; try again";
    /// The sender's coordinator epoch is older than one already seen.
    TransactionCoordinatorFenced = 52, "a newer transaction coordinator has taken over";
    /// The group still has members.
    NonEmptyGroup = 68, "group still has members";
    /// No such group.
    GroupIdNotFound = 69, "group does not exist";
    /// A first join without a member id: join again with the one given (KIP-394).
    MemberIdRequired = 79, "join again with the member id given";
    /// The group has as many members as allowed.
    GroupMaxSizeReached = 81, "group has as many members as allowed";
    /// Another member has taken over this `group.instance.id` (KIP-345).
    FencedInstanceId = 82, "another member has taken over this group instance id";
    /// The group's members subscribe to the topic whose offsets were to be deleted.
    GroupSubscribedToTopic = 86, "group is subscribed to the topic";
    /// An open transaction holds a newer offset for this partition; try again (KIP-447).
    UnstableOffsetCommit = 88, "an open transaction holds a newer offset; try again";
    /// A newer producer with this transactional id has fenced this one.
    ProducerFenced = 90, "a newer producer with this transactional id has fenced this one";
    /// No such transactional id.
    TransactionalIdNotFound = 105, "transactional id does not exist";
    /// The client must abort this transaction and may then go on (KIP-890).
    TransactionAbortable = 120, "abort the transaction, then go on";
}
