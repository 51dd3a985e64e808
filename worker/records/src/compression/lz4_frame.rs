//! LZ4 in its frame format, as Kafka has it since batch format 2 (the header's checksum is the right one).

use std::io::Write;

use lz4::{BlockMode, BlockSize, ContentChecksum, Decoder, EncoderBuilder};

use super::{BatchError, Compression, read_bounded};

pub(super) fn decompress(compressed: &[u8], bytes_max: usize) -> Result<Vec<u8>, BatchError> {
    let mut decoder = reader(compressed)?;
    let plain = read_bounded(Compression::Lz4, &mut decoder, bytes_max)?;
    // An input cut short reads as one that ends: only the decoder knows that its frame has not ended.
    decoder.finish().1.map_err(damaged)?;
    Ok(plain)
}

pub(super) fn reader(compressed: &[u8]) -> Result<Decoder<&[u8]>, BatchError> {
    Decoder::new(compressed).map_err(damaged)
}

fn damaged(_: std::io::Error) -> BatchError {
    BatchError::Damaged { codec: Compression::Lz4 }
}

pub(super) fn compress(plain: &[u8], out: &mut Vec<u8>) {
    // Kafka's Java clients refuse blocks that depend on each other.
    let mut builder = EncoderBuilder::new();
    builder.block_size(BlockSize::Max64KB).block_mode(BlockMode::Independent).checksum(ContentChecksum::NoChecksum).level(1);
    let mut encoder = builder.build(out).expect("LZ4 has memory for its context");
    encoder.write_all(plain).expect("a Vec takes every write");
    encoder.finish().1.expect("a Vec takes every write");
}
