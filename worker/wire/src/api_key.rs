//! [`ApiKey`]: the requests there are, and the versions of each.

use std::{fmt, ops::RangeInclusive};

use crate::field::Shape;

/// Not flexible in any version.
const NEVER: i16 = i16::MAX;

macro_rules! apis {
    ($($(#[$doc:meta])* $name:ident = $key:literal, $min:literal..=$max:literal, flexible $flexible:expr;)*) => {
        /// Which request a frame carries. Each comes with the versions that can be written and read, and the first of them with
        /// compact lengths and tagged fields (KIP-482).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i16)]
        pub enum ApiKey {
            $($(#[$doc])* $name = $key,)*
        }

        impl ApiKey {
            /// Every API, by ascending key.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The API of a key; `None` where we have none.
            #[must_use]
            pub fn from_code(key: i16) -> Option<Self> {
                match key {
                    $($key => Some(Self::$name),)*
                    _ => None,
                }
            }

            fn row(self) -> (RangeInclusive<i16>, i16) {
                match self {
                    $(Self::$name => ($min..=$max, $flexible),)*
                }
            }
        }
    };
}

apis! {
    /// Append batches.
    Produce = 0, 3..=13, flexible 9;
    /// Read batches, waiting for some to come.
    Fetch = 1, 4..=17, flexible 12;
    /// Offsets by time, and the ends of the log.
    ListOffsets = 2, 1..=10, flexible 6;
    /// Brokers, topics, partitions and their leaders.
    Metadata = 3, 0..=13, flexible 9;
    /// Store a group's positions.
    OffsetCommit = 8, 2..=9, flexible 8;
    /// Read a group's positions.
    OffsetFetch = 9, 1..=9, flexible 6;
    /// Which broker coordinates a group or a transactional id.
    FindCoordinator = 10, 0..=6, flexible 3;
    /// Enter a group, or its next generation.
    JoinGroup = 11, 0..=9, flexible 6;
    /// Say that a member lives.
    Heartbeat = 12, 0..=4, flexible 4;
    /// Leave a group.
    LeaveGroup = 13, 0..=5, flexible 4;
    /// Hand out, or get, the assignment of a generation.
    SyncGroup = 14, 0..=5, flexible 4;
    /// State and members of groups.
    DescribeGroups = 15, 0..=6, flexible 5;
    /// Names of groups.
    ListGroups = 16, 0..=5, flexible 3;
    /// The versions a broker has.
    ApiVersions = 18, 0..=4, flexible 3;
    /// Make topics.
    CreateTopics = 19, 2..=7, flexible 5;
    /// Delete topics.
    DeleteTopics = 20, 1..=6, flexible 4;
    /// Move log starts forward.
    DeleteRecords = 21, 0..=2, flexible 2;
    /// Get a producer id and epoch, and fence who had the transactional id before.
    InitProducerId = 22, 0..=5, flexible 2;
    /// Where a leader epoch ended (KIP-101).
    OffsetForLeaderEpoch = 23, 2..=4, flexible 4;
    /// Say which partitions a transaction will write (before KIP-890; also a broker's check after it).
    AddPartitionsToTxn = 24, 0..=5, flexible 3;
    /// Say that a transaction will commit a group's positions (before KIP-890).
    AddOffsetsToTxn = 25, 0..=4, flexible 3;
    /// Commit or abort a transaction.
    EndTxn = 26, 0..=5, flexible 3;
    /// Write the markers that end a transaction; between brokers.
    WriteTxnMarkers = 27, 1..=1, flexible 1;
    /// Store a group's positions when the transaction commits.
    TxnOffsetCommit = 28, 0..=5, flexible 3;
    /// Configuration of topics and brokers.
    DescribeConfigs = 32, 1..=4, flexible 4;
    /// Replace a configuration.
    AlterConfigs = 33, 0..=2, flexible 2;
    /// Bytes that partitions take.
    DescribeLogDirs = 35, 1..=4, flexible 2;
    /// Add partitions to topics.
    CreatePartitions = 37, 0..=3, flexible 2;
    /// Delete groups.
    DeleteGroups = 42, 0..=2, flexible 2;
    /// Change parts of a configuration.
    IncrementalAlterConfigs = 44, 0..=1, flexible 1;
    /// Delete a group's positions for some topics.
    OffsetDelete = 47, 0..=0, flexible NEVER;
    /// Brokers and the cluster's id.
    DescribeCluster = 60, 0..=2, flexible 0;
    /// Producers that a partition knows.
    DescribeProducers = 61, 0..=0, flexible 0;
    /// State of transactions.
    DescribeTransactions = 65, 0..=0, flexible 0;
    /// Names of transactions.
    ListTransactions = 66, 0..=1, flexible 0;
}

impl ApiKey {
    /// The key on the wire.
    #[must_use]
    pub fn code(self) -> i16 {
        self as i16
    }

    /// The versions that can be written and read. What a broker *serves* is its own list: it may be shorter.
    #[must_use]
    pub fn versions(self) -> RangeInclusive<i16> {
        self.row().0
    }

    /// Every API that a broker tells its clients of, with the versions it has: all but those that brokers use among themselves.
    pub fn for_clients() -> impl Iterator<Item = (Self, RangeInclusive<i16>)> {
        Self::ALL.iter().filter(|api| !matches!(api, Self::WriteTxnMarkers)).map(|api| (*api, api.versions()))
    }

    /// Whether `version` has compact lengths and tagged fields (KIP-482).
    #[must_use]
    pub fn is_flexible(self, version: i16) -> bool {
        version >= self.row().1
    }

    /// Version of the header in front of a request of `version`.
    #[must_use]
    pub fn request_header_version(self, version: i16) -> i16 {
        if self.is_flexible(version) { 2 } else { 1 }
    }

    /// Version of the header in front of a response of `version`. ApiVersions keeps 0 for ever, since the one who asks may not know
    /// yet what the broker speaks (KIP-511).
    #[must_use]
    pub fn response_header_version(self, version: i16) -> i16 {
        i16::from(self.is_flexible(version) && self != Self::ApiVersions)
    }

    pub(crate) fn shape(self, version: i16) -> Option<Shape> {
        self.versions().contains(&version).then(|| Shape { version, flexible: self.is_flexible(version), nullable: true })
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
