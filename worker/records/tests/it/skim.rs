//! Looking through a batch says what opening it says, and takes no memory for what it stands for.

use streamwright_records::{BatchBuilder, BatchError, Compression, Records, Skim, Skimmed, set_append_time};
use units::TimestampMs;

use super::{Dice, batch_of, bombs, seeds};

/// Records with and without keys, small ones and ones larger than any buffer between.
fn batch(dice: &mut Dice, codec: Compression) -> Vec<u8> {
    let mut builder = BatchBuilder::new(codec);
    for _ in 0..=dice.below(40) {
        let sizes = [0, 1, 100, 9_000, 40_000];
        let value: Vec<u8> = (0..sizes[dice.below(sizes.len())]).map(|_| dice.next() as u8).collect();
        let key = [None, Some(&b""[..]), Some(&b"key"[..])][dice.below(3)];
        builder.push(TimestampMs(dice.below(1 << 40) as i64), key, Some(&value), [("name", Some(&b"value"[..]))]);
    }
    builder.finish()
}

fn opened(batch: &[u8]) -> Vec<Skimmed> {
    let records = Records::decode(&batch.to_vec().into(), 1 << 30).unwrap();
    let of = |record: streamwright_records::Record<'_>| Skimmed {
        offset: record.offset,
        timestamp: record.timestamp,
        has_key: record.key.is_some(),
    };
    records.iter().map(|record| of(record.unwrap())).collect()
}

#[test]
fn what_is_skimmed_is_what_is_opened() {
    // A tenth of the seeds that simulations try: each packs and opens hundreds of kilobytes.
    for seed in 0..seeds(200).div_ceil(10) {
        let mut dice = Dice(seed);
        let codec = Compression::ALL[dice.below(5)];
        let mut batch = batch(&mut dice, codec);
        if dice.below(3) == 0 {
            set_append_time(&mut batch, TimestampMs(77));
        }
        let skimmed: Result<Vec<_>, _> = Skim::new(&batch, 1 << 30).unwrap().collect();
        assert_eq!(skimmed.unwrap(), opened(&batch), "seed {seed}, {codec}");
    }
}

#[test]
fn hostile_bytes_are_an_error_or_records_and_never_more() {
    for seed in 0..seeds(2_000) {
        let mut dice = Dice(seed);
        let codec = Compression::ALL[dice.below(5)];
        let mut batch = batch_of(20, codec);
        for _ in 0..=dice.below(4) {
            let at = 61 + dice.below(batch.len() - 61);
            batch[at] = dice.next() as u8;
        }
        if let Ok(skim) = Skim::new(&batch, 1 << 20) {
            assert!(skim.take(30).count() <= 20, "seed {seed}, {codec}");
        }
    }
}

#[test]
fn a_batch_cut_short_is_said_to_be_damaged() {
    for codec in Compression::ALL {
        let whole = batch_of(1000, codec);
        let batch = super::batch_around(&whole[61..61 + (whole.len() - 61) / 2], codec, 1000);
        let skimmed: Result<Vec<_>, _> = Skim::new(&batch, 1 << 20).unwrap().collect();
        assert_eq!(skimmed.unwrap_err(), BatchError::Damaged { codec }, "{codec}");
    }
}

#[test]
fn a_gibibyte_is_read_past_in_a_few_mebibytes_and_given_up() {
    for (codec, payload) in bombs::all() {
        let batch = super::batch_around(&payload, codec, 1000);
        let before = bombs::peak_bytes();
        let last = Skim::new(&batch, 64 << 20).unwrap().last().unwrap();
        assert_eq!(last, Err(BatchError::TooLarge { bytes_max: 64 << 20 }), "{codec}");
        let taken = bombs::peak_bytes().saturating_sub(before);
        assert!(taken < 48 << 20, "{codec}: {taken} bytes were taken");
    }
}
