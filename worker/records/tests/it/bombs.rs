//! Few bytes that stand for gigabytes.

use std::io::Write;

use bytes::Bytes;
use streamwright_records::{BatchError, Compression, Records};

use super::batch_around;

const LIMIT: usize = 1 << 20;

/// Most memory this process ever had resident, in bytes; 0 where the system does not tell.
pub fn peak_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<usize>().ok()).unwrap_or(0) << 10
}

/// The batch is given up, and what it took is near the limit and not near what it stands for.
fn is_defused(payload: &[u8], codec: Compression) {
    let batch: Bytes = batch_around(payload, codec, 1000);
    let before = peak_bytes();
    assert_eq!(Records::decode(&batch, LIMIT).err(), Some(BatchError::TooLarge { bytes_max: LIMIT }), "{codec}");
    let taken = peak_bytes().saturating_sub(before);
    assert!(taken < 48 << 20, "{codec}: {taken} bytes were taken");
}

/// How a record of a gibibyte begins: its length, then attributes, time, offset and no key.
const RECORD: [u8; 9] = [0x80, 0x80, 0x80, 0x80, 0x08, 0, 0, 0, 1];

/// One record of a gibibyte of zeros in each codec; of LZ4 only a quarter is there, since it packs worse.
pub fn all() -> [(Compression, Vec<u8>); 4] {
    [(Compression::Gzip, gzip()), (Compression::Zstd, zstd()), (Compression::Lz4, lz4()), (Compression::Snappy, snappy())]
}

fn gzip() -> Vec<u8> {
    let member = |plain: &[u8]| {
        let mut member = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        member.write_all(plain).unwrap();
        member.finish().unwrap()
    };
    [member(&RECORD), member(&vec![0; 4 << 20]).repeat(256)].concat()
}

fn zstd() -> Vec<u8> {
    let frame = |plain: &[u8]| zstd::stream::encode_all(plain, 3).unwrap();
    [frame(&RECORD), frame(&vec![0; 8 << 20]).repeat(128)].concat()
}

fn lz4() -> Vec<u8> {
    let mut frame = lz4::EncoderBuilder::new().build(Vec::new()).unwrap();
    let zeros = vec![0; 1 << 20];
    frame.write_all(&RECORD).unwrap();
    (0..256).for_each(|_| frame.write_all(&zeros).unwrap());
    frame.finish().0
}

fn snappy() -> Vec<u8> {
    let sized = |plain: &[u8]| {
        let block = snap::raw::Encoder::new().compress_vec(plain).unwrap();
        [&(block.len() as u32).to_be_bytes()[..], &block].concat()
    };
    [&b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01"[..], &sized(&RECORD), &sized(&vec![0; 1 << 20]).repeat(1024)].concat()
}

#[test]
fn a_gibibyte_is_given_up() {
    for (codec, payload) in all() {
        is_defused(&payload, codec);
    }
}

#[test]
fn raw_snappy_that_claims_four_gibibytes_is_given_up() {
    is_defused(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0], Compression::Snappy);
    // 512 MiB: within a large limit, and still more than seven bytes can stand for.
    let batch = batch_around(&[0x80, 0x80, 0x80, 0x80, 0x02, 0, 0], Compression::Snappy, 10);
    let before = peak_bytes();
    assert_eq!(Records::decode(&batch, 1 << 30).err(), Some(BatchError::Damaged { codec: Compression::Snappy }));
    assert!(peak_bytes() - before < 48 << 20);
}

#[test]
fn a_zstd_window_larger_than_what_may_come_out_is_refused() {
    // A frame header with a window of 128 MiB, then a raw block of one byte.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x88, 0x09, 0x00, 0x00, b'x'];
    assert_eq!(zstd::stream::decode_all(&frame[..]).unwrap(), b"x");
    let batch = batch_around(&frame, Compression::Zstd, 1);
    assert_eq!(Records::decode(&batch, LIMIT).err(), Some(BatchError::Damaged { codec: Compression::Zstd }));
    assert!(Records::decode(&batch, 128 << 20).is_ok());
}

#[test]
fn the_limit_is_exact() {
    for codec in Compression::ALL {
        let batch = Bytes::from(super::batch_of(1000, codec));
        let bytes = Records::decode(&batch, LIMIT).unwrap().payload_bytes();
        assert!(Records::decode(&batch, bytes).is_ok(), "{codec}");
        let refused = Records::decode(&batch, bytes - 1).is_err();
        assert_eq!(refused, codec != Compression::None, "{codec}: what is not compressed takes nothing");
    }
}
