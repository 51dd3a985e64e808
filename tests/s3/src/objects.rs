//! A bucket in memory: what is stored, decided and changed in single steps. No I/O and no clock.

use bytes::Bytes;
use std::{
    collections::{BTreeMap, HashMap},
    time::SystemTime,
};

/// An object.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) bytes: Bytes,
    pub(crate) e_tag: String,
    pub(crate) metadata: HashMap<String, String>,
    pub(crate) modified: SystemTime,
}

/// What a write expects to find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Anything,
    Absent,
    Match(String),
}

/// Why a write was not performed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    ConditionFailed,
    NoSuchKey,
    NoSuchUpload,
    InvalidPart,
}

/// A multipart upload under way.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    pub(crate) key: String,
    pub(crate) metadata: HashMap<String, String>,
    pub(crate) initiated: SystemTime,
    parts: BTreeMap<i32, (Bytes, String)>,
}

/// All that a bucket has.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    pub(crate) stored: BTreeMap<String, Stored>,
    pub(crate) uploads: BTreeMap<String, Upload>,
    uploads_begun: u64,
}

impl Objects {
    /// Whether a write on this condition would be performed now.
    pub(crate) fn check(&self, key: &str, condition: &Condition) -> Result<(), Refusal> {
        match (condition, self.stored.get(key)) {
            (Condition::Anything, _) | (Condition::Absent, None) => Ok(()),
            (Condition::Match(e_tag), Some(stored)) if stored.e_tag == *e_tag => Ok(()),
            (Condition::Match(_), None) => Err(Refusal::NoSuchKey),
            _ => Err(Refusal::ConditionFailed),
        }
    }

    /// Puts the object, if the condition holds; gives its ETag.
    pub(crate) fn put(
        &mut self,
        key: &str,
        bytes: Bytes,
        metadata: HashMap<String, String>,
        condition: &Condition,
        now: SystemTime,
    ) -> Result<String, Refusal> {
        self.check(key, condition)?;
        let e_tag = e_tag(&bytes);
        self.stored.insert(key.into(), Stored { bytes, e_tag: e_tag.clone(), metadata, modified: now });
        Ok(e_tag)
    }

    pub(crate) fn begin_upload(&mut self, key: &str, metadata: HashMap<String, String>, now: SystemTime) -> String {
        self.uploads_begun += 1;
        let id = format!("upload-{}", self.uploads_begun);
        self.uploads.insert(id.clone(), Upload { key: key.into(), metadata, initiated: now, parts: BTreeMap::new() });
        id
    }

    pub(crate) fn put_part(&mut self, id: &str, number: i32, bytes: Bytes) -> Result<String, Refusal> {
        let upload = self.uploads.get_mut(id).ok_or(Refusal::NoSuchUpload)?;
        let e_tag = e_tag(&bytes);
        upload.parts.insert(number, (bytes, e_tag.clone()));
        Ok(e_tag)
    }

    /// Makes the object of the upload's parts, if the condition holds; gives its ETag.
    pub(crate) fn complete(
        &mut self,
        id: &str,
        parts: &[(i32, String)],
        condition: &Condition,
        now: SystemTime,
    ) -> Result<String, Refusal> {
        let upload = self.uploads.get(id).ok_or(Refusal::NoSuchUpload)?;
        self.check(&upload.key, condition)?;
        let mut bytes = Vec::new();
        let mut e_tags = String::new();
        for (number, expected) in parts {
            let (part, e_tag) = upload.parts.get(number).filter(|(_, e_tag)| e_tag == expected).ok_or(Refusal::InvalidPart)?;
            bytes.extend_from_slice(part);
            e_tags.push_str(e_tag);
        }
        let upload = self.uploads.remove(id).ok_or(Refusal::NoSuchUpload)?;
        let e_tag = format!("{}-{}", e_tag(e_tags.as_bytes()), parts.len());
        let stored = Stored { bytes: bytes.into(), e_tag: e_tag.clone(), metadata: upload.metadata, modified: now };
        self.stored.insert(upload.key, stored);
        Ok(e_tag)
    }
}

/// 32 hexadecimal digits made of the bytes alone, as S3's are: the same bytes have the same.
fn e_tag(bytes: &[u8]) -> String {
    let forwards = crc32c::crc32c(bytes);
    let again = crc32c::crc32c_append(!forwards, bytes);
    format!("{forwards:08x}{again:08x}{:016x}", bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_decide() {
        let mut objects = Objects::default();
        let now = SystemTime::UNIX_EPOCH;
        let mut put = |bytes: &'static str, condition| objects.put("a", bytes.into(), HashMap::new(), &condition, now);
        assert_eq!(put("1", Condition::Match("x".into())), Err(Refusal::NoSuchKey));
        let one = put("1", Condition::Absent).unwrap();
        assert_eq!(put("2", Condition::Absent), Err(Refusal::ConditionFailed));
        let two = put("2", Condition::Match(one.clone())).unwrap();
        assert_eq!(put("3", Condition::Match(one.clone())), Err(Refusal::ConditionFailed));
        assert_eq!(put("1", Condition::Match(two)), Ok(one), "the same bytes have the same ETag");
    }
}
