//! The topics in a consumer's subscription: the part of its metadata that a coordinator looks into.

use std::collections::BTreeSet;

use crate::codec::{CorruptRecord, Reader};

/// The protocol type whose metadata is a `ConsumerProtocolSubscription`.
pub(crate) const CONSUMER: &str = "consumer";

/// The topics of a `ConsumerProtocolSubscription` of any version: version i16, then an array of strings (the rest is not read).
///
/// # Errors
/// Where the bytes are not that. They come from a client: nothing is taken or reserved beyond what is there.
pub(crate) fn topics(metadata: &[u8]) -> Result<BTreeSet<&str>, CorruptRecord> {
    let mut reader = Reader::bare(metadata);
    if reader.i16()? < 0 {
        return Err(CorruptRecord::Impossible("subscription version"));
    }
    let count = reader.i32()?;
    (0..count)
        .map(|_| {
            let length = usize::try_from(reader.i16()?).map_err(|_| CorruptRecord::Impossible("topic length"))?;
            std::str::from_utf8(reader.slice(length)?).map_err(|_| CorruptRecord::Impossible("topic name"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_read_and_the_rest_is_not() {
        let bytes = [0, 3, 0, 0, 0, 2, 0, 1, b'a', 0, 2, b'b', b'c', 0xff, 0xff, 0xff, 0xff, 9];
        assert_eq!(topics(&bytes).unwrap(), BTreeSet::from(["a", "bc"]));
    }

    #[test]
    fn hostile_bytes_are_refused() {
        for bytes in [&[][..], &[0], &[0, 0, 0x7f, 0xff, 0xff, 0xff], &[0, 0, 0, 0, 0, 1, 0xff, 0xff], &[0xff, 0xff, 0, 0, 0, 0]] {
            assert!(topics(bytes).is_err(), "{bytes:?} was accepted");
        }
    }
}
