//! Snappy, in the frames of snappy-java: 16 bytes of header, then blocks of raw Snappy, each behind its length (four bytes).
//! Some clients send one raw block instead; everybody reads both.

use super::{BatchError, Compression};

const HEADER: &[u8; 16] = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
/// What tells frames from raw Snappy; two version numbers follow in the header.
const MAGIC_BYTES: usize = 8;
const BLOCK_BYTES: usize = 32 << 10;
/// A copy element of three bytes gives at most 64: no input of Snappy grows more than this many times.
const GROWTH_MAX: usize = 22;

pub(super) fn decompress(compressed: &[u8], bytes_max: usize) -> Result<Vec<u8>, BatchError> {
    let mut plain = Vec::new();
    if compressed.first_chunk::<MAGIC_BYTES>() != HEADER.first_chunk::<MAGIC_BYTES>() {
        append_block(compressed, &mut plain, bytes_max)?;
        return Ok(plain);
    }
    let mut left = compressed.get(HEADER.len()..).ok_or_else(damaged)?;
    while !left.is_empty() {
        let (length, rest) = left.split_first_chunk::<4>().ok_or_else(damaged)?;
        let (block, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or_else(damaged)?;
        append_block(block, &mut plain, bytes_max)?;
        left = rest;
    }
    Ok(plain)
}

fn append_block(block: &[u8], plain: &mut Vec<u8>, bytes_max: usize) -> Result<(), BatchError> {
    let claimed = snap::raw::decompress_len(block).map_err(|_| damaged())?;
    if claimed > bytes_max.saturating_sub(plain.len()) {
        return Err(BatchError::TooLarge { bytes_max });
    }
    if claimed > block.len().saturating_mul(GROWTH_MAX) {
        return Err(damaged());
    }
    let from = plain.len();
    plain.resize(from + claimed, 0);
    snap::raw::Decoder::new().decompress(block, &mut plain[from..]).map_err(|_| damaged())?;
    Ok(())
}

pub(super) fn compress(plain: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(HEADER);
    let mut encoder = snap::raw::Encoder::new();
    for block in plain.chunks(BLOCK_BYTES) {
        let length_at = out.len();
        out.resize(length_at + 4 + snap::raw::max_compress_len(block.len()), 0);
        let written = encoder.compress(block, &mut out[length_at + 4..]).expect("there is room for the worst case");
        out.truncate(length_at + 4 + written);
        out[length_at..length_at + 4].copy_from_slice(&(written as u32).to_be_bytes());
    }
}

fn damaged() -> BatchError {
    BatchError::Damaged { codec: Compression::Snappy }
}
