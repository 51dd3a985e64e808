//! The manifest of one hash partition: which runs its state is in, as of one commit.
//!
//! Written as JSON into the object of the checkpoint that made it, so that a person can read it; the state record that names
//! it carries its place, length and CRC-32C.

use crate::{
    Claim, CommitMark, HashPartition, HashRange, Life, Malformed, OperatorId, Position, Progress, ReadError,
    codec::{Fields, put_text},
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use store::{Key, ObjectStore};
use units::Offset;

const FORMAT: u32 = 1;
/// No manifest is larger: 64 MiB would name a million parts.
const BYTES_MAX: u32 = 64 << 20;

/// Some bytes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) offset: u64,
    pub(crate) len: u32,
    /// CRC-32C of these bytes.
    pub(crate) crc: u32,
}

/// Where a manifest lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestRef {
    /// The object that it is in.
    pub object: Key,
    pub(crate) place: Place,
}

/// What the state of one hash partition is in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format: u32,
    /// The layout that it is of.
    pub layout: String,
    /// The hash partition that it is of.
    pub hash: HashPartition,
    /// The claim under which it was written.
    pub claim: Claim,
    /// The last commit that it holds.
    pub covers: CommitMark,
    /// Offset in the state partition just after that commit's delta.
    pub floor: Offset,
    /// How far each upstream partition had come with that commit.
    pub positions: Vec<Position>,
    pub(crate) objects: Vec<ObjectRef>,
    pub(crate) operators: Vec<OperatorState>,
}

/// An object that holds a part of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ObjectRef {
    #[serde(with = "key_as_text")]
    pub(crate) key: Key,
    /// Bytes of the object up to its manifests; several hash partitions may share it.
    pub(crate) size: u64,
    pub(crate) index: Place,
}

/// The state of one operator: its runs, the oldest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OperatorState {
    pub(crate) operator: OperatorId,
    /// Fingerprint of the columns.
    #[serde(with = "number_as_hex")]
    pub(crate) schema: u64,
    pub(crate) horizon_ms: i64,
    #[serde(with = "bytes_as_hex")]
    pub(crate) note: Bytes,
    pub(crate) runs: Vec<Run>,
}

/// Rows sorted by hash and key, each key once; cut into parts by hash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Run {
    pub(crate) parts: Vec<Part>,
}

/// A part of a run: one section of one object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Part {
    /// Index among the manifest's objects.
    pub(crate) object: u32,
    /// Index among the object's sections.
    pub(crate) section: u32,
    #[serde(with = "number_as_hex")]
    pub(crate) first_hash: u64,
    #[serde(with = "number_as_hex")]
    pub(crate) last_hash: u64,
    pub(crate) rows: u64,
    /// Bytes of its blocks in the object.
    pub(crate) bytes: u64,
    /// The greatest expiry of its rows in milliseconds; absent where rows do not expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_last: Option<i64>,
}

/// What a manifest is made of beside its objects and operators.
#[derive(Clone)]
pub(crate) struct ManifestHead {
    pub(crate) layout: String,
    pub(crate) hash: HashPartition,
    pub(crate) claim: Claim,
    pub(crate) covers: CommitMark,
    pub(crate) floor: Offset,
    pub(crate) positions: Vec<Position>,
}

impl Manifest {
    pub(crate) fn new(head: ManifestHead, objects: Vec<ObjectRef>, operators: Vec<OperatorState>) -> Self {
        let ManifestHead { layout, hash, claim, covers, floor, positions } = head;
        Self { format: FORMAT, layout, hash, claim, covers, floor, positions, objects, operators }
    }

    pub(crate) fn encode(&self) -> Bytes {
        serde_json::to_vec(self).expect("a manifest has only text keys").into()
    }

    /// Reads the manifest at `at`.
    ///
    /// # Errors
    /// Where the store has not got it, or it is damaged.
    pub fn load<S: ObjectStore + ?Sized>(store: &S, at: &ManifestRef) -> Result<Self, ReadError> {
        let bytes = read_place(store, &at.object, at.place)?;
        let manifest: Self =
            serde_json::from_slice(&bytes).map_err(|error| ReadError::damaged(&at.object, format!("manifest: {error}")))?;
        manifest.check().map_err(|what| ReadError::damaged(&at.object, what))?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), String> {
        if self.format != FORMAT {
            return Err(format!("manifest has format {}, this version reads {FORMAT}", self.format));
        }
        for part in self.operators.iter().flat_map(|operator| &operator.runs).flat_map(|run| &run.parts) {
            if part.object as usize >= self.objects.len() {
                return Err("manifest has a part in an object that it does not name".into());
            }
        }
        Ok(())
    }

    /// Every object that a reader of this manifest needs beside the one that it lies in.
    pub fn objects(&self) -> impl Iterator<Item = &Key> {
        self.objects.iter().map(|object| &object.key)
    }

    /// Bytes of all runs.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.operators.iter().flat_map(|operator| &operator.runs).map(Run::bytes).sum()
    }

    /// Rows in all runs, those counted again that a later run replaces.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.operators.iter().flat_map(|operator| &operator.runs).flat_map(|run| &run.parts).map(|part| part.rows).sum()
    }

    /// The operators that have state, each with its progress.
    pub(crate) fn progress(&self) -> BTreeMap<OperatorId, Progress> {
        self.operators.iter().map(|state| (state.operator, state.progress())).collect()
    }

    pub(crate) fn operator(&self, operator: OperatorId) -> Option<&OperatorState> {
        self.operators.iter().find(|state| state.operator == operator)
    }
}

impl OperatorState {
    pub(crate) fn progress(&self) -> Progress {
        Progress { horizon_ms: self.horizon_ms, note: self.note.clone() }
    }
}

impl Run {
    pub(crate) fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }

    /// Whether no row lives at `horizon_ms` any more.
    pub(crate) fn is_dead(&self, horizon_ms: i64) -> bool {
        self.parts.iter().all(|part| part.expires_last.is_some_and(|last| last < horizon_ms))
    }
}

impl Part {
    pub(crate) fn overlaps(&self, range: &HashRange) -> bool {
        self.first_hash <= *range.end() && self.last_hash >= *range.start()
    }
}

impl ManifestRef {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_text(out, self.object.as_str());
        out.extend(self.place.offset.to_le_bytes());
        out.extend(self.place.len.to_le_bytes());
        out.extend(self.place.crc.to_le_bytes());
    }

    pub(crate) fn decode(fields: &mut Fields) -> Result<Self, Malformed> {
        let object = Key::new(fields.text()?).map_err(|error| fields.malformed(error))?;
        Ok(Self { object, place: Place { offset: fields.u64()?, len: fields.u32()?, crc: fields.u32()? } })
    }
}

/// Reads the bytes at `place` of an object and holds them against their checksum.
pub(crate) fn read_place<S: ObjectStore + ?Sized>(store: &S, object: &Key, place: Place) -> Result<Bytes, ReadError> {
    let end = place.offset.checked_add(place.len.into());
    let Some(end) = end.filter(|_| place.len <= BYTES_MAX) else {
        return Err(ReadError::damaged(object, "it is said to have bytes where none can be"));
    };
    let bytes = store.get_range(object, place.offset..end)?;
    if crc32c::crc32c(&bytes) != place.crc {
        return Err(ReadError::damaged(object, format!("bytes {}..{end} do not match their checksum", place.offset)));
    }
    Ok(bytes)
}

/// What an object's footer says of a hash partition that has something in it: when it was claimed by the writer.
pub(crate) type Holders = BTreeMap<HashPartition, Claim>;

/// The life and holders of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ownership {
    pub(crate) life: Life,
    pub(crate) holders: Holders,
}

mod key_as_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use store::Key;

    pub(super) fn serialize<S: Serializer>(key: &Key, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(key.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Key, D::Error> {
        Key::new(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Readers of JSON in other languages round numbers of 64 bits.
mod number_as_hex {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{number:016x}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        u64::from_str_radix(&String::deserialize(deserializer)?, 16).map_err(D::Error::custom)
    }
}

mod bytes_as_hex {
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2));
        let bytes: Option<Vec<u8>> = digits.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect();
        bytes.map(Bytes::from).ok_or_else(|| D::Error::custom("a note is not hexadecimal"))
    }
}
