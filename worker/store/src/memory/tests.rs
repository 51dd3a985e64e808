//! Each fault does what it says, and a seed replays.

use super::*;
use crate::{Settled, put_if_absent_settled, put_if_match_settled, settle};

const OURS: WriteId = WriteId(1);
const THEIRS: WriteId = WriteId(2);

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

fn body(text: &'static str) -> Body {
    text.as_bytes().into()
}

fn put(store: &MemoryStore, text: &'static str, id: WriteId) -> Result<Version, PutError> {
    store.put_if_absent(&key("a"), body(text), id)
}

fn put_meeting(fault: Fault) -> (MemoryStore, Result<Version, PutError>) {
    let store = MemoryStore::new();
    store.inject(Injection::next(Operation::Put, fault));
    let told = put(&store, "ours", OURS);
    (store, told)
}

#[test]
fn a_lost_answer_leaves_the_object_and_a_lost_request_does_not() {
    let (store, told) = put_meeting(Fault::AnswerLost);
    assert!(matches!(told, Err(PutError::Unknown)));
    assert!(matches!(settle(&store, &key("a"), OURS), Ok(Settled::Ours(_))));

    let (store, told) = put_meeting(Fault::RequestLost);
    assert!(matches!(told, Err(PutError::Unknown)));
    assert!(matches!(settle(&store, &key("a"), OURS), Ok(Settled::Absent)));
}

#[test]
fn a_late_put_arrives_when_its_calls_were_made_and_on_its_own_condition() {
    let (store, told) = put_meeting(Fault::Late { calls: 2 });
    assert!(matches!(told, Err(PutError::Unknown)));
    assert_eq!(store.head(&key("a")).unwrap(), None);
    assert_eq!(store.head(&key("a")).unwrap().unwrap().write_id, Some(OURS));

    let (store, _) = put_meeting(Fault::Late { calls: 100 });
    put(&store, "theirs", THEIRS).unwrap();
    store.land_late();
    assert_eq!(store.get(&key("a")).unwrap().bytes, "theirs");
    assert_eq!(store.late_count(), 0);
}

#[test]
fn a_rival_comes_just_before() {
    let (store, told) = put_meeting(Fault::Rival { body: body("theirs"), write_id: THEIRS });
    assert!(matches!(told, Err(PutError::Lost { write_id: Some(THEIRS), .. })));
    assert_eq!(store.get(&key("a")).unwrap().bytes, "theirs");
}

#[test]
fn a_refused_put_did_not_happen() {
    let (store, told) = put_meeting(Fault::Full);
    assert!(matches!(told, Err(PutError::Other(StoreError::Full { .. }))));
    assert_eq!(store.keys(), []);
    let (store, told) = put_meeting(Fault::Unavailable);
    assert!(matches!(told, Err(PutError::Other(StoreError::Unavailable { .. }))));
    assert_eq!(store.keys(), []);
}

#[test]
fn a_slow_call_is_performed_after_its_pause() {
    let paused = std::sync::Arc::new(Mutex::new(Vec::new()));
    let store = MemoryStore::new().with_pause({
        let paused = paused.clone();
        move |time| paused.lock().unwrap().push(time)
    });
    store.inject(Injection::next(Operation::Put, Fault::Slow(Duration::from_secs(3))));
    put(&store, "ours", OURS).unwrap();
    assert_eq!(*paused.lock().unwrap(), [Duration::from_secs(3)]);
    assert_eq!(store.requests().slowed, Duration::from_secs(3));
}

#[test]
fn an_injection_waits_for_the_call_it_names() {
    let store = MemoryStore::new();
    store.inject(Injection::next(Operation::Get, Fault::Unavailable).of("manifest").after(1));
    for text in ["manifest/1", "segment/1"] {
        store.put_if_absent(&key(text), body(""), OURS).unwrap();
    }
    assert!(store.get(&key("segment/1")).is_ok());
    assert!(store.get(&key("manifest/1")).is_ok());
    assert!(store.get(&key("manifest/1")).is_err());
    assert!(store.get(&key("manifest/1")).is_ok());
}

#[test]
fn settled_puts_see_through_lost_answers() {
    for faults in
        [vec![Fault::AnswerLost], vec![Fault::RequestLost], vec![Fault::Late { calls: 1 }], vec![Fault::RequestLost, Fault::AnswerLost]]
    {
        let store = MemoryStore::new();
        for fault in &faults {
            store.inject(Injection::next(Operation::Put, fault.clone()));
        }
        let version = put_if_absent_settled(&store, &key("a"), body("ours"), OURS).unwrap();
        assert_eq!(store.get(&key("a")).unwrap().version, version, "{faults:?}");
        store.inject(Injection::next(Operation::Put, faults[0].clone()));
        let replaced = put_if_match_settled(&store, &key("a"), body("next"), &version, THEIRS).unwrap();
        assert_eq!(store.get(&key("a")).unwrap().version, replaced, "{faults:?}");
    }
}

#[test]
fn a_settled_put_that_never_hears_an_answer_does_not_claim_to_know() {
    let store = MemoryStore::new();
    store.inject(Injection::next(Operation::Put, Fault::Late { calls: 100 }));
    store.plan(Some(Plan { unavailable: 1000, ..Plan::default() }));
    assert!(matches!(put_if_absent_settled(&store, &key("a"), body("ours"), OURS), Err(PutError::Unknown)));
    store.calm();
    assert_eq!(store.get(&key("a")).unwrap().bytes, "ours");
}

#[test]
fn a_seed_replays_and_draws_every_fault() {
    let run = |seed| {
        let store = MemoryStore::new();
        store.plan(Some(Plan { seed, answer_lost: 100, request_lost: 100, late: 100, unavailable: 100 }));
        let told = |number: u32| match store.put_if_absent(&key(&number.to_string()), body(""), OURS) {
            Ok(_) => 'y',
            Err(PutError::Unknown) => '?',
            Err(_) => 'n',
        };
        let told: String = (0..500).map(told).collect();
        (told, store.keys())
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
    let (told, keys) = run(3);
    let count = |wanted| told.chars().filter(|told| *told == wanted).count();
    assert!(count('y') > 300 && count('?') > 100 && count('n') > 20, "{told}");
    assert!(keys.len() > count('y') + 50 && keys.len() < count('y') + count('?'), "some lost answers were of puts that happened");
}

#[test]
fn requests_and_bytes_are_counted() {
    let store = MemoryStore::new();
    put(&store, "12345", OURS).unwrap();
    assert!(put(&store, "123", THEIRS).is_err());
    store.get(&key("a")).unwrap();
    store.get_range(&key("a"), 1..3).unwrap();
    store.head(&key("a")).unwrap();
    store.list(&Prefix::all(), None, 1).unwrap();
    store.delete(&key("a")).unwrap();
    let expected = Requests { gets: 2, heads: 1, puts: 2, lists: 1, deletes: 1, bytes_put: 8, bytes_got: 7, slowed: Duration::ZERO };
    assert_eq!(store.requests(), expected);
}
