//! The one hash of a key: it chooses the hash partition, the lane and the place in every table and sealed run.
//!
//! **It never changes**: state written by any version, on any machine, is found again by it. It is XXH64 (Yann Collet's
//! specification, version 0.1.1), column after column, each seeded with the hash so far:
//!
//! ```text
//! hash = 0
//! for each key column, in key order:  hash = XXH64(bytes of the value, seed = hash)
//! ```
//!
//! | value | bytes |
//! |---|---|
//! | BOOLEAN, integers, DATE, TIME, TIMESTAMP | the number as i64, little endian (8 bytes) |
//! | FLOAT, DOUBLE | as f64 (`-0.0` is `0.0`, one NaN); its bits, those below the sign inverted where negative; little endian |
//! | DECIMAL | the unscaled number as i128, little endian (16 bytes) |
//! | STRING, BYTES | themselves |
//! | NULL | the one byte `ff` |

use arrow::{array::RecordBatch, array::UInt64Array};

use crate::column::{Column, UnsupportedType, Values};

const PRIME_1: u64 = 0x9E37_79B1_85EB_CA87;
const PRIME_2: u64 = 0xC2B2_AE3D_27D4_EB4F;
const PRIME_3: u64 = 0x1656_67B1_9E37_79F9;
const PRIME_4: u64 = 0x85EB_CA77_C2B2_AE63;
const PRIME_5: u64 = 0x27D4_EB2F_1656_67C5;

/// The key hash of every row of `batch`, over the columns at `key` in that order. No key column gives 0: one group, one partition.
///
/// # Errors
/// A key column of a type without a hash.
///
/// # Panics
/// Where an index in `key` is not a column of `batch`: a bug of the caller.
pub fn key_hash(batch: &RecordBatch, key: &[usize]) -> Result<UInt64Array, UnsupportedType> {
    let columns = key.iter().map(|index| Column::from_array(batch.column(*index))).collect::<Result<Vec<_>, _>>()?;
    Ok(UInt64Array::from(hash_columns(&columns, batch.num_rows())))
}

/// Which of `max_parallelism` hash partitions a hash belongs to: contiguous, equal ranges of the hash, in order.
///
/// # Panics
/// Where `max_parallelism` is 0.
#[must_use]
pub fn hash_partition(hash: u64, max_parallelism: u32) -> u32 {
    assert!(max_parallelism > 0, "a keyed exchange has at least one hash partition");
    let scaled = (u128::from(hash) * u128::from(max_parallelism)) >> 64;
    u32::try_from(scaled).expect("a product shifted back is below max_parallelism")
}

/// The first hash of hash partition `k`; the last is one below the first of `k + 1`, or `u64::MAX`.
///
/// # Panics
/// Where `k` is not below `max_parallelism`.
#[must_use]
pub fn first_hash(k: u32, max_parallelism: u32) -> u64 {
    assert!(k < max_parallelism, "hash partition {k} of {max_parallelism}");
    let first = (u128::from(k) << 64).div_ceil(u128::from(max_parallelism));
    u64::try_from(first).expect("k is below max_parallelism")
}

pub(crate) fn hash_columns(columns: &[Column], rows: usize) -> Vec<u64> {
    let mut hashes = vec![0; rows];
    for column in columns {
        match column.values() {
            Values::Word(words) => fold(&mut hashes, column, |seed, row| xxh64_word(words[row], seed)),
            Values::Wide(wides) => fold(&mut hashes, column, |seed, row| xxh64(&wides[row].to_le_bytes(), seed)),
            Values::Bytes { offsets, data } => {
                fold(&mut hashes, column, |seed, row| xxh64(&data[offsets[row]..offsets[row + 1]], seed));
            }
        }
    }
    hashes
}

fn fold(hashes: &mut [u64], column: &Column, hash: impl Fn(u64, usize) -> u64) {
    for (row, slot) in hashes.iter_mut().enumerate() {
        *slot = if column.is_valid(row) { hash(*slot, row) } else { xxh64(&[0xff], *slot) };
    }
}

fn round(lane: u64, input: u64) -> u64 {
    lane.wrapping_add(input.wrapping_mul(PRIME_2)).rotate_left(31).wrapping_mul(PRIME_1)
}

fn merge(hash: u64, lane: u64) -> u64 {
    (hash ^ round(0, lane)).wrapping_mul(PRIME_1).wrapping_add(PRIME_4)
}

fn avalanche(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 33)).wrapping_mul(PRIME_2);
    hash = (hash ^ (hash >> 29)).wrapping_mul(PRIME_3);
    hash ^ (hash >> 32)
}

/// XXH64 of one little-endian 64-bit number.
#[inline]
fn xxh64_word(word: i64, seed: u64) -> u64 {
    let hash = seed.wrapping_add(PRIME_5).wrapping_add(8) ^ round(0, word.cast_unsigned());
    avalanche(hash.rotate_left(27).wrapping_mul(PRIME_1).wrapping_add(PRIME_4))
}

/// XXH64 of `input`.
pub(crate) fn xxh64(input: &[u8], seed: u64) -> u64 {
    let mut stripes = input.chunks_exact(32);
    let mut hash = if input.len() >= 32 {
        let mut lanes = [seed.wrapping_add(PRIME_1).wrapping_add(PRIME_2), seed.wrapping_add(PRIME_2), seed, seed.wrapping_sub(PRIME_1)];
        for stripe in &mut stripes {
            for (lane, word) in lanes.iter_mut().zip(stripe.as_chunks::<8>().0) {
                *lane = round(*lane, u64::from_le_bytes(*word));
            }
        }
        let joined = [1, 7, 12, 18].iter().zip(lanes).fold(0_u64, |sum, (turn, lane)| sum.wrapping_add(lane.rotate_left(*turn)));
        lanes.iter().fold(joined, |hash, lane| merge(hash, *lane))
    } else {
        seed.wrapping_add(PRIME_5)
    };
    hash = hash.wrapping_add(input.len() as u64);
    let (words, mut rest) = stripes.remainder().as_chunks::<8>();
    for word in words {
        hash = (hash ^ round(0, u64::from_le_bytes(*word))).rotate_left(27).wrapping_mul(PRIME_1).wrapping_add(PRIME_4);
    }
    if let Some((half, after)) = rest.split_first_chunk::<4>() {
        hash ^= u64::from(u32::from_le_bytes(*half)).wrapping_mul(PRIME_1);
        hash = hash.rotate_left(23).wrapping_mul(PRIME_2).wrapping_add(PRIME_3);
        rest = after;
    }
    for byte in rest {
        hash = (hash ^ u64::from(*byte).wrapping_mul(PRIME_5)).rotate_left(11).wrapping_mul(PRIME_1);
    }
    avalanche(hash)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{Array, ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int32Array, Int64Array, StringArray},
        datatypes::{Field, Schema},
    };

    use super::*;

    fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
        let fields: Vec<_> =
            columns.iter().enumerate().map(|(index, column)| Field::new(format!("c{index}"), column.data_type().clone(), true)).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    }

    #[test]
    fn xxh64_gives_the_published_values() {
        assert_eq!(xxh64(b"", 0), 0xEF46_DB37_51D8_E999);
        assert_eq!(xxh64(b"a", 0), 0xD24E_C4F1_A98C_6E5B);
        assert_eq!(xxh64(b"abc", 0), 0x44BC_2CF5_AD77_0999);
        assert_eq!(xxh64(b"Nobody inspects the spammish repetition", 0), 0xFBCE_A83C_8A37_8BF1);
        assert_eq!(xxh64(&42_i64.to_le_bytes(), 7), xxh64_word(42, 7));
    }

    /// Changing any of these numbers orphans every pipeline's state.
    #[test]
    fn hashes_are_the_same_for_ever() {
        let text = batch(vec![Arc::new(StringArray::from(vec![Some("UA"), Some(""), None]))]);
        assert_eq!(key_hash(&text, &[0]).unwrap().values().to_vec(), GOLDEN_TEXT);
        let mixed = batch(vec![
            Arc::new(Int32Array::from(vec![Some(-1), None])),
            Arc::new(StringArray::from(vec!["EWR", "JFK"])),
            Arc::new(BooleanArray::from(vec![true, false])),
            Arc::new(Float64Array::from(vec![-0.5, f64::NAN])),
            Arc::new(Decimal128Array::from(vec![-12345, 10_i128.pow(30)]).with_precision_and_scale(38, 2).unwrap()),
        ]);
        assert_eq!(key_hash(&mixed, &[0, 1, 2, 3, 4]).unwrap().values().to_vec(), GOLDEN_MIXED);
        assert_eq!(key_hash(&mixed, &[]).unwrap().values().to_vec(), vec![0, 0]);
    }

    const GOLDEN_TEXT: [u64; 3] = [0x9E3A_BC9B_BC6C_67A2, 0xEF46_DB37_51D8_E999, 0x9563_4172_A60B_7544];
    const GOLDEN_MIXED: [u64; 2] = [0x82F0_C25E_5894_6C3D, 0x5668_1E21_2583_E711];

    #[test]
    fn integers_of_every_width_hash_alike() {
        let numbers = batch(vec![Arc::new(Int32Array::from(vec![-5, 7])), Arc::new(Int64Array::from(vec![-5, 7]))]);
        assert_eq!(key_hash(&numbers, &[0]).unwrap(), key_hash(&numbers, &[1]).unwrap());
    }

    #[test]
    fn every_hash_partition_is_one_range_and_gets_its_share() {
        for max_parallelism in [1, 3, 64, 1000, 32768] {
            for k in 0..max_parallelism {
                let first = first_hash(k, max_parallelism);
                assert_eq!(hash_partition(first, max_parallelism), k);
                assert!(k == 0 || hash_partition(first - 1, max_parallelism) == k - 1);
            }
            assert_eq!(hash_partition(u64::MAX, max_parallelism), max_parallelism - 1);
        }
        let counted = batch(vec![Arc::new(Int64Array::from_iter_values(0..64_000))]);
        let mut sizes = [0_i32; 64];
        key_hash(&counted, &[0]).unwrap().values().iter().for_each(|hash| sizes[hash_partition(*hash, 64) as usize] += 1);
        assert!(sizes.iter().all(|size| (800..1200).contains(size)), "{sizes:?}");
    }
}
