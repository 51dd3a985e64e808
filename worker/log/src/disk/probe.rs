//! Which way of writing durably is faster here: asked once at start, in a few milliseconds.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::Path,
    time::{Duration, Instant},
};

use super::{BLOCK_BYTES, real::open_writer};
use crate::aligned;

/// Writes of each kind that are timed.
const ROUNDS: u64 = 8;
/// Direct writes take no page cache and no second pass over the bytes: they are left only where they are clearly slower.
const MARGIN: u32 = 2;

/// Whether `O_DIRECT | O_DSYNC` works in `folder` and is not clearly slower than `pwrite` and `fdatasync`.
pub(super) fn direct_is_better(folder: &Path) -> io::Result<bool> {
    let path = folder.join("probe");
    let answer = compare(&path);
    drop(fs::remove_file(&path));
    answer
}

fn compare(path: &Path) -> io::Result<bool> {
    let block = aligned::zeros(BLOCK_BYTES);
    let plain = File::create(path)?;
    for round in 0..=ROUNDS {
        plain.write_all_at(&block, round * BLOCK_BYTES as u64)?;
    }
    plain.sync_all()?;
    let Ok(direct) = open_writer(path, true) else { return Ok(false) };
    let Ok(direct) = median(|position| direct.write_all_at(&block, position)) else { return Ok(false) };
    let buffered = median(|position| plain.write_all_at(&block, position).and_then(|()| plain.sync_data()))?;
    Ok(direct <= buffered * MARGIN)
}

fn median(write: impl Fn(u64) -> io::Result<()>) -> io::Result<Duration> {
    let mut times = Vec::new();
    for round in 0..=ROUNDS {
        let begun = Instant::now();
        write(round * BLOCK_BYTES as u64)?;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}
