//! What every store must do, as a function that any store can be put through.
//!
//! A panic names the promise that was broken. The stores of this crate are put through it by its tests.

use crate::{
    Body, Key, Listed, ObjectStore, Prefix, PutError, Settled, StoreError, Version, WriteId, WriteIds, probe, put_if_absent_settled,
    put_if_match_settled, settle,
};
use bytes::Bytes;
use std::sync::Barrier;

/// Puts `store` through everything that [`ObjectStore`] promises and that can be seen without faults, under `folder`, which
/// nobody else may use. Leaves the folder empty.
///
/// # Panics
/// Where a promise is broken.
pub fn conforms<S: ObjectStore + ?Sized>(store: &S, folder: &Key) {
    let suite = Suite { store, folder, ids: WriteIds::random(), nests: true };
    suite.answers_one_caller();
    suite.arbitrates_between_many();
}

/// The same, of a store that has files behind its protocol and so cannot have an object `a` beside an object `a/b`. None of our keys
/// needs that.
///
/// # Panics
/// Where a promise is broken.
pub fn conforms_without_nesting<S: ObjectStore + ?Sized>(store: &S, folder: &Key) {
    let suite = Suite { store, folder, ids: WriteIds::random(), nests: false };
    suite.answers_one_caller();
    suite.arbitrates_between_many();
}

/// The part of it that one caller alone can see: for stores that answer as they should and do not arbitrate between many.
///
/// # Panics
/// Where a promise is broken.
pub fn conforms_alone<S: ObjectStore + ?Sized>(store: &S, folder: &Key) {
    Suite { store, folder, ids: WriteIds::random(), nests: true }.answers_one_caller();
}

struct Suite<'a, S: ?Sized> {
    store: &'a S,
    folder: &'a Key,
    ids: WriteIds,
    nests: bool,
}

impl<S: ObjectStore + ?Sized> Suite<'_, S> {
    fn answers_one_caller(&self) {
        self.absent_objects_are_absent();
        self.objects_are_read_whole_and_by_range();
        self.only_the_first_put_makes_an_object();
        self.only_the_version_that_was_read_is_replaced();
        self.a_deleted_object_may_be_made_again_as_another();
        self.bodies_of_many_pieces_and_of_none_are_kept();
        if self.nests {
            self.keys_that_look_alike_are_apart();
        }
        self.listings_are_ordered_and_paged();
        self.writers_recognise_their_own();
        assert_eq!(self.listed("", None, 10), Vec::<String>::new(), "the suite leaves nothing behind");
    }

    fn arbitrates_between_many(&self) {
        self.of_racing_puts_one_wins();
        self.no_increment_is_lost();
        probe(self.store, &self.key("probe")).expect("the store arbitrates");
        assert_eq!(self.listed("", None, 10), Vec::<String>::new(), "the suite leaves nothing behind");
    }

    fn key(&self, name: &str) -> Key {
        self.folder.join(name).expect("the suite's keys are keys")
    }

    fn make(&self, name: &str, body: &'static [u8]) -> Version {
        self.store.put_if_absent(&self.key(name), body.into(), self.ids.next()).expect("an absent object can be made")
    }

    fn remove(&self, names: &[&str]) {
        for name in names {
            self.store.delete(&self.key(name)).expect("an object can be deleted");
        }
    }

    fn bytes(&self, name: &str) -> Bytes {
        self.store.get(&self.key(name)).expect("an object can be read").bytes
    }

    /// Names listed under the folder, without it.
    fn listed(&self, prefix: &str, after: Option<&str>, limit: usize) -> Vec<String> {
        let prefix = Prefix::new(format!("{}/{prefix}", self.folder)).expect("the suite's prefixes are prefixes");
        let after = after.map(|name| self.key(name));
        let listed = self.store.list(&prefix, after.as_ref(), limit).expect("objects can be listed");
        let folder = format!("{}/", self.folder);
        listed.into_iter().map(|Listed { key, .. }| key.as_str().strip_prefix(&folder).expect("in the folder").into()).collect()
    }

    fn absent_objects_are_absent(&self) {
        let key = self.key("absent/object");
        assert!(matches!(self.store.get(&key), Err(StoreError::NotFound { .. })), "get of an absent object");
        assert!(matches!(self.store.get_range(&key, 0..1), Err(StoreError::NotFound { .. })), "range of an absent object");
        assert_eq!(self.store.head(&key).expect("head"), None, "head of an absent object");
        self.store.delete(&key).expect("deleting what is not there is fine");
        let put = self.store.put_if_match(&key, Body::empty(), &Version::new("1"), self.ids.next());
        assert!(matches!(put, Err(PutError::Lost { .. })), "replacing an absent object: {put:?}");
        assert_eq!(self.store.head(&key).expect("head"), None, "a lost put leaves nothing");
    }

    fn objects_are_read_whole_and_by_range(&self) {
        let id = self.ids.next();
        let key = self.key("object");
        let version = self.store.put_if_absent(&key, Body::from(b"0123456789".as_slice()), id).expect("put");
        let object = self.store.get(&key).expect("get");
        assert_eq!((&object.bytes[..], &object.version), (&b"0123456789"[..], &version), "what was put is read");
        let head = self.store.head(&key).expect("head").expect("the object is there");
        assert_eq!((head.size, head.version, head.write_id), (10, version, Some(id)), "head says what was put");
        for range in [0..10, 0..1, 9..10, 3..7, 4..4, 10..10] {
            let expected = &object.bytes[range.start as usize..range.end as usize];
            assert_eq!(self.store.get_range(&key, range.clone()).expect("range"), expected, "range {range:?}");
        }
        for range in [0..11, 9..12, 10..11, 100..200, 0..u64::MAX] {
            let truncated = matches!(self.store.get_range(&key, range.clone()), Err(StoreError::Truncated { size: 10, .. }));
            assert!(truncated, "range {range:?} lies past the end");
        }
        self.remove(&["object"]);
    }

    fn only_the_first_put_makes_an_object(&self) {
        let (key, first_id) = (self.key("first"), self.ids.next());
        let first = self.store.put_if_absent(&key, Body::from(b"first".as_slice()), first_id).expect("put");
        for body in [b"second".as_slice(), b"first"] {
            match self.store.put_if_absent(&key, body.into(), self.ids.next()) {
                Err(PutError::Lost { current, write_id }) => {
                    assert!(current.is_none_or(|current| current == first), "a lost put names what is there, or nothing");
                    assert!(write_id.is_none_or(|write_id| write_id == first_id), "a lost put names who was first, or nobody");
                }
                other => panic!("a second put if absent: {other:?}"),
            }
        }
        assert_eq!(self.bytes("first"), "first", "a lost put changes nothing");
        self.remove(&["first"]);
    }

    fn only_the_version_that_was_read_is_replaced(&self) {
        let key = self.key("versions");
        let one = self.make("versions", b"same");
        let two = self.store.put_if_match(&key, Body::from(b"same".as_slice()), &one, self.ids.next()).expect("replace");
        let three = self.store.put_if_match(&key, Body::from(b"three".as_slice()), &two, self.ids.next()).expect("replace");
        assert_ne!(two, three, "another put gives another version");
        for stale in [&two, &Version::new("no-version"), &Version::new("")] {
            let put = self.store.put_if_match(&key, Body::from(b"stale".as_slice()), stale, self.ids.next());
            assert!(matches!(put, Err(PutError::Lost { .. })), "replacing {stale:?}: {put:?}");
        }
        assert_eq!(self.bytes("versions"), "three", "a lost put changes nothing");
        assert_eq!(self.store.get(&key).expect("get").version, three, "a read gives the version of the put");
        self.remove(&["versions"]);
    }

    fn a_deleted_object_may_be_made_again_as_another(&self) {
        let key = self.key("again");
        let one = self.make("again", b"one");
        self.remove(&["again", "again"]);
        assert_eq!(self.store.head(&key).expect("head"), None, "a deleted object is gone");
        let two = self.make("again", b"two");
        assert_ne!(one, two, "an object made again is another");
        let put = self.store.put_if_match(&key, Body::empty(), &one, self.ids.next());
        assert!(matches!(put, Err(PutError::Lost { .. })), "the version of a deleted object: {put:?}");
        self.remove(&["again"]);
    }

    fn bodies_of_many_pieces_and_of_none_are_kept(&self) {
        let pieces: Vec<Bytes> = (0..3000_u32).map(|piece| piece.to_le_bytes().repeat((piece % 7) as usize).into()).collect();
        let whole = pieces.concat();
        self.store.put_if_absent(&self.key("pieces"), pieces.into(), self.ids.next()).expect("put of many pieces");
        assert_eq!(self.bytes("pieces"), whole, "the pieces lie one behind the other");
        self.make("fence", b"");
        assert_eq!(self.bytes("fence"), "", "an object without bytes is an object");
        let put = self.store.put_if_absent(&self.key("fence"), Body::empty(), self.ids.next());
        assert!(matches!(put, Err(PutError::Lost { .. })), "an object without bytes holds its key: {put:?}");
        self.remove(&["pieces", "fence"]);
    }

    fn keys_that_look_alike_are_apart(&self) {
        let longest = "x".repeat(Key::SEGMENT_MAX_BYTES);
        let names = ["a", "a/b", "a/b/c", "a.b", "a=", "ab", ".a", "a/..b", longest.as_str()];
        for name in names {
            self.make(name, b"");
        }
        let put = self.store.put_if_absent(&self.key("a/b"), Body::from(b"x".as_slice()), self.ids.next());
        assert!(matches!(put, Err(PutError::Lost { .. })), "a key in a folder that is also an object: {put:?}");
        self.remove(&["a/b"]);
        assert!(self.store.head(&self.key("a")).expect("head").is_some(), "the object beside a folder stays");
        assert!(self.store.head(&self.key("a/b/c")).expect("head").is_some(), "the object below a folder stays");
        self.remove(&names);
    }

    fn listings_are_ordered_and_paged(&self) {
        let mut names: Vec<String> =
            ["b", "b/a", "b-a", "b.a", "b=a", "b/b/c", "b/b", "ba", "B", "0", "b/a.x", "b/-"].map(String::from).into();
        if !self.nests {
            let all = names.clone();
            names.retain(|name| !all.iter().any(|other| other.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('/'))));
        }
        names.extend((0..30).map(|number| format!("many/{number:04}/x")));
        for name in &names {
            self.store.put_if_absent(&self.key(name), Body::from(b"12345".as_slice()), self.ids.next()).expect("put");
        }
        names.sort();
        assert_eq!(self.listed("", None, 1000), names, "a listing is in the order of keys");
        assert_eq!(self.listed("", None, 0), Vec::<String>::new(), "a listing of none");
        for limit in [1, 2, 7] {
            let mut paged: Vec<String> = Vec::new();
            loop {
                let page = self.listed("", paged.last().map(String::as_str), limit);
                let is_last = page.len() < limit;
                paged.extend(page);
                if is_last {
                    break;
                }
            }
            assert_eq!(paged, names, "pages of {limit}");
        }
        for prefix in ["b", "b/", "b/b", "b/b/", "many/00", "many/0012/x", "c", "many/0012/x/"] {
            for after in [None, Some("b/a"), Some("b/zzz"), Some("many/0011/y"), Some("a")] {
                let expected = |name: &&String| name.starts_with(prefix) && after.is_none_or(|after| name.as_str() > after);
                let expected: Vec<String> = names.iter().filter(expected).cloned().collect();
                assert_eq!(self.listed(prefix, after, 1000), expected, "prefix {prefix}, after {after:?}");
            }
        }
        let sizes = self.store.list(&Prefix::folder(self.folder), None, 3).expect("list");
        assert!(sizes.iter().all(|listed| listed.size == 5), "a listing gives sizes: {sizes:?}");
        names.iter().for_each(|name| self.remove(&[name]));
    }

    fn writers_recognise_their_own(&self) {
        let (key, ours, theirs) = (self.key("own"), self.ids.next(), self.ids.next());
        assert_eq!(settle(self.store, &key, ours).expect("settle"), Settled::Absent);
        let version = put_if_absent_settled(self.store, &key, Body::empty(), ours).expect("the first attempt");
        assert_eq!(settle(self.store, &key, ours).expect("settle"), Settled::Ours(version.clone()));
        let again = put_if_absent_settled(self.store, &key, Body::empty(), ours).expect("a retry finds its own first attempt");
        assert_eq!(again, version);
        let lost = put_if_absent_settled(self.store, &key, Body::empty(), theirs);
        assert!(matches!(lost, Err(PutError::Lost { write_id: Some(winner), .. }) if winner == ours), "a rival loses: {lost:?}");
        let replaced = put_if_match_settled(self.store, &key, Body::empty(), &version, theirs).expect("replace");
        let again = put_if_match_settled(self.store, &key, Body::empty(), &version, theirs).expect("a retry finds its own");
        assert_eq!(again, replaced);
        assert_eq!(settle(self.store, &key, ours).expect("settle"), Settled::Theirs { current: replaced, write_id: Some(theirs) });
        self.remove(&["own"]);
    }

    /// Runs `rival` at once in several threads, each with a number.
    fn race<T: Send>(&self, rival: impl Fn(usize) -> T + Sync) -> Vec<T> {
        const RIVALS: usize = 8;
        let start = Barrier::new(RIVALS);
        std::thread::scope(|scope| {
            let (start, rival) = (&start, &rival);
            let run = |number| {
                scope.spawn(move || {
                    start.wait();
                    rival(number)
                })
            };
            let rivals: Vec<_> = (0..RIVALS).map(run).collect();
            rivals.into_iter().map(|rival| rival.join().expect("a rival does not panic")).collect()
        })
    }

    fn of_racing_puts_one_wins(&self) {
        for round in 0..20 {
            let name = format!("race/{round}");
            let key = self.key(&name);
            let told = self.race(|number| self.store.put_if_absent(&key, vec![number as u8; 70_000].into(), WriteId(number as u128)));
            let winners: Vec<usize> = (0..told.len()).filter(|number| told[*number].is_ok()).collect();
            assert_eq!(winners.len(), 1, "of racing puts one wins: {told:?}");
            assert!(self.bytes(&name).iter().all(|byte| usize::from(*byte) == winners[0]), "the object is the winner's, whole");
            self.remove(&[&name]);
        }
    }

    fn no_increment_is_lost(&self) {
        const INCREMENTS: u64 = 25;
        let key = self.key("counter");
        self.make("counter", b"0");
        let increment = || loop {
            let object = self.store.get(&key).expect("read the counter");
            let count: u64 = std::str::from_utf8(&object.bytes).expect("text").parse().expect("a number");
            match self.store.put_if_match(&key, (count + 1).to_string().into_bytes().into(), &object.version, self.ids.next()) {
                Ok(_) => return,
                Err(PutError::Lost { .. }) => {}
                Err(other) => panic!("increment: {other:?}"),
            }
        };
        let rivals = self.race(|_| (0..INCREMENTS).for_each(|_| increment())).len() as u64;
        assert_eq!(self.bytes("counter"), (INCREMENTS * rivals).to_string(), "no increment is lost");
        self.remove(&["counter"]);
    }
}
