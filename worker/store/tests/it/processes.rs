//! Several real processes on one folder: they race, and they are killed at any moment.
//!
//! A child is this test binary again, told by its environment which part to play.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};
use streamwright_store::{Body, FolderStore, Key, ObjectStore, Prefix, PutError, WriteIds};

const PART: &str = "SW_STORE_PART";
const ROOT: &str = "SW_STORE_ROOT";
const CLAIMS: usize = 150;
const INCREMENTS: u64 = 60;

fn key(text: impl AsRef<str>) -> Key {
    Key::new(text).unwrap()
}

fn child(root: &Path, part: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "processes::a_child_plays_its_part", "--nocapture"]).env(PART, part).env(ROOT, root);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap()
}

/// The lines that the child's part wrote, without those of the test harness.
fn said(out: &mut BufReader<ChildStdout>) -> impl Iterator<Item = String> {
    out.lines().map(Result::unwrap).filter_map(|line| line.strip_prefix("said ").map(String::from))
}

fn say(words: std::fmt::Arguments<'_>) {
    // One write a line: a child that is killed never leaves half of one.
    std::io::stdout().write_all(format!("\nsaid {words}\n").as_bytes()).unwrap();
}

#[test]
fn a_child_plays_its_part() {
    let Ok(part) = std::env::var(PART) else { return };
    let store = FolderStore::open(std::env::var(ROOT).unwrap()).unwrap();
    match part.as_str() {
        "claim" => claim(&store),
        "count" => count(&store),
        "write for ever" => write_for_ever(&store),
        other => panic!("no such part: {other}"),
    }
}

/// Says which of the shared names this process was the first to put.
fn claim(store: &FolderStore) {
    let ids = WriteIds::random();
    let me = std::process::id().to_string();
    for number in 0..CLAIMS {
        match store.put_if_absent(&key(format!("claims/{}/{number}", number % 10)), me.clone().into_bytes().into(), ids.next()) {
            Ok(_) => say(format_args!("{number} {me}")),
            Err(PutError::Lost { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// Adds one to the shared counter again and again.
fn count(store: &FolderStore) {
    let ids = WriteIds::random();
    for _ in 0..INCREMENTS {
        loop {
            let object = store.get(&key("counter")).unwrap();
            let count: u64 = std::str::from_utf8(&object.bytes).unwrap().parse().unwrap();
            match store.put_if_match(&key("counter"), (count + 1).to_string().into_bytes().into(), &object.version, ids.next()) {
                Ok(_) => break,
                Err(PutError::Lost { .. }) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
    }
}

/// An object of many bytes that all say which write it is.
fn patterned(number: u64) -> Body {
    (0..4).map(|_| number.to_le_bytes().repeat(4096).into()).collect()
}

fn number_of(bytes: &[u8]) -> u64 {
    let number = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    assert_eq!(bytes, &patterned(number).to_bytes()[..], "an object is whole");
    number
}

/// Puts new objects, replaces one and deletes others until it is killed; says each write when it was answered.
fn write_for_ever(store: &FolderStore) {
    let ids = WriteIds::random();
    let mut last = store.get(&key("last")).map(|object| (object.version, number_of(&object.bytes))).ok();
    for number in last.as_ref().map_or(1, |(_, number)| number + 1).. {
        store
            .put_if_absent(&key(format!("made/{}/{number}", number % 3)), patterned(number), ids.next())
            .map_or_else(|error| assert!(matches!(error, PutError::Lost { .. }), "{error:?}"), |_| say(format_args!("made {number}")));
        let version = match &last {
            Some((version, _)) => store.put_if_match(&key("last"), patterned(number), version, ids.next()),
            None => store.put_if_absent(&key("last"), patterned(number), ids.next()),
        };
        last = Some((version.unwrap(), number));
        say(format_args!("last {number}"));
        if number % 5 == 0 {
            store.delete(&key(format!("made/{}/{number}", number % 3))).unwrap();
            say(format_args!("deleted {number}"));
        }
    }
}

#[test]
fn of_racing_processes_one_makes_each_object() {
    let root = tempfile::tempdir().unwrap();
    let mut children: Vec<Child> = (0..5).map(|_| child(root.path(), "claim")).collect();
    let mut claims: Vec<String> = Vec::new();
    for child in &mut children {
        claims.extend(said(&mut BufReader::new(child.stdout.take().unwrap())));
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(claims.len(), CLAIMS, "each name was won once");
    let store = FolderStore::open(root.path()).unwrap();
    for claim in claims {
        let (number, winner) = claim.split_once(' ').unwrap();
        let number: usize = number.parse().unwrap();
        let object = store.get(&key(format!("claims/{}/{number}", number % 10))).unwrap();
        assert_eq!(object.bytes, winner, "the object of {number} is the winner's");
    }
}

#[test]
fn no_increment_of_racing_processes_is_lost() {
    let root = tempfile::tempdir().unwrap();
    let store = FolderStore::open(root.path()).unwrap();
    store.put_if_absent(&key("counter"), Body::from(b"0".as_slice()), WriteIds::random().next()).unwrap();
    let mut children: Vec<Child> = (0..4).map(|_| child(root.path(), "count")).collect();
    for child in &mut children {
        said(&mut BufReader::new(child.stdout.take().unwrap())).for_each(drop);
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(store.get(&key("counter")).unwrap().bytes, (4 * INCREMENTS).to_string());
}

#[test]
fn a_process_killed_at_any_moment_leaves_old_or_new_and_no_lock() {
    let root = tempfile::tempdir().unwrap();
    let mut acknowledged_last = 0;
    for round in 0..25_u64 {
        let mut child = child(root.path(), "write for ever");
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut acknowledged: Vec<String> = said(&mut out).take(1 + round as usize % 7).collect();
        // Beyond those few writes, the instant of death only has to differ from round to round.
        let die_at = Instant::now() + Duration::from_micros(round * 1_700 % 23_000);
        while Instant::now() < die_at {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged.extend(said(&mut out));

        let store = FolderStore::open(root.path()).unwrap();
        let number = |line: &String| line.split_once(' ').unwrap().1.parse::<u64>().unwrap();
        let deleted: Vec<u64> = acknowledged.iter().filter(|line| line.starts_with("deleted")).map(number).collect();
        for made in acknowledged.iter().filter(|line| line.starts_with("made")).map(number) {
            let object = store.get(&key(format!("made/{}/{made}", made % 3)));
            if made % 5 == 0 {
                assert!(object.is_err() || !deleted.contains(&made), "a deleted object stays deleted");
            } else {
                assert_eq!(number_of(&object.unwrap().bytes), made);
            }
        }
        acknowledged_last = acknowledged.iter().filter(|line| line.starts_with("last")).map(number).fold(acknowledged_last, u64::max);
        if let Some(head) = store.head(&key("last")).unwrap() {
            let object = store.get(&key("last")).unwrap();
            assert!((acknowledged_last..=acknowledged_last + 1).contains(&number_of(&object.bytes)), "last is old or new");
            acknowledged_last = number_of(&object.bytes);
            let replaced = store.put_if_match(&key("last"), patterned(acknowledged_last), &head.version, WriteIds::random().next());
            replaced.expect("the dead hold no lock");
        }
        for listed in store.list(&Prefix::new("made/").unwrap(), None, 100_000).unwrap() {
            assert_eq!(listed.size, patterned(0).len(), "{} is whole", listed.key);
        }
        let writers = std::fs::read_dir(root.path().join("writers")).unwrap().count();
        assert_eq!(writers, 1, "what the dead were writing is gone");
    }
    assert!(acknowledged_last > 25, "the children did write");
}
