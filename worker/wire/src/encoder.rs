//! [`Encoder`]: writes Kafka's primitive types; what is large is passed on, not copied.

use bytes::{BufMut, Bytes, BytesMut};

/// A slice at least this long becomes a slice of the output; a shorter one is copied, which costs less than one more slice to write.
const SHARED_BYTES_MIN: usize = 4096;

/// The value cannot be written in this version: a bug of ours, or a value of a peer that we pass on and that has no room there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The version is not one that this message has here.
    #[error("version {version} of {message} is not known")]
    Version {
        /// Name of the message.
        message: &'static str,
        /// Version asked for.
        version: i16,
    },
    /// A field of a request that changes its meaning is set, and the version has no such field.
    #[error("{field} cannot be said in version {version}")]
    FieldNotInVersion {
        /// Name of the field.
        field: &'static str,
        /// Version asked for.
        version: i16,
    },
    /// A value is absent in a version that has no null for it.
    #[error("version {version} has no null where one is given")]
    Null {
        /// Version asked for.
        version: i16,
    },
    /// Text of more than 32,767 bytes, or anything else of more than 2 GiB.
    #[error("a length of {0} bytes or elements cannot be written")]
    Length(usize),
}

/// Collects one message. Short values go into one buffer, long byte slices stand beside it, and [`Encoder::finish`] interleaves them.
#[derive(Debug, Default)]
pub struct Encoder {
    own: BytesMut,
    /// Slices of others, each with the position in `own` before which it goes.
    shared: Vec<(usize, Bytes)>,
    shared_bytes: usize,
}

impl Encoder {
    /// An encoder that holds nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes written so far, those of others included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.own.len() + self.shared_bytes
    }

    /// Whether nothing has been written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Overwrites four bytes of ours, written before anything was shared.
    pub(crate) fn patch_i32(&mut self, at: usize, value: i32) {
        self.own[at..at + 4].copy_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.own.put_slice(bytes);
    }

    pub(crate) fn put_shared(&mut self, bytes: &Bytes) {
        if bytes.len() < SHARED_BYTES_MIN {
            return self.put(bytes);
        }
        self.shared_bytes += bytes.len();
        self.shared.push((self.own.len(), bytes.clone()));
    }

    pub(crate) fn put_unsigned_varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.own.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.own.put_u8(value as u8);
    }

    pub(crate) fn put_compact_length(&mut self, length: Option<usize>) -> Result<(), EncodeError> {
        let stored = match length {
            None => 0,
            Some(length) => i32::try_from(length).map_err(|_| EncodeError::Length(length))? as u32 + 1,
        };
        self.put_unsigned_varint(stored);
        Ok(())
    }

    pub(crate) fn put_length_i16(&mut self, length: Option<usize>) -> Result<(), EncodeError> {
        let stored = length.map_or(Ok(-1), |length| i16::try_from(length).map_err(|_| EncodeError::Length(length)))?;
        self.own.put_i16(stored);
        Ok(())
    }

    pub(crate) fn put_length_i32(&mut self, length: Option<usize>) -> Result<(), EncodeError> {
        let stored = length.map_or(Ok(-1), |length| i32::try_from(length).map_err(|_| EncodeError::Length(length)))?;
        self.own.put_i32(stored);
        Ok(())
    }

    /// The message as slices in order, none of them empty.
    #[must_use]
    pub fn finish(self) -> Vec<Bytes> {
        let own = self.own.freeze();
        let mut slices = Vec::with_capacity(self.shared.len() * 2 + 1);
        let mut at = 0;
        for (before, bytes) in self.shared {
            if before > at {
                slices.push(own.slice(at..before));
                at = before;
            }
            slices.push(bytes);
        }
        if own.len() > at {
            slices.push(own.slice(at..));
        }
        slices
    }
}

/// The tagged fields (KIP-482) that end a struct, collected in the order of their tags.
#[derive(Default)]
pub(crate) struct TaggedFields {
    count: u32,
    fields: Encoder,
}

impl TaggedFields {
    pub(crate) fn add(&mut self, tag: u32, write: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>) -> Result<(), EncodeError> {
        let mut value = Encoder::new();
        write(&mut value)?;
        self.count += 1;
        self.fields.put_unsigned_varint(tag);
        self.fields.put_unsigned_varint(u32::try_from(value.len()).map_err(|_| EncodeError::Length(value.len()))?);
        value.finish().iter().for_each(|slice| self.fields.put(slice));
        Ok(())
    }

    pub(crate) fn write(self, encoder: &mut Encoder) {
        encoder.put_unsigned_varint(self.count);
        encoder.put(&self.fields.own);
    }
}
