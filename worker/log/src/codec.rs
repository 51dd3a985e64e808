//! Little-endian fields of our own files, read without trusting a length.

use units::Offset;

/// No offset, place or length of ours comes near: two of them add up without overflow.
const LARGEST: i64 = 1 << 61;

/// Bytes of a file of ours, read field by field.
#[derive(Debug)]
pub(crate) struct Fields<'a>(&'a [u8]);

/// The bytes end before the field does, or say what cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(pub(crate) &'static str);

macro_rules! number {
    ($($name:ident: $type:ty),+) => {$(
        pub(crate) fn $name(&mut self) -> Result<$type, Malformed> {
            Ok(<$type>::from_le_bytes(self.array()?))
        }
    )+};
}

impl<'a> Fields<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    number!(u8: u8, u32: u32, u64: u64, i16: i16, i32: i32, i64: i64);

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(Malformed("the bytes end early"))?;
        self.0 = rest;
        Ok(*head)
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.0.split_at_checked(length).ok_or(Malformed("the bytes end early"))?;
        self.0 = rest;
        Ok(head)
    }

    /// An offset from which any batch or segment can still be counted on.
    pub(crate) fn offset(&mut self) -> Result<Offset, Malformed> {
        match self.i64()? {
            offset @ 0..=LARGEST => Ok(Offset(offset)),
            _ => Err(Malformed("an offset is negative or larger than any log")),
        }
    }

    /// A place or length within an object, from which any other can still be counted on.
    pub(crate) fn length(&mut self) -> Result<u64, Malformed> {
        let length = self.u64()?;
        if length <= LARGEST as u64 { Ok(length) } else { Err(Malformed("a length is larger than any object")) }
    }

    /// A count of elements that take at least `element_bytes` each: never more than the bytes that are left can hold.
    pub(crate) fn count(&mut self, element_bytes: usize) -> Result<usize, Malformed> {
        let count = self.u32()? as usize;
        if count > self.0.len() / element_bytes { Err(Malformed("a count is larger than its bytes")) } else { Ok(count) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Lengths and counts in our files are 32 bits wide.
pub(crate) fn length(count: usize) -> u32 {
    u32::try_from(count).expect("what one file counts fits 32 bits")
}

/// Appends a CRC-32C of all bytes so far.
pub(crate) fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

/// The bytes before a CRC-32C that holds.
pub(crate) fn unseal(bytes: &[u8]) -> Result<&[u8], Malformed> {
    let (body, crc) = bytes.split_last_chunk::<4>().ok_or(Malformed("the bytes end early"))?;
    if crc32c::crc32c(body) == u32::from_le_bytes(*crc) { Ok(body) } else { Err(Malformed("the checksum does not hold")) }
}
