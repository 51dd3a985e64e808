//! What a state partition says, and what it must not say.

use super::*;
use crate::{
    Delta, ManifestRef, StateRecord,
    manifest::Place,
    testing::{K, delta, key, mark, position},
};

const LAYOUT: &str = "0a1b2c3d-1-64";

fn of(commit: CommitMark, content: Content) -> Bytes {
    StateRecord { layout: LAYOUT.into(), hash: K, commit, content }.encode()
}

fn changes(commit: CommitMark, next: i64) -> Bytes {
    let one = Delta { positions: vec![position(next)], operators: vec![delta(&[(1, "a".into(), Some(next))], 0)] };
    of(commit, Content::Delta(one.encode(1 << 20).remove(0)))
}

fn manifest(commit: CommitMark, covers: CommitMark, next: i64) -> Bytes {
    let manifest = ManifestRef { object: key("x"), place: Place { offset: 0, len: 1, crc: 0 } };
    of(commit, Content::Manifest(ManifestRecord { covers, floor: Offset(2), manifest, positions: vec![position(next)] }))
}

/// Reads these records back for the claim (9, 50), each at the offset of its index.
fn read(records: &[Bytes]) -> Result<(Vec<Step>, Readback), ReadbackError> {
    let mut readback = Readback::new(LAYOUT, K, mark(9, 50));
    let steps = records.iter().zip(0..).map(|(record, offset)| readback.push(Offset(offset), record.clone())).collect::<Result<_, _>>()?;
    Ok((steps, readback))
}

fn own_claim() -> Bytes {
    of(mark(9, 50), Content::Claim)
}

#[test]
fn a_new_partition_is_complete_with_the_own_claim() {
    let (steps, readback) = read(&[own_claim()]).unwrap();
    assert_eq!(steps, [Step::Complete]);
    let restored = readback.complete(Offset(0));
    assert_eq!((restored.claim, restored.last, restored.delta_bytes()), (Claim(Offset(0)), None, 0));
}

#[test]
fn deltas_are_kept_up_to_the_own_claim_and_not_beyond_anothers() {
    let others = [of(mark(1, 1), Content::Claim), changes(mark(1, 2), 10), changes(mark(1, 3), 20), of(mark(8, 4), Content::Claim)];
    let (steps, readback) = read(&[&others[..], &[own_claim()]].concat()).unwrap();
    assert_eq!(steps, [Step::More, Step::More, Step::More, Step::More, Step::Complete]);
    let restored = readback.complete(Offset(4));
    assert_eq!(restored.deltas.iter().map(|(mark, _)| mark.number).collect::<Vec<_>>(), [2, 3]);
    assert_eq!((restored.positions, restored.last), (vec![position(20)], Some(mark(8, 4))));
}

#[test]
fn a_manifest_replaces_the_deltas_it_covers_and_no_later_ones() {
    let records = [
        of(mark(1, 1), Content::Claim),
        changes(mark(1, 2), 10),
        changes(mark(1, 3), 20),
        changes(mark(1, 3), 20),
        manifest(mark(1, 4), mark(1, 2), 10),
        changes(mark(1, 4), 30),
        own_claim(),
    ];
    let restored = read(&records).unwrap().1.complete(Offset(6));
    assert_eq!(restored.deltas.iter().map(|(mark, _)| mark.number).collect::<Vec<_>>(), [3, 3, 4]);
    assert_eq!(restored.manifest.unwrap().covers, mark(1, 2));
    assert_eq!(restored.positions, [position(30)]);
}

#[test]
fn a_trimmed_partition_has_its_positions_in_the_manifest() {
    let restored = read(&[manifest(mark(1, 4), mark(1, 3), 20), own_claim()]).unwrap().1.complete(Offset(1));
    assert_eq!((restored.positions, restored.last), (vec![position(20)], Some(mark(1, 4))));
}

#[test]
fn a_closed_layout_stops_its_pods() {
    let closed = of(mark(20, 1), Content::Closed { by: "0a1b2c3d-2-64".into() });
    let (steps, _) = read(&[changes(mark(1, 2), 10), closed]).unwrap();
    assert_eq!(steps[1], Step::Closed { by: "0a1b2c3d-2-64".into() });
}

#[test]
fn a_write_that_got_past_the_fence_is_named() {
    let records = [of(mark(1, 1), Content::Claim), of(mark(2, 1), Content::Claim), changes(mark(1, 3), 10)];
    let error = read(&records).unwrap_err();
    assert_eq!(error.to_string(), "state of hash partition 3, offset 2: producer 1-0 wrote after producer 2-0 had claimed");
}

#[test]
fn commits_that_go_back_are_named() {
    let error = read(&[changes(mark(1, 5), 10), changes(mark(1, 4), 10)]).unwrap_err();
    assert_eq!(error.to_string(), "state of hash partition 3, offset 1: commit 4 follows commit 5");
}

#[test]
fn records_of_another_layout_or_partition_and_rubbish_are_named() {
    let mut foreign = Readback::new("0a1b2c3d-2-64", K, mark(9, 50));
    assert!(foreign.push(Offset(7), own_claim()).unwrap_err().to_string().contains("layout 0a1b2c3d-1-64"));
    let mut other = Readback::new(LAYOUT, HashPartition(4), mark(9, 50));
    assert!(other.push(Offset(7), own_claim()).unwrap_err().to_string().contains("belongs to hash partition 3"));
    let error = read(&[Bytes::from_static(b"rubbish")]).unwrap_err();
    assert_eq!(error.to_string(), "state of hash partition 3, offset 0: state record: does not begin as one");
}

#[test]
fn reading_may_begin_again() {
    let mut readback = Readback::new(LAYOUT, K, mark(9, 50));
    readback.push(Offset(0), changes(mark(1, 2), 10)).unwrap();
    readback.restart();
    assert_eq!(readback.push(Offset(1), own_claim()), Ok(Step::Complete));
    assert_eq!(readback.complete(Offset(1)).delta_bytes(), 0);
}

#[test]
fn what_says_all_there_is_replaces_everything_before_it() {
    let whole = |commit: CommitMark, next: i64| {
        let one = Delta { positions: vec![position(next)], operators: vec![delta(&[(1, "a".into(), Some(next))], 0)] };
        of(commit, Content::Whole(one.encode(1 << 20).remove(0)))
    };
    let records = [
        of(mark(1, 1), Content::Claim),
        changes(mark(1, 2), 10),
        manifest(mark(1, 3), mark(1, 2), 10),
        whole(mark(1, 4), 20),
        whole(mark(1, 5), 30),
        own_claim(),
    ];
    let (_, readback) = read(&records).unwrap();
    let restored = readback.complete(Offset(5));
    assert_eq!(restored.deltas.iter().map(|(mark, _)| mark.number).collect::<Vec<_>>(), [5]);
    assert_eq!((restored.manifest, restored.positions), (None, vec![position(30)]));
}
