//! [`Decoder`]: reads Kafka's primitive types from a frame, and never believes a length.

use bytes::Bytes;

/// Memory that arrays may take: this many times the frame's length …
const MEMORY_PER_BYTE: usize = 16;
/// … and this much besides, so that small frames need no thought.
const MEMORY_FLOOR_BYTES: usize = 64 << 10;

/// The frame is not what its version says it is. The only answer is to close the connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Fewer bytes are left than the next value takes.
    #[error("{wanted} bytes are wanted where {left} are left")]
    Truncated {
        /// Bytes that the value takes.
        wanted: usize,
        /// Bytes that are left.
        left: usize,
    },
    /// A length below zero that does not mean null, or null where null is not allowed.
    #[error("length {0} is not one")]
    Length(i64),
    /// An array claims more elements than the bytes left could hold.
    #[error("an array of {count} elements does not fit into the {left} bytes that are left")]
    Count {
        /// Elements claimed.
        count: usize,
        /// Bytes that are left.
        left: usize,
    },
    /// The frame is made to take far more memory than it has bytes.
    #[error("the frame would take far more memory than its {frame_bytes} bytes")]
    Memory {
        /// Length of the frame.
        frame_bytes: usize,
    },
    /// A variable-length integer of more than 32 bits.
    #[error("a variable-length integer has more than 32 bits")]
    Varint,
    /// Text that is not UTF-8.
    #[error("text is not UTF-8")]
    Text,
    /// A tagged field (KIP-482) of which not all bytes, or more than its bytes, were used.
    #[error("tagged field {tag} of {size_bytes} bytes does not hold what it should")]
    TaggedField {
        /// The tag.
        tag: u32,
        /// Bytes it claims.
        size_bytes: usize,
    },
    /// The version is not one that this message has here.
    #[error("version {version} of {message} is not known")]
    Version {
        /// Name of the message.
        message: &'static str,
        /// Version asked for.
        version: i16,
    },
}

/// Reads one frame from front to back.
///
/// Two bounds hold whatever the bytes say. An array is refused when the bytes left could not hold its elements at their smallest, and
/// all arrays of a frame together may take 16 times the frame's length plus 64 KiB: honest frames stay below 8 times.
#[derive(Debug)]
pub struct Decoder {
    frame: Bytes,
    at: usize,
    end: usize,
    memory_bytes: usize,
    memory_left: usize,
}

impl Decoder {
    /// Reads `frame` from its start.
    #[must_use]
    pub fn new(frame: Bytes) -> Self {
        let memory_bytes = frame.len().saturating_mul(MEMORY_PER_BYTE).saturating_add(MEMORY_FLOOR_BYTES);
        Self::with_memory(frame, memory_bytes)
    }

    /// Reads `frame` from its start, where all arrays together may take `memory_bytes`.
    #[must_use]
    pub fn with_memory(frame: Bytes, memory_bytes: usize) -> Self {
        let end = frame.len();
        Self { frame, at: 0, end, memory_bytes, memory_left: memory_bytes }
    }

    /// Memory that the arrays read so far take, in bytes; text and records are slices of the frame.
    #[must_use]
    pub fn memory_taken(&self) -> usize {
        self.memory_bytes - self.memory_left
    }

    /// Bytes not read yet. Kafka does not mind bytes behind a message, and neither do we.
    #[must_use]
    pub fn left(&self) -> usize {
        self.end - self.at
    }

    /// What has not been read yet, as a slice of the frame.
    #[must_use]
    pub fn rest(&self) -> Bytes {
        self.frame.slice(self.at..self.end)
    }

    fn take(&mut self, wanted: usize) -> Result<std::ops::Range<usize>, DecodeError> {
        let left = self.left();
        if wanted > left {
            return Err(DecodeError::Truncated { wanted, left });
        }
        let from = self.at;
        self.at += wanted;
        Ok(from..self.at)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let range = self.take(N)?;
        Ok(self.frame[range].try_into().expect("the range has N bytes"))
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Result<Bytes, DecodeError> {
        let range = self.take(length)?;
        Ok(self.frame.slice(range))
    }

    pub(crate) fn unsigned_varint(&mut self) -> Result<u32, DecodeError> {
        let mut value = 0u64;
        for shift in (0..35).step_by(7) {
            let [byte] = self.array()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return u32::try_from(value).map_err(|_| DecodeError::Varint);
            }
        }
        Err(DecodeError::Varint)
    }

    /// A length as flexible versions write it: one more than it is, so that 0 is null.
    pub(crate) fn compact_length(&mut self) -> Result<Option<usize>, DecodeError> {
        Ok((self.unsigned_varint()? as usize).checked_sub(1))
    }

    pub(crate) fn length_i16(&mut self) -> Result<Option<usize>, DecodeError> {
        length(i64::from(i16::from_be_bytes(self.array()?)))
    }

    pub(crate) fn length_i32(&mut self) -> Result<Option<usize>, DecodeError> {
        length(i64::from(i32::from_be_bytes(self.array()?)))
    }

    /// Room for `count` elements of `T`, each of at least `element_bytes_min` on the wire; refused where that cannot be honest.
    pub(crate) fn room<T>(&mut self, count: usize, element_bytes_min: usize) -> Result<Vec<T>, DecodeError> {
        let left = self.left();
        if count > left / element_bytes_min.max(1) {
            return Err(DecodeError::Count { count, left });
        }
        let memory = count.saturating_mul(size_of::<T>());
        self.memory_left = self.memory_left.checked_sub(memory).ok_or(DecodeError::Memory { frame_bytes: self.frame.len() })?;
        Ok(Vec::with_capacity(count))
    }

    /// Reads the tagged fields that end a struct of a flexible version (KIP-482): `known` reads those it knows and returns true.
    pub(crate) fn tagged_fields(&mut self, mut known: impl FnMut(&mut Self, u32) -> Result<bool, DecodeError>) -> Result<(), DecodeError> {
        for _ in 0..self.unsigned_varint()? {
            let tag = self.unsigned_varint()?;
            let size_bytes = self.unsigned_varint()? as usize;
            let value = self.take(size_bytes)?;
            let end_of_parent = std::mem::replace(&mut self.end, value.end);
            self.at = value.start;
            if known(self, tag)? && self.at != value.end {
                return Err(DecodeError::TaggedField { tag, size_bytes });
            }
            self.at = value.end;
            self.end = end_of_parent;
        }
        Ok(())
    }
}

fn length(value: i64) -> Result<Option<usize>, DecodeError> {
    match value {
        -1 => Ok(None),
        _ => usize::try_from(value).map(Some).map_err(|_| DecodeError::Length(value)),
    }
}
