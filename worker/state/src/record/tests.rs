//! State records survive their bytes, and other bytes are refused.

use super::*;
use crate::testing::{K, OPERATOR, delta, key, mark, position, schema};
use crate::{manifest::Place, testing::rows};

fn record(content: Content) -> StateRecord {
    StateRecord { layout: "0a1b2c3d-1-64".into(), hash: K, commit: mark(7, 41), content }
}

fn manifest() -> ManifestRecord {
    let place = Place { offset: 1 << 40, len: 77, crc: 0xdead_beef };
    let manifest = ManifestRef { object: key("pipelines/a/b/c/pod/7-0/0000000001"), place };
    ManifestRecord { covers: mark(6, 40), floor: Offset(123), manifest, positions: vec![position(5)] }
}

fn all_kinds() -> Vec<StateRecord> {
    let changes: Vec<_> = (0..100).map(|row| (row, format!("key {row}"), Some(row))).collect();
    let of = Delta { positions: vec![position(9), position(10)], operators: vec![delta(&changes, 17), delta(&[], 18)] };
    let [encoded] = &of.encode(1 << 20)[..] else { panic!("one record is enough") };
    let closed = Content::Closed { by: "0a1b2c3d-2-64".into() };
    let (delta, whole) = (Content::Delta(encoded.clone()), Content::Whole(encoded.clone()));
    [Content::Claim, delta, Content::Manifest(manifest()), closed, whole].map(record).into()
}

#[test]
fn every_kind_of_record_survives() {
    for record in all_kinds() {
        assert_eq!(StateRecord::decode(record.encode()), Ok(record));
    }
}

#[test]
fn what_operators_changed_survives_and_is_split_when_it_is_large() {
    let changes: Vec<_> = (0..20_000).map(|row| (row, format!("key {}", row * 7919), Some(row))).collect();
    let of = Delta { positions: vec![position(9)], operators: vec![delta(&changes, 17), delta(&[], 18)] };
    let split = of.encode(100_000);
    assert!(split.len() > 2, "{} records", split.len());
    let mut read = Vec::new();
    for encoded in &split {
        assert_eq!(encoded.positions, [position(9)], "each is whole in itself");
        assert!(encoded.bytes() <= 100_000, "{} bytes", encoded.bytes());
        read.extend(encoded.operators.iter().map(|operator| operator.rows(&schema()).unwrap()));
    }
    assert_eq!(arrow::compute::concat_batches(schema().columns(), &read).unwrap(), rows(&changes));
    let last = split.last().unwrap().operators.last().unwrap();
    assert_eq!((last.operator, &last.progress), (OPERATOR, &delta(&[], 18).progress));
}

#[test]
fn cut_and_prolonged_records_are_refused() {
    for record in all_kinds() {
        let bytes = record.encode();
        for len in 0..bytes.len() {
            assert!(StateRecord::decode(bytes.slice(..len)).is_err(), "cut to {len} of {}", bytes.len());
        }
        let prolonged = [&bytes[..], &[0]].concat();
        assert!(StateRecord::decode(prolonged.into()).is_err());
    }
}

#[test]
fn counts_that_the_bytes_do_not_pay_for_are_refused() {
    let bytes = record(Content::Delta(EncodedDelta::default())).encode();
    for at in [bytes.len() - 8, bytes.len() - 4] {
        let mut hostile = bytes.to_vec();
        hostile[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        let error = StateRecord::decode(hostile.into()).unwrap_err();
        assert!(error.to_string().contains("bytes for 4294967295 items"), "{error}");
    }
}

#[test]
fn a_later_format_is_named() {
    let mut bytes = record(Content::Claim).encode().to_vec();
    bytes[4] = 2;
    assert_eq!(StateRecord::decode(bytes.into()), Err(Malformed("state record: has format 2, this version reads 1".into())));
}
