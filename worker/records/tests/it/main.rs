//! Record batches from outside: against another codec, against rules, against attackers.

mod bombs;
mod hostile;
mod oracle;
mod rules;
mod skim;

use bytes::Bytes;
use streamwright_records::{BatchBuilder, Compression};
use units::TimestampMs;

/// How many seeds to try: `default`, or what `SW_SEEDS` says.
fn seeds(default: u64) -> u64 {
    std::env::var("SW_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A seeded source of random values (SplitMix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// A batch of `count` small records, `key-i` -> `value-i`, one millisecond apart.
fn batch_of(count: u32, compression: Compression) -> Vec<u8> {
    let mut builder = BatchBuilder::new(compression);
    for index in 0..count {
        let (key, value) = (format!("key-{index}"), format!("value-{index}"));
        builder.push_plain(TimestampMs(1000 + i64::from(index)), Some(key.as_bytes()), Some(value.as_bytes()));
    }
    builder.finish()
}

/// A batch whose compressed payload is `payload`, with a header that claims `count` records.
fn batch_around(payload: &[u8], compression: Compression, count: u32) -> Bytes {
    let mut batch = batch_of(count.max(1), Compression::None);
    batch.truncate(61);
    batch.extend_from_slice(payload);
    let length = (batch.len() - 12) as u32;
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    batch[22] = Compression::ALL.iter().position(|codec| *codec == compression).expect("a codec") as u8;
    reseal(&mut batch);
    batch.into()
}

/// Makes the CRC right again.
fn reseal(batch: &mut [u8]) {
    let crc = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
}
