//! Blocks over a store that counts.

use std::sync::Arc;

use store::{Body, Fault, Injection, MemoryStore, Operation, WriteIds};
use units::{BrokerId, Incarnation, PartitionId, TimestampMs, TopicId};

use super::*;
use crate::manifest::ObjectId;

const PART_BYTES: u64 = 10_000;

fn keys() -> Keys {
    Keys::new("test", BrokerId(1)).unwrap()
}

fn part(seq: u64) -> SegmentRef {
    SegmentRef {
        object: ObjectId { broker: BrokerId(1), incarnation: Incarnation(1), seq },
        base: Offset(0),
        end: Offset(1),
        data_at: 24,
        data_bytes: PART_BYTES,
        section_at: 0,
        section_bytes: 0,
        max_timestamp: TimestampMs(0),
        has_aborted: false,
    }
}

fn store(count: u64) -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new());
    for seq in 0..count {
        let bytes: Vec<u8> = (0..24 + PART_BYTES).map(|at| u8::try_from((at + seq) % 251).unwrap()).collect();
        store.put_if_absent(&keys().segment(part(seq).object), Body::from(bytes), WriteIds::of(seq).next()).unwrap();
    }
    store
}

fn check(segment: &SegmentRef, range: Range<u64>, blocks: &[(u64, Bytes)]) {
    for at in range {
        let (start, bytes) = blocks.iter().rfind(|(start, _)| *start <= at).expect("a block holds it");
        assert_eq!(u64::from(bytes[usize::try_from(at - start).unwrap()]), (at + segment.object.seq) % 251);
    }
}

/// Reads all of `count` parts in pieces of `step` bytes.
fn drain(ahead: &Ahead, count: u64, step: u64) {
    for seq in 0..count {
        let (segment, next) = (part(seq), (seq + 1..count).map(part).collect::<Vec<_>>());
        for at in (24..24 + PART_BYTES).step_by(usize::try_from(step).unwrap()) {
            let range = at..(at + step).min(24 + PART_BYTES);
            check(&segment, range.clone(), &ahead.read(&segment, range, &next, |_| true, &|| true).unwrap().unwrap());
            assert!(ahead.bytes() <= 6000 + 2000, "{} bytes", ahead.bytes());
        }
    }
}

#[test]
fn a_drain_gets_every_byte_once_and_stays_within_its_memory() {
    let store = store(20);
    let ahead = Ahead::start(store.clone(), keys(), 6000);
    drain(&ahead, 20, 700);
    let got = store.requests().bytes_got;
    assert!(got <= 20 * PART_BYTES, "{got} bytes were got for {}", 20 * PART_BYTES);
}

#[test]
fn readers_beside_each_other_get_what_is_theirs() {
    let store = store(10);
    let ahead = Ahead::start(store, keys(), 6000);
    thread::scope(|scope| {
        for step in [300, 700, 1100, 5000] {
            let ahead = &ahead;
            scope.spawn(move || {
                for seq in 0..10 {
                    let segment = part(seq);
                    for at in (24..24 + PART_BYTES).step_by(step) {
                        let range = at..(at + step as u64).min(24 + PART_BYTES);
                        check(&segment, range.clone(), &ahead.read(&segment, range, &[], |_| true, &|| true).unwrap().unwrap());
                    }
                }
            });
        }
    });
}

#[test]
fn who_waits_for_a_block_that_fails_is_told_and_may_ask_again() {
    let store = store(1);
    let ahead = Ahead::start(store.clone(), keys(), 60_000);
    store.inject(Injection::next(Operation::Get, Fault::Unavailable));
    assert!(ahead.read(&part(0), 24..100, &[], |_| true, &|| true).is_err());
    check(&part(0), 24..100, &ahead.read(&part(0), 24..100, &[], |_| true, &|| true).unwrap().unwrap());
}

#[test]
fn who_is_not_waited_for_any_more_does_not_wait_for_what_another_reads() {
    let ahead = Ahead::start(store(1), keys(), 6000);
    let segment = SegmentRef { section_at: 24, section_bytes: 100, ..part(0) };
    let on_its_way = Extent { object: segment.object, start: 24, end: 124 };
    let run = ahead.0.lock().blocks.begin(on_its_way, 6000, true).unwrap();
    assert_eq!(ahead.section(&segment, &|| false).unwrap(), None);
    assert!(ahead.read(&segment, 24..100, &[], |_| true, &|| false).unwrap().is_none());
    ahead.0.load(&run).unwrap();
    assert_eq!(ahead.section(&segment, &|| true).unwrap().unwrap().len(), 100, "and it is there for who comes back");
}

#[test]
fn only_who_goes_on_where_it_stopped_is_read_ahead_for() {
    let ahead = Ahead::start(store(1), keys(), 6000);
    let id = |partition| TopicPartitionId { topic: TopicId([1; 16]), partition: PartitionId(partition) };
    for (partition, from, end, goes_on) in
        [(0, 0, 10, false), (1, 10, 20, false), (0, 500, 510, false), (0, 10, 20, true), (0, 510, 520, true)]
    {
        assert_eq!(ahead.goes_on(id(partition), Offset(from)), goes_on, "{partition} from {from}");
        ahead.has_read(id(partition), Offset(from), Offset(end));
    }
    assert!(!ahead.goes_on(id(1), Offset(30)));
    assert!(ahead.goes_on(id(1), Offset(30)), "who was not waited for comes back");
}

#[test]
fn readers_beside_each_other_get_every_byte_about_once() {
    let store = store(8);
    let ahead = Ahead::start(store.clone(), keys(), 16_000);
    let id = |partition| TopicPartitionId { topic: TopicId([1; 16]), partition: PartitionId(partition) };
    let before = store.requests().bytes_got;
    // Eight readers in turn, each of a part of its own: whole parts would be twice the memory that there is. First each comes to be known.
    for (step, at) in (24..24 + PART_BYTES).step_by(500).enumerate() {
        for seq in 0..8 {
            let place = |step: usize| Offset(i64::try_from(step).unwrap());
            let id = id(i32::try_from(seq).unwrap());
            ahead.goes_on(id, place(step));
            ahead.has_read(id, place(step), place(step + 1));
            if step > 0 {
                check(&part(seq), at..at + 500, &ahead.read(&part(seq), at..at + 500, &[], |_| true, &|| true).unwrap().unwrap());
            }
        }
    }
    let got = store.requests().bytes_got - before;
    assert!(got <= 8 * PART_BYTES * 5 / 4, "{got} bytes were got for {}", 8 * PART_BYTES);
}

#[test]
fn blocks_leave_room_for_all_readers() {
    assert_eq!(block_bytes(32 << 20, 0), 4 << 20);
    assert_eq!(block_bytes(32 << 20, 2), 2 << 20);
    assert_eq!(block_bytes(32 << 20, 16), 256 << 10);
    assert_eq!(block_bytes(32 << 20, 10_000), 512);
    assert_eq!(block_bytes(1, 1), 1);
}
