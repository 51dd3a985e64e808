//! Memory aligned for direct writes, without unsafe code: a slice of an over-allocated buffer.

use bytes::{Bytes, BytesMut};

use crate::disk::BLOCK_BYTES;

/// An empty buffer whose next byte lies on a block boundary and which takes `bytes` more without moving.
pub(crate) fn buffer(bytes: usize) -> BytesMut {
    let mut buffer = BytesMut::with_capacity(bytes + BLOCK_BYTES);
    align(&mut buffer);
    assert!(buffer.capacity() >= bytes, "over-allocated by one block");
    buffer
}

/// Makes of an empty buffer again what [`buffer`] made of it, if nobody holds anything that was split off it. False where somebody does, or
/// it was smaller.
pub(crate) fn reclaim(buffer: &mut BytesMut, bytes: usize) -> bool {
    let is_free = buffer.try_reclaim(bytes + BLOCK_BYTES);
    if is_free {
        align(buffer);
    }
    is_free && buffer.capacity() >= bytes
}

/// Splits off what lies before the next block boundary.
fn align(buffer: &mut BytesMut) {
    let behind = buffer.as_ptr().addr() % BLOCK_BYTES;
    if behind != 0 {
        buffer.resize(BLOCK_BYTES - behind, 0);
        drop(buffer.split());
    }
    assert!(buffer.as_ptr().addr().is_multiple_of(BLOCK_BYTES), "split at a boundary");
}

/// `bytes` zeros on a block boundary.
pub(crate) fn zeros(bytes: usize) -> Bytes {
    let mut buffer = buffer(bytes);
    buffer.resize(bytes, 0);
    buffer.freeze()
}

/// `bytes` rounded up to whole blocks.
pub(crate) fn round_up(bytes: usize) -> usize {
    bytes.next_multiple_of(BLOCK_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_split_off_at_whole_blocks_stay_aligned() {
        let mut buffer = buffer(5 * BLOCK_BYTES);
        for _ in 0..5 {
            buffer.resize(BLOCK_BYTES, 7);
            let piece = buffer.split().freeze();
            assert!(piece.as_ptr().addr().is_multiple_of(BLOCK_BYTES));
        }
    }
}
