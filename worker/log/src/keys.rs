//! Names of a cluster's objects.

use std::hash::Hasher;

use store::{InvalidKey, Key, Prefix};
use units::{BrokerId, Incarnation};

use crate::{TopicPartitionId, manifest::ObjectId};

/// Length of `<epoch>/<seq>` in a segment's key.
const SEGMENT_NAME_BYTES: usize = 10 + 1 + 20;

/// Gives the keys of one cluster's objects.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    cluster: String,
    broker: BrokerId,
}

impl Keys {
    /// # Errors
    /// Where the cluster's name cannot be part of a key.
    pub(crate) fn new(cluster: &str, broker: BrokerId) -> Result<Self, InvalidKey> {
        Key::new(cluster)?;
        Ok(Self { cluster: cluster.to_owned(), broker })
    }

    /// Whose segments and epoch these are.
    pub(crate) fn broker(&self) -> BrokerId {
        self.broker
    }

    fn key(&self, kind: &str, hashed: &str, rest: &str) -> Key {
        let hash = hash(&format!("{}/{hashed}", self.cluster));
        Key::new(format!("{hash:04x}/{}/{kind}{hashed}{rest}", self.cluster)).expect("a checked cluster, numbers and a UUID make a key")
    }

    /// `<hash>/<cluster>/<broker>/<epoch>/<seq>`.
    pub(crate) fn segment(&self, object: ObjectId) -> Key {
        self.key("", &object.broker.to_string(), &format!("/{:010}/{:020}", object.incarnation.0, object.seq))
    }

    /// What the keys of all segments of this broker begin with.
    pub(crate) fn segments(&self) -> Prefix {
        let any = self.segment(ObjectId { broker: self.broker, incarnation: Incarnation(0), seq: 0 });
        let (folder, _) = any.as_str().split_at(any.as_str().len() - SEGMENT_NAME_BYTES);
        Prefix::new(folder).expect("what a key begins with is a prefix")
    }

    /// What the keys of all segments of one incarnation of this broker begin with.
    pub(crate) fn segments_of(&self, incarnation: Incarnation) -> Prefix {
        Prefix::new(format!("{}{:010}/", self.segments(), incarnation.0)).expect("what a key begins with is a prefix")
    }

    /// The segment of this broker that has `key`.
    pub(crate) fn object(&self, key: &Key) -> Option<ObjectId> {
        let mut names = key.segments();
        let (seq, incarnation) = (names.next_back()?, names.next_back()?);
        let object = ObjectId { broker: self.broker, incarnation: Incarnation(incarnation.parse().ok()?), seq: seq.parse().ok()? };
        (self.segment(object) == *key).then_some(object)
    }

    /// `<hash>/<cluster>/brokers/<broker>/epoch`.
    pub(crate) fn epoch(&self) -> Key {
        self.key("brokers/", &self.broker.to_string(), "/epoch")
    }

    /// `<hash>/<cluster>/brokers/<broker>/named/<name>`.
    ///
    /// # Panics
    /// Where `name` cannot be part of a key: [`Keys::is_name`] says so before.
    pub(crate) fn named(&self, name: &str) -> Key {
        self.key("brokers/", &self.broker.to_string(), &format!("/named/{name}"))
    }

    /// What the keys of all named objects of this broker begin with.
    pub(crate) fn all_named(&self) -> Prefix {
        let any = self.named("a");
        Prefix::new(&any.as_str()[..any.as_str().len() - 1]).expect("what a key begins with is a prefix")
    }

    /// Whether `name` can be that of a named object.
    pub(crate) fn is_name(name: &str) -> bool {
        !name.contains('/') && Key::new(name).is_ok()
    }

    /// Where it is tried whether the store arbitrates.
    pub(crate) fn probe(&self) -> Key {
        self.key("brokers/", &self.broker.to_string(), "/probe")
    }

    /// `<hash>/<cluster>/topics/<topic id>/<partition>/manifest`.
    pub(crate) fn manifest(&self, partition: TopicPartitionId) -> Key {
        self.key("topics/", &format!("{}/{}", partition.topic, partition.partition), "/manifest")
    }
}

/// Spreads keys over a bucket's prefixes: FNV-1a, folded to 16 bits. Part of the layout: it never changes.
fn hash(text: &str) -> u16 {
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    hasher.write(text.as_bytes());
    let hash = hasher.finish();
    u16::try_from((hash ^ (hash >> 16) ^ (hash >> 32) ^ (hash >> 48)) & 0xffff).expect("masked")
}

struct Fnv(u64);

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use units::{PartitionId, TopicId};

    #[test]
    fn keys_are_what_the_layout_says() {
        let keys = Keys::new("dev", BrokerId(1)).unwrap();
        let segment = keys.segment(ObjectId { broker: BrokerId(1), incarnation: Incarnation(7), seq: 9 });
        assert_eq!(segment.as_str(), format!("{:04x}/dev/1/0000000007/00000000000000000009", hash("dev/1")));
        assert_eq!(keys.segments().as_str(), format!("{:04x}/dev/1/", hash("dev/1")));
        assert_eq!(keys.segments_of(Incarnation(7)).as_str(), format!("{:04x}/dev/1/0000000007/", hash("dev/1")));
        assert_eq!(keys.object(&segment), Some(ObjectId { broker: BrokerId(1), incarnation: Incarnation(7), seq: 9 }));
        let partition = TopicPartitionId { topic: TopicId([1; 16]), partition: PartitionId(3) };
        let manifest = keys.manifest(partition);
        assert_eq!(keys.object(&manifest), None);
        assert!(manifest.as_str().ends_with("/dev/topics/01010101-0101-0101-0101-010101010101/3/manifest"), "{manifest}");
        assert!(keys.epoch().as_str().ends_with("/dev/brokers/1/epoch"));
    }
}
