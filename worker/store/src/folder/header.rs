//! The 64 bytes before an object's own, little-endian:
//!
//! | bytes | field |
//! |---|---|
//! | 0..4 | `SWOB` |
//! | 4..8 | format of this header: 1 |
//! | 8..16 | generation: 1 for an object made, one more for each that replaced it |
//! | 16..32 | write id |
//! | 32..40 | length of the body |
//! | 40..44 | CRC-32C of the body |
//! | 44..60 | zero |
//! | 60..64 | CRC-32C of the 60 bytes before |
//!
//! In front, so that a range of the body is one read at a known place.

use crate::{Body, Head, Version, WriteId};

const MAGIC: [u8; 4] = *b"SWOB";
const FORMAT: u32 = 1;
const CRC_AT: usize = 60;

/// What precedes an object's bytes in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    generation: u64,
    write_id: WriteId,
    pub(super) body_len: u64,
    body_crc: u32,
}

impl Header {
    /// Length of a header.
    pub(super) const BYTES: u64 = 64;

    /// The header of an object that its key has not had.
    pub(super) fn first(body: &Body, write_id: WriteId) -> Self {
        Self { generation: 1, write_id, body_len: body.len(), body_crc: body.crc32c() }
    }

    /// The header of an object that replaces this one.
    pub(super) fn next(&self, body: &Body, write_id: WriteId) -> Self {
        Self { generation: self.generation + 1, ..Self::first(body, write_id) }
    }

    pub(super) fn encode(&self) -> [u8; Self::BYTES as usize] {
        let mut bytes = [0; Self::BYTES as usize];
        bytes[0..4].copy_from_slice(&MAGIC);
        bytes[4..8].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.generation.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.write_id.0.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.body_len.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.body_crc.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..CRC_AT]);
        bytes[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header, and holds its length against that of the file; the error says what does not hold.
    pub(super) fn decode(bytes: &[u8; Self::BYTES as usize], file_len: u64) -> Result<Self, String> {
        if file_len < Self::BYTES {
            return Err(format!("its file has {file_len} bytes, fewer than a header"));
        }
        if bytes[0..4] != MAGIC || u32::from_le_bytes(field(bytes, 4)) != FORMAT {
            return Err("its file does not begin as an object of this format".into());
        }
        if u32::from_le_bytes(field(bytes, CRC_AT)) != crc32c::crc32c(&bytes[..CRC_AT]) {
            return Err("its header does not match its checksum".into());
        }
        let header = Self {
            generation: u64::from_le_bytes(field(bytes, 8)),
            write_id: WriteId(u128::from_le_bytes(field(bytes, 16))),
            body_len: u64::from_le_bytes(field(bytes, 32)),
            body_crc: u32::from_le_bytes(field(bytes, 40)),
        };
        if header.body_len != file_len - Self::BYTES {
            return Err(format!("its file has {} bytes after the header, {} were written", file_len - Self::BYTES, header.body_len));
        }
        Ok(header)
    }

    /// Whether `body` is what was written; the error says what does not hold.
    pub(super) fn check(&self, body: &[u8]) -> Result<(), String> {
        if crc32c::crc32c(body) == self.body_crc { Ok(()) } else { Err("its bytes do not match their checksum".into()) }
    }

    /// Names this state of the object: no other state of its key has both the generation and the write.
    pub(super) fn version(&self) -> Version {
        Version::new(format!("{}-{}", self.generation, self.write_id))
    }

    pub(super) fn head(&self) -> Head {
        Head { size: self.body_len, version: self.version(), write_id: Some(self.write_id) }
    }
}

fn field<const N: usize>(bytes: &[u8; Header::BYTES as usize], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("the field lies within the header")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_of_a_header_is_seen() {
        let body = Body::from(b"what is stored".as_slice());
        let header = Header::first(&body, WriteId(7)).next(&body, WriteId(9));
        let bytes = header.encode();
        let file_len = Header::BYTES + body.len();
        assert_eq!(Header::decode(&bytes, file_len), Ok(header));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(&flipped, file_len).is_err(), "bit {bit}");
        }
        assert!(Header::decode(&bytes, file_len - 1).is_err());
        assert!(Header::decode(&bytes, 3).is_err());
    }
}
