//! gzip.

use std::io::Write;

use flate2::{read::MultiGzDecoder, write::GzEncoder};

use super::{BatchError, Compression, read_bounded};

pub(super) fn decompress(compressed: &[u8], bytes_max: usize) -> Result<Vec<u8>, BatchError> {
    read_bounded(Compression::Gzip, reader(compressed), bytes_max)
}

pub(super) fn reader(compressed: &[u8]) -> MultiGzDecoder<&[u8]> {
    MultiGzDecoder::new(compressed)
}

pub(super) fn compress(plain: &[u8], out: &mut Vec<u8>) {
    let mut encoder = GzEncoder::new(out, flate2::Compression::default());
    encoder.write_all(plain).and_then(|()| encoder.finish().map(drop)).expect("a Vec takes every write");
}
