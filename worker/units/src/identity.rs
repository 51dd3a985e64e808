//! Names and numbers that say *which*: broker, topic, partition, producer, group.

use std::{fmt, sync::Arc};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// Kafka's `node.id` of a broker.
    BrokerId(i32)
);
number!(
    /// How often this broker has started, counted on its volume and at the store: the unit of fencing. Also its leader epoch.
    Incarnation(u32)
);
number!(
    /// Index of a partition within its topic, from 0.
    PartitionId(i32)
);
number!(
    /// Kafka's producer id; -1 for none.
    ProducerId(i64)
);
number!(
    /// Epoch of a producer id: a higher one fences the lower (KIP-98, KIP-890); -1 for none.
    ProducerEpoch(i16)
);

impl Incarnation {
    /// The leader epoch that this incarnation writes into its batches.
    #[must_use]
    pub fn leader_epoch(self) -> crate::LeaderEpoch {
        crate::LeaderEpoch(i32::try_from(self.0).unwrap_or(i32::MAX))
    }
}

impl ProducerId {
    /// No producer id: neither idempotent nor transactional.
    pub const NONE: Self = Self(-1);
}

/// Kafka's topic UUID (KIP-516): a topic made anew under an old name has another one.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct TopicId(pub [u8; 16]);

impl TopicId {
    /// The id that stands for "none" on the wire.
    pub const ZERO: Self = Self([0; 16]);
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TopicId({self})")
    }
}

/// A topic's name: 1 to 249 of `a-z A-Z 0-9 . _ -`, and not `.` or `..` (Kafka's rule). Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TopicName(Arc<str>);

/// The text is not a topic name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("topic name {0:?} is not 1 to 249 of a-z A-Z 0-9 . _ -, or is . or ..")]
pub struct InvalidTopicName(pub String);

impl TopicName {
    /// Longest name that Kafka accepts, in bytes.
    pub const MAX_BYTES: usize = 249;

    /// Checks `name` against Kafka's rule.
    ///
    /// # Errors
    /// [`InvalidTopicName`] where the rule is not met.
    pub fn new(name: &str) -> Result<Self, InvalidTopicName> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if name.is_empty() || name.len() > Self::MAX_BYTES || name == "." || name == ".." || !name.bytes().all(legal) {
            return Err(InvalidTopicName(name.chars().take(300).collect()));
        }
        Ok(Self(name.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the topic belongs to a Pipeline (`_sw.…`): no client may create, alter or delete it.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        self.0.starts_with("_sw.")
    }
}

impl TryFrom<String> for TopicName {
    type Error = InvalidTopicName;
    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(&name)
    }
}

impl From<TopicName> for String {
    fn from(name: TopicName) -> Self {
        name.0.as_ref().into()
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TopicName({})", self.0)
    }
}

/// One partition, by the name of its topic: what clients and coordinators speak of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct TopicPartition {
    /// The topic.
    pub topic: TopicName,
    /// The partition in it.
    pub partition: PartitionId,
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub struct $name(pub Arc<str>);

        impl $name {
            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

text!(
    /// Name of a consumer group. Cheap to clone.
    GroupId
);
text!(
    /// Name under which a producer's transactions are fenced and found again (KIP-98). Cheap to clone.
    TransactionalId
);
text!(
    /// Name of one member of a consumer group, made by the coordinator; empty for a client that has none yet. Cheap to clone.
    MemberId
);
text!(
    /// `group.instance.id`: a name that outlives the process, for static membership (KIP-345). Cheap to clone.
    InstanceId
);

impl MemberId {
    /// The id of a client that has none yet.
    #[must_use]
    pub fn none() -> Self {
        Self::from("")
    }

    /// Whether the client has no id yet.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_kafkas_rule() {
        for good in ["a", "orders.v1_x-2", &"x".repeat(249)] {
            assert_eq!(TopicName::new(good).unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", "a b", "ä", "a/b", &"x".repeat(250)] {
            assert!(TopicName::new(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn topic_ids_print_as_uuids() {
        let id = TopicId(std::array::from_fn(|index| index as u8));
        assert_eq!(id.to_string(), "00010203-0405-0607-0809-0a0b0c0d0e0f");
    }
}
