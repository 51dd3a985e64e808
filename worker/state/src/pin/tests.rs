//! Pins against what is there; against collectors they are tried in the simulation.

use super::*;
use crate::{
    manifest::{ManifestHead, ObjectRef, Place},
    testing::{K, key, mark},
};
use store::{Body, MemoryStore};
use units::Offset;

const PLACE: Place = Place { offset: 0, len: 1, crc: 0 };

fn names() -> StateNames {
    StateNames::new("ns", "delays", "0a1b2c3d-1-64").unwrap()
}

/// A manifest in the object `own` that names `other`.
fn manifest() -> (ManifestRef, Manifest) {
    let head = ManifestHead {
        layout: "0a1b2c3d-1-64".into(),
        hash: K,
        claim: crate::Claim(Offset(0)),
        covers: mark(1, 1),
        floor: Offset(0),
        positions: Vec::new(),
    };
    let other = ObjectRef { key: key("other"), size: 1, index: PLACE };
    (ManifestRef { object: key("own"), place: PLACE }, Manifest::new(head, vec![other], Vec::new()))
}

fn store_with(objects: &[&str]) -> MemoryStore {
    let store = MemoryStore::new();
    for object in objects {
        store.put_if_absent(&key(object), Body::empty(), WriteId(1)).unwrap();
    }
    store
}

fn set(store: &MemoryStore, id: u128) -> Result<(), PinError> {
    let (at, manifest) = manifest();
    pin(store, &names(), "monday", WriteId(id), [(&at, &manifest)])
}

#[test]
fn a_pin_holds_the_manifest_and_everything_that_it_names() {
    let store = store_with(&["own", "other"]);
    set(&store, 7).unwrap();
    let held = NameList::read(&store, &names().pin("monday").unwrap()).unwrap().unwrap();
    assert_eq!(held, [key("other"), key("own")].into());
    set(&store, 7).expect("who lost its memory asks again");
    assert!(matches!(set(&store, 8), Err(PinError::Taken { .. })));
    unpin(&store, &names(), "monday").unwrap();
    unpin(&store, &names(), "monday").unwrap();
    set(&store, 8).unwrap();
}

#[test]
fn what_is_gone_or_condemned_cannot_be_pinned() {
    let store = store_with(&["own"]);
    assert!(matches!(set(&store, 7), Err(PinError::Gone { object }) if object == key("other")));
    assert_eq!(store.keys(), [key("own")], "the pin does not stay");

    let store = store_with(&["own", "other"]);
    let condemned = names().condemned(crate::testing::life(1), 1);
    store.put_if_absent(&condemned, NameList::of([&key("own")]).encode(), WriteId(2)).unwrap();
    assert!(matches!(set(&store, 7), Err(PinError::Gone { object }) if object == key("own")));
}

#[test]
fn a_name_that_cannot_be_one_is_refused() {
    let (at, manifest) = manifest();
    let refused = pin(&MemoryStore::new(), &names(), "a b", WriteId(1), [(&at, &manifest)]);
    assert!(matches!(refused, Err(PinError::Name(_))));
}
