//! Ids that nobody else has, from the operating system's randomness.

use std::io::Read;

use units::TopicId;

/// 16 random bytes.
///
/// # Panics
/// Where the system has no source of randomness: no id could be trusted.
pub(crate) fn bytes() -> [u8; 16] {
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .expect("the system has a source of randomness");
    bytes
}

/// A random (version 4) UUID that stands for none of Kafka's reserved ids.
pub(crate) fn topic_id() -> TopicId {
    let mut id = bytes();
    id[6] = (id[6] & 0x0f) | 0x40;
    id[8] = (id[8] & 0x3f) | 0x80;
    TopicId(id)
}

/// A cluster id as Kafka writes them: 16 random bytes in 22 characters of URL-safe base64.
pub(crate) fn cluster_id() -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let number = u128::from_be_bytes(bytes());
    (0..22).map(|digit| char::from(ALPHABET[(number >> (6 * digit)) as usize & 63])).collect()
}
