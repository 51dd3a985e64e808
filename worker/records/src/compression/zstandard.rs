//! Zstandard.

use zstd::stream::{read::Decoder, write::Encoder};

use super::{BatchError, Compression, read_bounded};

/// Windows that are accepted in any case, as a power of two: 8 MiB, as RFC 8878 asks of every decoder. A producer that streams takes a
/// window by its level and not by its data.
const WINDOW_LOG_MIN: u32 = 23;
/// Largest window that is accepted: the same as that of Kafka's clients (128 MiB).
const WINDOW_LOG_MAX: u32 = 27;
const LEVEL: i32 = 3;

pub(super) fn decompress(compressed: &[u8], bytes_max: usize) -> Result<Vec<u8>, BatchError> {
    // A frame of a few bytes may ask for a window of gigabytes. One larger than all that may come out of it serves nothing.
    let useful = bytes_max.checked_next_power_of_two().map_or(usize::BITS - 1, usize::ilog2);
    let decoder = with_window(compressed, useful.clamp(WINDOW_LOG_MIN, WINDOW_LOG_MAX))?;
    read_bounded(Compression::Zstd, decoder, bytes_max)
}

/// A stream, with the windows that every decoder is asked to take and no larger ones.
pub(super) fn reader(compressed: &[u8]) -> Result<Decoder<'static, &[u8]>, BatchError> {
    with_window(compressed, WINDOW_LOG_MIN)
}

fn with_window(compressed: &[u8], window_log_max: u32) -> Result<Decoder<'static, &[u8]>, BatchError> {
    let damaged = |_| BatchError::Damaged { codec: Compression::Zstd };
    let mut decoder = Decoder::with_buffer(compressed).map_err(damaged)?;
    decoder.window_log_max(window_log_max).map_err(damaged)?;
    Ok(decoder)
}

pub(super) fn compress(plain: &[u8], out: &mut Vec<u8>) {
    let mut encoder = Encoder::new(out, LEVEL).expect("zstd has memory for its context");
    encoder.set_pledged_src_size(Some(plain.len() as u64)).expect("nothing has been written yet");
    std::io::Write::write_all(&mut encoder, plain).expect("a Vec takes every write");
    encoder.finish().expect("a Vec takes every write");
}
