//! Names that are given once: `metadata.uid`, as a UUID of version 4.

use std::{fs::File, io::Read};

/// A new uid.
pub(crate) fn random() -> String {
    let mut bytes = bytes();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let part = |range: std::ops::Range<usize>| hex[range].concat();
    [part(0..4), part(4..6), part(6..8), part(8..10), part(10..16)].join("-")
}

/// Random bytes of the kernel's.
pub(crate) fn bytes() -> [u8; 16] {
    let mut bytes = [0; 16];
    File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut bytes)).expect("every Unix has /dev/urandom");
    bytes
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_uid_is_a_uuid_of_version_4() {
        let uid = super::random();
        assert_eq!(uid.len(), 36);
        assert_eq!(uid.as_bytes()[14], b'4');
        assert!(control::Layout::new(&uid, 1, 1).is_ok());
        assert_ne!(uid, super::random());
    }
}
