//! What is kept with an object beside its bytes, and how its version is written.

use crate::{Version, WriteId};
use std::collections::HashMap;

/// Metadata (`x-amz-meta-…`) that names the write an object came from: 32 hexadecimal digits.
pub(super) const WRITE_ID: &str = "sw-write";
/// Metadata with the CRC-32C of the bytes: 8 hexadecimal digits. Ours, since not every store keeps the checksum that S3 has.
pub(super) const CRC32C: &str = "sw-crc32c";

/// The write that the object came from, where it says.
pub(super) fn write_id(metadata: Option<&HashMap<String, String>>) -> Option<WriteId> {
    field(metadata, WRITE_ID)?.parse().ok()
}

/// The checksum that the object was put with, where it says.
pub(super) fn crc32c(metadata: Option<&HashMap<String, String>>) -> Option<u32> {
    u32::from_str_radix(field(metadata, CRC32C)?, 16).ok()
}

fn field<'a>(metadata: Option<&'a HashMap<String, String>>, name: &str) -> Option<&'a str> {
    metadata?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// The version that an ETag stands for, without its quotes.
pub(super) fn version(e_tag: Option<&str>) -> Option<Version> {
    e_tag.map(|e_tag| Version::new(e_tag.trim_matches('"'))).filter(|version| !version.as_str().is_empty())
}

/// The ETag, as a header has it.
pub(super) fn e_tag(version: &Version) -> String {
    format!("\"{version}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let write_id_ = WriteId(7 << 64 | 9);
        let metadata = HashMap::from([("Sw-Write".into(), write_id_.to_string()), (CRC32C.into(), format!("{:08x}", 0xabc))]);
        assert_eq!(write_id(Some(&metadata)), Some(write_id_));
        assert_eq!(crc32c(Some(&metadata)), Some(0xabc));
        assert_eq!((write_id(None), crc32c(Some(&HashMap::new()))), (None, None));
        let version_ = version(Some("\"abc-2\"")).unwrap();
        assert_eq!((version_.as_str(), e_tag(&version_)), ("abc-2", "\"abc-2\"".into()));
        assert_eq!(version(Some("\"\"")), None);
    }
}
