//! When things are removed, and when they are better left alone. What must never be removed is the simulation's subject.

use super::*;
use crate::testing::{K, key, life};
use store::{Body, Fault, Injection, MemoryStore, ObjectStore, Operation, WriteId};
use units::Offset;

const GRACE: Duration = Duration::from_secs(600);

fn names() -> StateNames {
    StateNames::new("ns", "delays", "0a1b2c3d-1-64").unwrap()
}

/// A collector of a pod that owns `K` since offset 9, and a store with one object that it has put.
fn collector() -> (Collector, MemoryStore, Key) {
    let store = MemoryStore::new();
    let object = names().object(life(1), 0);
    store.put_if_absent(&object, Body::from(b"runs".as_slice()), WriteId(1)).unwrap();
    let mut collector = Collector::new(names(), life(1), GRACE);
    collector.put([(object.clone(), [(K, Claim(Offset(9)))].into())].into());
    (collector, store, object)
}

fn owned() -> Owned {
    Owned { claims: [(K, Claim(Offset(9)))].into(), named: BTreeSet::new() }
}

/// Runs every job there is; the last one's outcome.
fn collect(collector: &mut Collector, store: &MemoryStore, now: Instant) -> Option<SealErrorText> {
    let job = collector.next(now, owned())?;
    let collected = job.run(store);
    let error = collected.error.as_ref().map(|error| format!("{error:?}"));
    collector.done(collected, now);
    Some(error)
}

/// Why a job ended early, where it did.
type SealErrorText = Option<String>;

#[test]
fn what_was_replaced_goes_after_the_grace_and_not_before() {
    let (mut collector, store, object) = collector();
    let now = Instant::now();
    collector.replaced([object].into_iter(), now);
    assert_eq!(collect(&mut collector, &store, now + GRACE - Duration::from_millis(1)), None);
    assert_eq!(collect(&mut collector, &store, now + GRACE), Some(None));
    assert_eq!(store.keys(), [], "object and condemnation are gone");
    assert_eq!(collect(&mut collector, &store, now + 9 * GRACE), None, "nothing is left to do");
}

#[test]
fn one_job_at_a_time() {
    let (mut collector, _, object) = collector();
    let now = Instant::now();
    collector.replaced([object].into_iter(), now);
    assert!(collector.next(now + GRACE, owned()).is_some());
    assert!(collector.next(now + GRACE, owned()).is_none());
}

#[test]
fn a_store_that_fails_is_left_alone_for_a_while() {
    let (mut collector, store, object) = collector();
    let now = Instant::now() + GRACE;
    collector.replaced([object.clone()].into_iter(), now - GRACE);
    store.inject(Injection::next(Operation::Delete, Fault::Unavailable).of("pod/"));
    assert!(collect(&mut collector, &store, now).unwrap().is_some());
    assert!(store.head(&object).unwrap().is_some());
    assert_eq!(collect(&mut collector, &store, now + RETRY - Duration::from_millis(1)), None);
    assert_eq!(collect(&mut collector, &store, now + RETRY), Some(None));
    assert_eq!(store.keys(), [], "the condemnation of the first attempt is gone as well");
}

#[test]
fn a_deletion_whose_answer_was_lost_is_repeated() {
    for fault in [Fault::AnswerLost, Fault::RequestLost, Fault::Late { calls: 20 }] {
        let (mut collector, store, object) = collector();
        let now = Instant::now() + GRACE;
        collector.replaced([object].into_iter(), now - GRACE);
        store.inject(Injection::next(Operation::Delete, fault));
        assert!(collect(&mut collector, &store, now).unwrap().is_some());
        assert_eq!(collect(&mut collector, &store, now + RETRY), Some(None));
        assert_eq!(store.keys(), []);
    }
}

#[test]
fn nothing_is_deleted_while_a_pin_cannot_be_read() {
    let (mut collector, store, object) = collector();
    store.put_if_absent(&names().pin("broken").unwrap(), Body::from(b"not a pin".as_slice()), WriteId(2)).unwrap();
    let now = Instant::now() + GRACE;
    collector.replaced([object.clone()].into_iter(), now - GRACE);
    let error = collect(&mut collector, &store, now).unwrap().unwrap();
    assert!(error.contains("pins/broken"), "{error}");
    assert!(store.head(&object).unwrap().is_some());
}

#[test]
fn what_is_no_object_of_runs_is_named_and_stays() {
    let (mut collector, store, _) = collector();
    let strange = key("pipelines/ns/delays/0a1b2c3d-1-64/pod/notes");
    store.put_if_absent(&strange, Body::from(b"written by hand, longer than a trailer".as_slice()), WriteId(2)).unwrap();
    collector.sweep();
    let collected = collector.next(Instant::now(), owned()).unwrap().run(&store);
    assert!(collected.error.is_none());
    assert_eq!(collected.damaged.iter().filter(|key| **key == strange).count(), 1);
    collector.done(collected, Instant::now());
    assert_eq!(collect(&mut collector, &store, Instant::now() + 9 * GRACE), None);
    assert!(store.head(&strange).unwrap().is_some());
}

#[test]
fn what_a_dead_pod_condemned_is_forgotten_once_it_is_gone() {
    let (mut collector, store, _) = collector();
    let deads = names().condemned(life(0), 7);
    store.put_if_absent(&deads, NameList::of([&names().object(life(0), 3)]).encode(), WriteId(2)).unwrap();
    collector.sweep();
    assert!(collect(&mut collector, &store, Instant::now()).is_some());
    assert!(store.head(&deads).unwrap().is_some());
    assert_eq!(collect(&mut collector, &store, Instant::now()), Some(None));
    assert!(store.head(&deads).unwrap().is_none());
}
