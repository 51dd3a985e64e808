//! Damaged batches: an error or a reading, never a panic, never much memory.

use bytes::Bytes;
use streamwright_records::{BatchBuilder, BatchError, BatchHeader, Compression, Marker, MarkerKind, Records, split, validate_produced};
use units::{ProducerEpoch, ProducerId, TimestampMs};

use super::{Dice, batch_around, batch_of, reseal, seeds};

/// Does with `bytes` all that is done with bytes from outside.
fn survives(bytes: Bytes) {
    let _ = validate_produced(&bytes);
    let _ = Marker::parse(&bytes);
    for batch in split(bytes) {
        let Ok((_, batch)) = batch else { continue };
        let Ok(records) = Records::decode(&batch, 1 << 16) else { continue };
        assert!(records.payload_bytes() <= (1 << 16).max(batch.len()));
        for record in records.iter().flatten() {
            assert_eq!(record.headers.count(), record.headers.len());
        }
    }
}

fn sample(dice: &mut Dice) -> Vec<u8> {
    let codec = Compression::ALL[dice.below(5)];
    let mut builder = BatchBuilder::new(codec);
    for _ in 0..1 + dice.below(20) {
        let value = vec![dice.next() as u8; dice.below(60)];
        let headers = [("a", Some(&value[..])), ("a", None)];
        builder.push(TimestampMs(dice.next() as i64 >> 20), Some(b"key"), Some(&value), headers[..dice.below(3)].iter().copied());
    }
    builder.finish()
}

#[test]
fn damaged_batches_never_panic() {
    for seed in 0..seeds(5_000) {
        let dice = &mut Dice(seed);
        let mut bytes = if dice.below(10) == 0 {
            let kind = [MarkerKind::Abort, MarkerKind::Commit][dice.below(2)];
            let (producer_id, producer_epoch) = (ProducerId(3), ProducerEpoch(1));
            Marker { kind, coordinator_epoch: 7, producer_id, producer_epoch, timestamp: TimestampMs(5) }.to_batch()
        } else {
            sample(dice)
        };
        for _ in 0..1 + dice.below(4) {
            let at = dice.below(bytes.len());
            match dice.below(5) {
                0 => bytes.truncate(at.max(1)),
                1 => bytes.insert(at, dice.next() as u8),
                2 => bytes[at] = [0x7f, 0x80, 0xff, 0][dice.below(4)],
                _ => bytes[at] ^= 1 << dice.below(8),
            }
        }
        if bytes.len() > 61 && dice.below(2) == 0 {
            // An attacker gets length and CRC right.
            let length = (bytes.len() - 12) as u32;
            bytes[8..12].copy_from_slice(&length.to_be_bytes());
            bytes[16] = 2;
            reseal(&mut bytes);
        }
        survives(bytes.into());
    }
}

#[test]
fn random_bytes_never_panic() {
    for seed in 0..seeds(5_000) {
        let dice = &mut Dice(seed);
        let mut bytes: Vec<u8> = (0..dice.below(200)).map(|_| dice.next() as u8).collect();
        if let Some(magic) = bytes.get_mut(16) {
            *magic = 2;
        }
        survives(bytes.into());
    }
}

#[test]
fn random_payloads_behind_an_honest_header_never_panic() {
    for seed in 0..seeds(5_000) {
        let dice = &mut Dice(seed);
        let mut payload: Vec<u8> = (0..dice.below(100)).map(|_| dice.next() as u8 & 0x3f).collect();
        let codec = Compression::ALL[dice.below(5)];
        if codec == Compression::Snappy && dice.below(2) == 0 {
            payload.splice(0..0, *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\0\0\0");
        }
        survives(batch_around(&payload, codec, 5));
    }
}

#[test]
fn a_flipped_bit_anywhere_after_the_crc_is_found() {
    let good = batch_of(20, Compression::Zstd);
    for bit in 21 * 8..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(validate_produced(&bad).is_err(), "bit {bit}");
    }
}

#[test]
fn a_record_count_of_two_thousand_million_takes_no_memory() {
    let batch = {
        let mut batch = batch_of(1, Compression::None);
        batch[57..61].copy_from_slice(&i32::MAX.to_be_bytes());
        batch[23..27].copy_from_slice(&(i32::MAX - 1).to_be_bytes());
        reseal(&mut batch);
        Bytes::from(batch)
    };
    validate_produced(&batch).expect("the header does not contradict itself");
    let records = Records::decode(&batch, 100).expect("nothing to decompress");
    assert!(records.iter().size_hint().1.is_some_and(|most| most < 10));
    let read: Vec<_> = records.iter().collect();
    assert!(matches!(read[..], [Ok(_), Err(BatchError::Record { index: 1, .. })]), "{read:?}");
}

#[test]
fn lengths_at_the_edge_of_their_type_are_refused() {
    let mut batch = batch_of(1, Compression::None);
    for (length, expected) in [(-1, None), (0, None), (48, None), (i32::MIN, None), (i32::MAX, Some(i32::MAX as usize + 12))] {
        batch[8..12].copy_from_slice(&length.to_be_bytes());
        assert_eq!(BatchHeader::parse(&batch).ok().map(|header| header.total_bytes()), expected, "{length}");
        assert!(split(batch.clone().into()).all(|batch| batch.is_err()));
    }
}
