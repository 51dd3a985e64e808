//! Blocks survive, and hostile bytes do no harm.

use super::*;
use crate::testing::{Chance, rows, schema, seeds};

fn some_rows(count: i64) -> RecordBatch {
    let changes: Vec<_> = (0..count).map(|row| (row, format!("name {row}"), (row % 3 != 0).then_some(row))).collect();
    rows(&changes)
}

fn sealed(mut block: Vec<u8>) -> Vec<u8> {
    let crc = crc32c::crc32c_append(crc32c::crc32c(&block[..8]), &block[HEADER..]);
    block[8..12].copy_from_slice(&crc.to_le_bytes());
    block
}

#[test]
fn rows_survive_in_blocks_whole_and_sliced() {
    for batch in [some_rows(1), some_rows(1000), some_rows(1000).slice(13, 700), some_rows(0)] {
        let block = encode_block(&batch);
        assert_eq!(decode_block(&block, &schema()), Ok(batch));
    }
}

#[test]
fn large_batches_are_cut_and_none_is_lost() {
    let batch = some_rows(10_000);
    let blocks = encode_blocks(&batch, 16 << 10);
    assert!(blocks.len() > 10);
    let decoded: Vec<RecordBatch> = blocks.iter().map(|block| decode_block(block, &schema()).unwrap()).collect();
    assert_eq!(arrow::compute::concat_batches(batch.schema_ref(), &decoded).unwrap(), batch);
    assert_eq!(encode_blocks(&some_rows(3), 1).len(), 3, "one row at least");
    assert_eq!(encode_blocks(&some_rows(0), 1).len(), 0);
}

#[test]
fn every_flipped_bit_and_every_cut_is_seen() {
    let block = encode_block(&some_rows(40));
    for bit in 0..block.len() * 8 {
        let mut flipped = block.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        // Three bytes say nothing.
        assert!((8..32).contains(&bit) || decode_block(&flipped, &schema()).is_err(), "bit {bit}");
    }
    for len in 0..block.len() {
        assert!(decode_block(&block[..len], &schema()).is_err(), "cut to {len}");
    }
}

/// Rows of every kind of column that state is kept in.
fn wide_rows() -> (OperatorSchema, RecordBatch) {
    use arrow::array::*;
    use arrow::datatypes::{DataType, Field, TimeUnit};
    let count = 21;
    let numbers = || (0..count).map(|row| (row % 4 != 0).then_some(row));
    let texts: Vec<Option<String>> = numbers().map(|number| number.map(|number| "x".repeat(number as usize))).collect();
    let own: Vec<(&str, DataType, ArrayRef)> = vec![
        ("bool", DataType::Boolean, Arc::new(BooleanArray::from_iter(numbers().map(|number| number.map(|number| number % 3 == 0))))),
        ("i16", DataType::Int16, Arc::new(Int16Array::from_iter(numbers().map(|number| number.map(|number| number as i16))))),
        ("f64", DataType::Float64, Arc::new(Float64Array::from_iter(numbers().map(|number| number.map(|number| number as f64))))),
        ("text", DataType::LargeUtf8, Arc::new(LargeStringArray::from_iter(texts.iter().map(Option::as_deref)))),
        ("bytes", DataType::Binary, Arc::new(BinaryArray::from_iter(texts.iter().map(|text| text.as_ref().map(String::as_bytes))))),
        (
            "fixed",
            DataType::FixedSizeBinary(3),
            Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(numbers().map(|number| number.map(|_| b"abc")), 3).unwrap()),
        ),
        (
            "decimal",
            DataType::Decimal128(38, 10),
            Arc::new(Decimal128Array::from_iter(numbers().map(|number| number.map(i128::from))).with_precision_and_scale(38, 10).unwrap()),
        ),
        (
            "timestamp",
            DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
            Arc::new(TimestampMillisecondArray::from_iter(numbers()).with_timezone("UTC")),
        ),
    ];
    let schema = crate::state_columns(own.iter().map(|(name, data_type, _)| Field::new(*name, data_type.clone(), true)));
    let schema = OperatorSchema::new(crate::OperatorId(1), schema, (2..10).collect(), None).unwrap();
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(UInt64Array::from_iter_values((0..count).map(|row| row as u64))),
        Arc::new(Int8Array::from_iter_values((0..count).map(|_| crate::UPSERT))),
    ];
    columns.extend(own.into_iter().map(|(_, _, column)| column));
    let batch = RecordBatch::try_new(schema.columns().clone(), columns).unwrap();
    (schema, batch)
}

#[test]
fn hostile_metadata_is_refused_without_a_panic() {
    let mut chance = Chance(7);
    for (schema, batch) in [(schema(), some_rows(20)), wide_rows()] {
        let raw = encode_ipc(&batch);
        assert_eq!(decode_block(&uncompressed(&raw), &schema).unwrap(), batch);
        for _ in 0..seeds(300) * 20 {
            let mut hostile = raw.clone();
            for _ in 0..=chance.below(4) {
                // Mostly the metadata, which lies in front.
                let within = if chance.one_in(4) { hostile.len() } else { 1200.min(hostile.len()) };
                let at = chance.below(within as u64) as usize;
                hostile[at] = if chance.one_in(2) { *chance.pick(&[0, 1, 0x7f, 0x80, 0xff]) } else { chance.below(256) as u8 };
            }
            if let Ok(decoded) = decode_block(&uncompressed(&hostile), &schema) {
                // What is accepted is safe to use.
                let _ = encode_block(&decoded);
                let _ = crate::fold::sort_last_wins(&schema, &[decoded]);
            }
        }
    }
}

/// A block with these bytes as they are, its checksum right.
fn uncompressed(raw: &[u8]) -> Vec<u8> {
    let mut block = vec![0, 0, 0, 0];
    block.extend((raw.len() as u32).to_le_bytes());
    block.extend([0; 4]);
    block.extend(raw);
    sealed(block)
}

#[test]
fn a_length_that_the_bytes_do_not_pay_for_is_refused_before_it_is_allocated() {
    let block = encode_block(&some_rows(1000));
    assert_eq!(block[0], 1, "the block is compressed");
    let payload = &block[HEADER..];
    let large = vec![0; 300 << 10];
    for (payload, claim) in [(payload, u32::MAX as usize), (payload, payload.len() * LZ4_RATIO_MAX + 1), (&large, RAW_BYTES_MAX + 1)] {
        let error = unpack(1, payload, claim).unwrap_err();
        assert_eq!(error.to_string(), "block of state claims a length that it cannot have", "claim {claim}");
    }
    for claim in [0, 1, payload.len()] {
        assert!(unpack(1, payload, claim).is_err(), "claim {claim}");
    }
}

#[test]
fn rows_of_other_columns_are_refused() {
    use arrow::datatypes::{DataType, Field};
    let own = [
        Field::new("slice_end", DataType::Int64, false),
        Field::new("name", DataType::Utf8, true),
        Field::new("sum", DataType::Utf8, true),
    ];
    let other = OperatorSchema::new(crate::OperatorId(1), crate::state_columns(own), vec![2], None).unwrap();
    assert!(decode_block(&encode_block(&some_rows(5)), &other).is_err());
}
