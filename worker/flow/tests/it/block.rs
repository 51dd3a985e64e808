//! Exchange blocks: what goes in comes out, and whatever else comes in is an error.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray, UInt32Array, UInt64Array},
    datatypes::{DataType, Field, Schema},
};
use streamwright_flow::{
    exchange::block::{self, BlockError, BlockHeader},
    watermark::{Progress, Upstream},
};

use crate::seeds::{self, Random};

fn rows(count: u64, random: &mut Random) -> RecordBatch {
    let texts = ["", "EWR", "a longer text that compresses", "ä"];
    let columns: Vec<ArrayRef> = vec![
        Arc::new((0..count).map(|_| random.next()).collect::<UInt64Array>()),
        Arc::new((0..count).map(|row| Some(row.cast_signed())).collect::<Int64Array>()),
        Arc::new((0..count).map(|_| Some(1)).collect::<UInt32Array>()),
        Arc::new((0..count).map(|_| random.chance(80).then(|| *random.pick(&texts))).collect::<StringArray>()),
        Arc::new((0..count).map(|_| random.chance(80).then(|| f64::from_bits(random.next() >> 2))).collect::<Float64Array>()),
        Arc::new((0..count).map(|_| Some(i128::from(random.next()))).collect::<Decimal128Array>()),
    ];
    let fields: Vec<_> = columns.iter().map(|column| Field::new("c", column.data_type().clone(), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

fn header(random: &mut Random) -> BlockHeader {
    let upstream = |random: &mut Random| {
        let upstream = Upstream { node: random.next() as u32, partition: random.next() as u32 };
        (upstream, Progress { watermark_ms: random.next().cast_signed(), is_idle: random.chance(50) })
    };
    BlockHeader {
        layout: "1f3a9c22-1-64".to_owned(),
        claim: random.next(),
        commit: random.next(),
        upstreams: (0..random.below(20)).map(|_| upstream(random)).collect(),
        cut: random.chance(50).then(|| random.next()),
    }
}

#[test]
fn a_block_comes_back_as_it_was_written() {
    seeds::each(200, |random| {
        let count = *random.pick(&[0, 1, 2, 100, 3000]);
        let (header, rows) = (header(random), rows(count, random));
        let bytes = block::encode(&header, &rows).unwrap();
        assert_eq!(block::decode(&bytes, &rows.schema()).unwrap(), (header.clone(), rows));
        assert_eq!(block::decode_header(&bytes).unwrap(), header);
    });
}

#[test]
fn rows_that_repeat_themselves_travel_compressed() {
    let rows = RecordBatch::try_from_iter([("c", Arc::new(Int64Array::from_value(7, 8000)) as ArrayRef)]).unwrap();
    let bytes = block::encode(&BlockHeader::default(), &rows).unwrap();
    assert!(bytes.len() < 1000, "{}", bytes.len());
    assert_eq!(block::decode(&bytes, &rows.schema()).unwrap().1, rows);
}

#[test]
fn other_versions_and_other_operators_are_named() {
    let mut random = Random(1);
    let rows = rows(10, &mut random);
    let mut bytes = block::encode(&BlockHeader::default(), &rows).unwrap();
    let other = Arc::new(Schema::new(vec![Field::new("c", DataType::Int64, true)]));
    assert_eq!(block::decode(&bytes, &other), Err(BlockError::Columns));
    bytes[4] = 2;
    assert_eq!(block::decode(&bytes, &rows.schema()), Err(BlockError::Version(2)));
}

#[test]
fn damaged_blocks_are_errors_and_never_panics() {
    seeds::each(2000, |random| {
        let count = *random.pick(&[1, 40, 300]);
        let (header, rows) = (header(random), rows(count, random));
        let mut bytes = block::encode(&header, &rows).unwrap();
        for _ in 0..=random.below(3) {
            let at = usize::try_from(random.below(bytes.len() as u64)).unwrap();
            match random.below(4) {
                0 => bytes[at] = random.next() as u8,
                1 => bytes[at] = *random.pick(&[0, 0x7f, 0x80, 0xff]),
                2 => bytes.truncate(at.max(1)),
                _ => bytes[at] ^= 1 << random.below(8),
            }
        }
        // A flipped bit in a value is still a block; what is told here is that nothing worse happens.
        if let Ok((_, decoded)) = block::decode(&bytes, &rows.schema()) {
            assert!(decoded.num_rows() <= 64 << 20);
            for column in decoded.columns() {
                column.to_data().validate_full().unwrap();
            }
        }
    });
}

#[test]
fn a_block_that_claims_gigabytes_gets_none() {
    let rows = rows(300, &mut Random(3));
    let header = BlockHeader::default();
    let mut bytes = block::encode(&header, &rows).unwrap();
    // No layout, no upstream, no cut: the length of the rows follows 30 + 2 + 4 bytes.
    bytes[36..40].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(block::decode(&bytes, &rows.schema()), Err(BlockError::Malformed("claims a length that it cannot have".to_owned())));
    bytes[32..36].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(block::decode_header(&bytes), Err(BlockError::Malformed("is cut short".to_owned())));
}
