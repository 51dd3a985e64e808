//! Small named objects of a broker: its catalogue of topics, its roster of partitions. Each is replaced as a whole.
//!
//! | field | bytes |
//! |---|---|
//! | magic `SWNO`, version | 4, 4 |
//! | incarnation that wrote it | 4 |
//! | the bytes | |
//! | CRC-32C of all before | 4 |

use bytes::Bytes;
use store::{ObjectStore, StoreError, Version};
use units::Incarnation;

use super::{ShipError, Shipper};
use crate::{
    codec::{self, Fields, Malformed},
    engine::{names::NamesTask, ship::ShipDone},
    keys::Keys,
    roster::{self, Roster},
};

const MAGIC: u32 = u32::from_le_bytes(*b"SWNO");
const VERSION: u32 = 1;
const HEAD_BYTES: usize = 12;

/// A named object as the store has it.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) incarnation: Incarnation,
    pub(crate) bytes: Bytes,
    version: Version,
}

/// The broker's object of this name, if it has one.
pub(crate) fn read_name(store: &dyn ObjectStore, keys: &Keys, name: &str) -> Result<Option<Named>, ShipError> {
    let key = keys.named(name);
    let object = match store.get(&key) {
        Ok(object) => object,
        Err(StoreError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let decode = || -> Result<Incarnation, Malformed> {
        let mut fields = Fields::new(codec::unseal(&object.bytes)?);
        if (fields.u32()?, fields.u32()?) != (MAGIC, VERSION) {
            return Err(Malformed("not a named object of this version"));
        }
        Ok(Incarnation(fields.u32()?))
    };
    let incarnation = decode().map_err(|malformed| ShipError::Corrupt(key, malformed.0))?;
    let bytes = object.bytes.slice(HEAD_BYTES..object.bytes.len() - 4);
    Ok(Some(Named { incarnation, bytes, version: object.version }))
}

/// The broker's roster, if it has one.
pub(crate) fn roster_of(store: &dyn ObjectStore, keys: &Keys) -> Result<Option<Roster>, ShipError> {
    let Some(named) = read_name(store, keys, roster::NAME)? else { return Ok(None) };
    let roster = Roster::decode(&named.bytes).map_err(|malformed| ShipError::Corrupt(keys.named(roster::NAME), malformed.0))?;
    Ok(Some(roster))
}

impl Shipper {
    /// Puts what has changed; the roster last, since it names what the others speak of.
    pub(super) fn put_names(&mut self, task: &NamesTask) -> Result<ShipDone, ShipError> {
        for (name, bytes) in &task.names {
            self.put_name(name, bytes)?;
        }
        let roster = Roster { named_from: self.named_from(), partitions: task.partitions.clone() };
        self.put_name(roster::NAME, &roster.encode())?;
        Ok(ShipDone::Named(task.mark))
    }

    /// The first object of the row that holds parts which are pending.
    fn named_from(&self) -> (Incarnation, u64) {
        let pending = self.pending.values().flatten().map(|naming| (naming.reference.object.incarnation, naming.reference.object.seq));
        pending.min().unwrap_or((self.owner.incarnation, self.next_seq))
    }

    fn put_name(&mut self, name: &str, bytes: &[u8]) -> Result<(), ShipError> {
        let ours = self.owner.incarnation;
        let known = match self.names.remove(name) {
            Some(version) => Some(version),
            None => match read_name(&*self.store, &self.keys, name) {
                Ok(Some(named)) if named.incarnation > ours => {
                    return Err(ShipError::Fenced { found: named.incarnation.0, ours: ours.0 });
                }
                Ok(named) => named.map(|named| named.version),
                // It is replaced: what it was is not needed.
                Err(ShipError::Corrupt(key, _)) => self.store.head(&key)?.map(|head| head.version),
                Err(error) => return Err(error),
            },
        };
        let mut object = MAGIC.to_le_bytes().to_vec();
        object.extend_from_slice(&VERSION.to_le_bytes());
        object.extend_from_slice(&ours.0.to_le_bytes());
        object.extend_from_slice(bytes);
        let version = self.put(&self.keys.named(name), known.as_ref(), codec::seal(object))?;
        self.names.insert(name.to_owned(), version);
        Ok(())
    }
}
