//! Large bodies, written past the page cache and a piece at a time.
//!
//! A log on the same volume waits for its own small writes. Synced as a whole, a large file puts all of its bytes before them; written so,
//! one piece at most, and the page cache keeps what is read again.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
};

use rustix::fs::OFlags;

/// One write.
const PIECE_BYTES: usize = 512 << 10;
/// What direct writes are aligned to, in memory and in the file.
const BLOCK_BYTES: usize = 4096;

/// Whether `bytes` are worth it.
pub(super) fn is_large(bytes: u64) -> bool {
    bytes >= 2 * PIECE_BYTES as u64
}

/// Writes `slices` one behind the other to the file at `path`, which is there and empty. It is not synced. False where the file system does
/// not take such writes; what is in the file then is to be written over.
pub(super) fn write(path: &Path, slices: &[&[u8]]) -> io::Result<bool> {
    let Ok(file) = OpenOptions::new().write(true).custom_flags(OFlags::DIRECT.bits().cast_signed()).open(path) else { return Ok(false) };
    let mut memory = vec![0; PIECE_BYTES + BLOCK_BYTES];
    let aligned = memory.as_ptr().addr().next_multiple_of(BLOCK_BYTES) - memory.as_ptr().addr();
    let mut piece = Piece { memory: &mut memory[aligned..aligned + PIECE_BYTES], filled: 0, at: 0 };
    for slice in slices {
        let mut rest = *slice;
        while !rest.is_empty() {
            rest = piece.take(rest);
            if piece.filled == PIECE_BYTES && !piece.write(&file, PIECE_BYTES)? {
                return Ok(false);
            }
        }
    }
    let (length, last) = (piece.at + piece.filled as u64, piece.filled.next_multiple_of(BLOCK_BYTES));
    if last > 0 {
        piece.memory[piece.filled..last].fill(0);
        if !piece.write(&file, last)? {
            return Ok(false);
        }
    }
    file.set_len(length)?;
    Ok(true)
}

/// The bytes of the next write.
struct Piece<'a> {
    memory: &'a mut [u8],
    filled: usize,
    at: u64,
}

impl Piece<'_> {
    /// Takes what there is room for, and gives the rest.
    fn take<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let (now, rest) = bytes.split_at(bytes.len().min(self.memory.len() - self.filled));
        self.memory[self.filled..self.filled + now.len()].copy_from_slice(now);
        self.filled += now.len();
        rest
    }

    /// Writes the first `bytes`; false where the file system takes no such write at all.
    fn write(&mut self, file: &File, bytes: usize) -> io::Result<bool> {
        match file.write_all_at(&self.memory[..bytes], self.at) {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput && self.at == 0 => return Ok(false),
            written => written?,
        }
        self.at += bytes as u64;
        self.filled = 0;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_so_is_what_is_read() {
        let folder = tempfile::tempdir().unwrap();
        for (index, lengths) in [&[64, 3 << 20, 1][..], &[PIECE_BYTES], &[PIECE_BYTES - 1, 2], &[1], &[]].into_iter().enumerate() {
            let path = folder.path().join(index.to_string());
            File::create_new(&path).unwrap();
            let bodies: Vec<Vec<u8>> = lengths.iter().map(|length| (0..*length).map(|at| (at % 251) as u8).collect()).collect();
            let slices: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
            if write(&path, &slices).unwrap() {
                assert_eq!(std::fs::read(&path).unwrap(), bodies.concat());
            }
        }
    }
}
