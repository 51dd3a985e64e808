//! Many writers at once, in fair and in foul weather: what they were told against what is there.

use crate::kit::{Dice, key, store};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Barrier,
};
use store::{Body, ObjectStore, PutError, S3Store, StoreError, Version, WriteId, WriteIds, put_if_absent_settled};
use streamwright_tests_s3::{Plan, Server};

/// What a writer was told of one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Done,
    NotDone,
    Unknown,
}

fn told(put: &Result<Version, PutError>) -> Told {
    match put {
        Ok(_) => Told::Done,
        Err(PutError::Unknown) => Told::Unknown,
        Err(PutError::Lost { .. } | PutError::Other(_)) => Told::NotDone,
    }
}

fn foul(seed: u64) -> Plan {
    Plan { seed, slow_down: 30, refuse: 30, conflict: 40, refuse_after: 40, cut_before: 40, cut_after: 60, late: 60 }
}

fn seeds() -> impl Iterator<Item = u64> {
    let count = std::env::var("SW_SEEDS").ok().and_then(|count| count.parse::<u64>().ok()).unwrap_or(400);
    // A seed here costs a server and thousands of requests: far fewer than of a simulation.
    1..=(count / 200).max(2)
}

/// Runs `rival` in `count` threads at once.
fn race<T: Send>(count: usize, rival: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(count);
    std::thread::scope(|scope| {
        let (start, rival) = (&start, &rival);
        let run = |number| {
            scope.spawn(move || {
                start.wait();
                rival(number)
            })
        };
        let rivals: Vec<_> = (0..count).map(run).collect();
        rivals.into_iter().map(|rival| rival.join().unwrap()).collect()
    })
}

#[test]
fn of_sixteen_that_put_if_absent_exactly_one_wins_each_key() {
    const KEYS: usize = 40;
    let server = Server::start();
    let stores: Vec<S3Store> = (0..4).map(|_| store(&server)).collect();
    let won = race(16, |number| {
        let store = &stores[number % stores.len()];
        let put = |name| store.put_if_absent(&key(format!("race/{name}")), vec![number as u8; 20_000].into(), WriteId(number as u128 + 1));
        (0..KEYS).filter(|name| told(&put(*name)) == Told::Done).collect::<BTreeSet<_>>()
    });
    for name in 0..KEYS {
        let winners: Vec<usize> = (0..16).filter(|number| won[*number].contains(&name)).collect();
        assert_eq!(winners.len(), 1, "key {name} was won by {winners:?}");
        let object = server.object(&format!("main/race/{name}")).unwrap();
        assert!(object.len() == 20_000 && object.iter().all(|byte| usize::from(*byte) == winners[0]), "key {name} is its winner's, whole");
    }
}

#[test]
fn in_foul_weather_nobody_but_the_object_s_writer_has_won() {
    for seed in seeds() {
        const KEYS: usize = 12;
        let server = Server::start();
        let stores: Vec<S3Store> = (0..4).map(|_| store(&server)).collect();
        server.plan(Some(foul(seed)));
        let heard = race(8, |number| {
            let store = &stores[number % stores.len()];
            let put = |name| {
                let (at, id) = (key(format!("race/{name}")), WriteId(number as u128 + 1));
                let body = Body::from(number.to_string().into_bytes());
                if name % 2 == 0 { store.put_if_absent(&at, body, id) } else { put_if_absent_settled(store, &at, body, id) }
            };
            (0..KEYS).map(|name| told(&put(name))).collect::<Vec<_>>()
        });
        server.calm();
        for name in 0..KEYS {
            let object = server.object(&format!("main/race/{name}"));
            let writer = object.map(|bytes| std::str::from_utf8(&bytes).unwrap().parse::<usize>().unwrap());
            for (number, heard) in heard.iter().enumerate() {
                let fits = match heard[name] {
                    Told::Done => writer == Some(number),
                    Told::NotDone => writer != Some(number),
                    Told::Unknown => true,
                };
                assert!(fits, "seed {seed}: {number} was told {:?} of key {name}, which is of {writer:?}", heard[name]);
            }
        }
    }
}

/// One register that many replace on a match. Each write adds its id to what it read, so that the register is its own history: no
/// two states are alike, and what became of every write can be read from the last one.
#[test]
fn no_replacement_is_lost_doubled_or_misreported() {
    for seed in seeds() {
        const CLIENTS: usize = 6;
        const WRITES: usize = 15;
        let server = Server::start();
        let stores: Vec<S3Store> = (0..CLIENTS).map(|_| store(&server)).collect();
        let at = key("register");
        stores[0].put_if_absent(&at, Body::from(b"0".as_slice()), WriteId(1)).unwrap();
        server.plan(Some(foul(seed)));
        let heard: Vec<BTreeMap<String, Told>> = race(CLIENTS, |client| {
            let (store, ids, mut dice) = (&stores[client], WriteIds::of(seed << 8 | client as u64), Dice(seed ^ client as u64));
            let mut heard = BTreeMap::new();
            while heard.len() < WRITES {
                let object = match store.get(&at) {
                    Ok(object) => object,
                    Err(StoreError::Unavailable { .. }) => continue,
                    Err(other) => panic!("seed {seed}: read the register: {other:?}"),
                };
                let id = ids.next();
                // Some sit on what they read while others write.
                for _ in 0..dice.below(3) {
                    let _ = store.head(&at);
                }
                let text = format!("{} {id}", std::str::from_utf8(&object.bytes).unwrap());
                let put = store.put_if_match(&at, text.into_bytes().into(), &object.version, id);
                heard.insert(id.to_string(), told(&put));
            }
            heard
        });
        server.calm();
        let register = server.object("main/register").unwrap();
        let history: Vec<&str> = std::str::from_utf8(&register).unwrap().split(' ').skip(1).collect();
        for (id, told) in heard.iter().flatten() {
            let times = history.iter().filter(|written| *written == id).count();
            let fits = match told {
                Told::Done => times == 1,
                Told::NotDone => times == 0,
                Told::Unknown => times <= 1,
            };
            assert!(fits, "seed {seed}: {id} was told {told:?} and is {times} times in {history:?}");
        }
        let done = heard.iter().flatten().filter(|(_, told)| **told == Told::Done).count();
        assert!(done >= WRITES, "seed {seed}: writes do get through: {done}");
    }
}
