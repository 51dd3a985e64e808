//! Objects survive, and what is not one is named.

use super::*;
use crate::{
    ALL_HASHES, Claim, Manifest, ReadError,
    fold::sort_last_wins,
    manifest::{ManifestHead, OperatorState, Part, Run},
    testing::{Chance, K, OPERATOR, as_model, key, life, mark, rows, schema},
};
use arrow::array::RecordBatch;
use std::sync::Arc;
use store::{Body, MemoryStore, ObjectStore, WriteId};
use units::Offset;

const CLAIM: Claim = Claim(Offset(5));

fn some_rows(seed: u64) -> RecordBatch {
    let changes: Vec<_> = Chance(seed).changes(200, 0).into_iter().map(|(end, name, _)| (end, name, Some(1))).collect();
    sort_last_wins(&schema(), &[rows(&changes)])
}

/// An object with one section of these blocks, and a manifest of it.
fn stored(blocks: &[RecordBatch]) -> (Arc<MemoryStore>, Manifest) {
    let mut writer = ObjectWriter::new(1 << 20);
    let section = writer.begin(K, CLAIM, &schema());
    blocks.iter().for_each(|block| writer.push(block));
    let (rows, bytes) = (writer.section(section).rows(), writer.section(section).bytes());
    let finished = writer.finish(life(1));
    let part = Part { object: 0, section, first_hash: 0, last_hash: u64::MAX, rows, bytes, expires_last: None };
    let state = OperatorState {
        operator: OPERATOR,
        schema: schema().fingerprint(),
        horizon_ms: i64::MIN,
        note: "note".into(),
        runs: vec![Run { parts: vec![part] }],
    };
    let head = ManifestHead { layout: "x".into(), hash: K, claim: CLAIM, covers: mark(1, 1), floor: Offset(0), positions: Vec::new() };
    let manifest = Manifest::new(head, vec![finished.named(key("object"))], vec![state]);
    let store = Arc::new(MemoryStore::new());
    store.put_if_absent(&key("object"), finished.with_manifests([(K, manifest.encode())]).0, WriteId(1)).unwrap();
    (store, manifest)
}

fn read(store: &Arc<MemoryStore>, manifest: &Manifest, read_bytes: u64) -> Result<Vec<RecordBatch>, ReadError> {
    let reader = ObjectReader::new(store.clone(), read_bytes);
    reader.run(manifest, &manifest.operators[0].runs[0], &schema(), &ALL_HASHES).collect()
}

#[test]
fn sections_are_read_in_as_few_reads_as_fit() {
    let rows = some_rows(1);
    let blocks: Vec<RecordBatch> = (0..rows.num_rows()).step_by(4).map(|at| rows.slice(at, 4.min(rows.num_rows() - at))).collect();
    let (store, manifest) = stored(&blocks);
    for (read_bytes, reads_max) in [(1, blocks.len() as u64), (1 << 20, 1)] {
        let before = store.requests().gets;
        let batches = read(&store, &manifest, read_bytes).unwrap();
        assert_eq!(store.requests().gets - before, 1 + reads_max, "one for the index");
        assert_eq!(as_model(batches.into_iter().map(Ok::<_, ()>)), as_model([Ok::<_, ()>(rows.clone())]));
    }
}

#[test]
fn footers_tell_life_and_holders() {
    let (store, _) = stored(&[some_rows(1)]);
    let footer = read_footer(&*store, &key("object")).unwrap();
    assert_eq!(footer.ownership.life, life(1));
    assert_eq!(footer.ownership.holders, [(K, CLAIM)].into());
    assert_eq!(footer.manifests.len(), 1);
    assert_eq!(Footer::decode(footer.encode()), Ok(footer));
}

#[test]
fn rows_out_of_order_are_named_instead_of_being_merged_wrongly() {
    let rows = some_rows(1);
    let ends = |batch: &RecordBatch| (schema().hashes(batch).value(0), schema().hashes(batch).value(batch.num_rows() - 1));
    let middle = arrow::compute::concat_batches(
        rows.schema_ref(),
        [&rows.slice(0, 1), &rows.slice(12, 1), &rows.slice(2, 1), &rows.slice(rows.num_rows() - 1, 1)],
    );
    let middle = middle.unwrap();
    assert!(ends(&middle).0 < ends(&middle).1, "its ends tell nothing");
    let (store, manifest) = stored(&[middle]);
    let error = read(&store, &manifest, 1 << 20).unwrap_err();
    assert!(matches!(&error, ReadError::Damaged { what, .. } if what.contains("is not what its index says")), "{error:?}");
}

#[test]
fn what_is_no_object_of_runs_is_damaged_or_gone_but_never_a_panic() {
    let (store, _) = stored(&[some_rows(1)]);
    let whole = store.get(&key("object")).unwrap().bytes;
    let tail = read_footer(&*store, &key("object")).unwrap().encode().len() as u64 + TRAILER_BYTES;
    let mut chance = Chance(3);
    for round in 0..2000 {
        let mut bytes = whole.to_vec();
        if chance.one_in(2) {
            bytes.truncate(chance.below(whole.len() as u64) as usize);
        } else {
            // The footer and what finds it.
            let at = bytes.len() - 1 - chance.below(tail) as usize;
            bytes[at] ^= 1 << chance.below(8);
        }
        let name = key(&format!("broken/{round}"));
        store.put_if_absent(&name, Body::from(bytes), WriteId(round)).unwrap();
        assert!(matches!(read_footer(&*store, &name), Err(ReadError::Damaged { .. })), "round {round}");
    }
    assert!(matches!(read_footer(&*store, &key("absent")), Err(ReadError::Store(store::StoreError::NotFound { .. }))));
}

#[test]
fn hostile_indexes_and_footers_are_refused_without_a_panic() {
    let (store, manifest) = stored(&[some_rows(1)]);
    let place = manifest.objects[0].index;
    let index = store.get_range(&key("object"), place.offset..place.offset + u64::from(place.len)).unwrap();
    let footer = read_footer(&*store, &key("object")).unwrap().encode();
    let mut chance = Chance(5);
    for _ in 0..20_000 {
        for bytes in [&index, &footer] {
            let mut hostile = bytes.to_vec();
            for _ in 0..=chance.below(3) {
                let at = chance.below(hostile.len() as u64) as usize;
                hostile[at] = *chance.pick(&[0, 1, 0x7f, 0x80, 0xff]);
            }
            let _ = (Index::decode(hostile.clone().into()), Footer::decode(hostile.into()));
        }
    }
}
