//! Snappy, in the frames of snappy-java: 16 bytes of header, then blocks of raw Snappy, each behind its length (four bytes).
//! Some clients send one raw block instead; everybody reads both.

use std::io;

use super::{BatchError, Compression};

const HEADER: &[u8; 16] = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
/// What tells frames from raw Snappy; two version numbers follow in the header.
const MAGIC_BYTES: usize = 8;
const BLOCK_BYTES: usize = 32 << 10;
/// A copy element of three bytes gives at most 64: no input of Snappy grows more than this many times.
const GROWTH_MAX: usize = 22;
/// Largest block that is opened where a stream is wanted. Clients that write one block for a whole batch stay far below.
const BLOCK_BYTES_MAX: usize = 64 << 20;

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

/// The blocks of `compressed` as a stream that holds one of them at a time.
pub(super) fn reader(compressed: &[u8]) -> Result<Blocks<'_>, BatchError> {
    let is_framed = compressed.first_chunk::<MAGIC_BYTES>() == HEADER.first_chunk::<MAGIC_BYTES>();
    let left = if is_framed { compressed.get(HEADER.len()..).ok_or_else(damaged)? } else { compressed };
    Ok(Blocks { left, is_framed, block: Vec::new(), at: 0 })
}

pub(super) struct Blocks<'a> {
    left: &'a [u8],
    is_framed: bool,
    block: Vec<u8>,
    at: usize,
}

impl Blocks<'_> {
    /// Opens the next block in place of the last.
    fn advance(&mut self) -> Result<(), BatchError> {
        let mut block = std::mem::take(&mut self.left);
        if self.is_framed {
            let (length, rest) = block.split_first_chunk::<4>().ok_or_else(damaged)?;
            (block, self.left) = rest.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or_else(damaged)?;
        }
        (self.at, self.block) = (0, Vec::new());
        append_block(block, &mut self.block, BLOCK_BYTES_MAX)
    }
}

impl io::Read for Blocks<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = io::Read::read(&mut io::BufRead::fill_buf(self)?, into)?;
        io::BufRead::consume(self, count);
        Ok(count)
    }
}

impl io::BufRead for Blocks<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.at == self.block.len() && !self.left.is_empty() {
            self.advance().map_err(io::Error::other)?;
        }
        Ok(&self.block[self.at..])
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
    }
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
