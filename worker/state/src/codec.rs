//! Reading and writing little-endian fields. Nothing is allocated for bytes that are not there.

use crate::Malformed;
use bytes::{Buf, Bytes};

/// Takes fields from the front of some bytes.
pub(crate) struct Fields {
    rest: Bytes,
    what: &'static str,
}

impl Fields {
    /// Fields of `bytes`, which are called `what` in errors.
    pub(crate) fn new(bytes: Bytes, what: &'static str) -> Self {
        Self { rest: bytes, what }
    }

    pub(crate) fn malformed(&self, why: impl std::fmt::Display) -> Malformed {
        Malformed(format!("{}: {why}", self.what))
    }

    /// The next `len` bytes, not copied.
    pub(crate) fn bytes(&mut self, len: usize) -> Result<Bytes, Malformed> {
        if len > self.rest.len() {
            return Err(self.malformed(format_args!("ends {} bytes early", len - self.rest.len())));
        }
        Ok(self.rest.split_to(len))
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.bytes(1)?.get_u8())
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(self.bytes(2)?.get_u16_le())
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(self.bytes(4)?.get_u32_le())
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(self.bytes(8)?.get_u64_le())
    }

    pub(crate) fn i16(&mut self) -> Result<i16, Malformed> {
        Ok(self.bytes(2)?.get_i16_le())
    }

    pub(crate) fn i32(&mut self) -> Result<i32, Malformed> {
        Ok(self.bytes(4)?.get_i32_le())
    }

    pub(crate) fn i64(&mut self) -> Result<i64, Malformed> {
        Ok(self.bytes(8)?.get_i64_le())
    }

    /// Text behind its length (u16).
    pub(crate) fn text(&mut self) -> Result<String, Malformed> {
        let len = self.u16()?;
        let bytes = self.bytes(len.into())?;
        String::from_utf8(bytes.into()).map_err(|_| self.malformed("has a name that is not UTF-8"))
    }

    /// Bytes behind their length (u32), not copied.
    pub(crate) fn blob(&mut self) -> Result<Bytes, Malformed> {
        let len = self.u32()?;
        self.bytes(usize::try_from(len).map_err(|_| self.malformed("is too long"))?)
    }

    /// As many items as a u32 says, each of at least `bytes_min` bytes, which is checked before anything is allocated.
    pub(crate) fn list<T>(
        &mut self,
        bytes_min: usize,
        mut item: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let count = self.u32()? as usize;
        if count > self.rest.len() / bytes_min {
            return Err(self.malformed(format_args!("has {} bytes for {count} items", self.rest.len())));
        }
        (0..count).map(|_| item(self)).collect()
    }

    /// Nothing may be left.
    pub(crate) fn end(&self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.malformed(format_args!("has {} bytes too many", self.rest.len()))) }
    }
}

/// Appends what [`Fields::text`] reads. Names are bounded where they are made.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend(u16::try_from(text.len()).expect("a name is shorter than 64 KiB").to_le_bytes());
    out.extend(text.as_bytes());
}

/// Appends what [`Fields::blob`] reads.
pub(crate) fn put_blob(out: &mut Vec<u8>, bytes: &[u8]) {
    put_count(out, bytes.len());
    out.extend(bytes);
}

/// Appends what [`Fields::list`] reads before its items.
pub(crate) fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend(u32::try_from(count).expect("a count of things in memory is below 2^32").to_le_bytes());
}
