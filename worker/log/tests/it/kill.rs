//! SIGKILL of a process that appends, deletes and ships: what it was told is durable is there afterwards.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
};

use store::FolderStore;
use streamwright_log::{Append, Isolation, Log, LogConfig, PartitionConfig, TopicPartitionId};
use units::Offset;

use crate::helpers::{PLAIN, batch, config, open_with, partition, values};

const FOLDER: &str = "SW_LOG_KILL_FOLDER";
const PARTITIONS: i32 = 4;

fn small(folder: &Path) -> LogConfig {
    LogConfig { wal_file_bytes: 256 << 10, group_bytes_max: 64 << 10, wal_target_bytes: 1 << 20, ..config(&folder.join("volume")) }
}

fn open(folder: &Path) -> Log {
    let store = FolderStore::open(folder.join("store")).expect("the store opens");
    open_with(small(folder), Arc::new(store)).expect("the log opens").0
}

/// The process that is killed: it prints a line for each answer and never ends by itself. Without its folder it is not that process.
#[test]
fn appender() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let log = open(Path::new(&folder));
    let output = Arc::new(Mutex::new(std::io::stdout()));
    let ids: Vec<_> = (0..PARTITIONS).map(partition).collect();
    for id in &ids {
        log.create_partition(*id, PartitionConfig::default()).expect("made");
    }
    let start: i64 = ids.iter().map(|id| log.offsets(*id).expect("known").log_end.0).sum();
    for payload in start.. {
        let id = ids[usize::try_from(payload).expect("positive") % ids.len()];
        let padding = "x".repeat(usize::try_from(payload * 37 % 3000).expect("positive"));
        let append = Append { batches: batch(&[&format!("{payload} {padding}")], payload, None), origin: PLAIN, leader_epoch: None };
        let told = output.clone();
        let done = move |outcome: Result<streamwright_log::Appended, _>| {
            let Ok(appended) = outcome else { std::process::exit(3) };
            let base = appended.base_offset;
            writeln!(told.lock().expect("one line at a time"), "acked {} {base} {payload}", id.partition).expect("the parent reads");
        };
        log.append(id, append, Box::new(done));
        if payload % 50 == 49 {
            delete(&log, id, &output);
        }
    }
}

/// Deletes the older half of what is durable, and waits for the answer, which also keeps the appender from running far ahead.
fn delete(log: &Log, id: TopicPartitionId, output: &Mutex<std::io::Stdout>) {
    let offsets = log.offsets(id).expect("known");
    let before = Offset((offsets.log_start.0 + offsets.high_watermark.0) / 2);
    let (sender, receiver) = std::sync::mpsc::channel();
    log.delete_records(id, before, Box::new(move |outcome| drop(sender.send(outcome))));
    let start = receiver.recv().expect("answered").expect("not refused");
    writeln!(output.lock().expect("one line at a time"), "start {} {start}", id.partition).expect("the parent reads");
}

#[derive(Default)]
struct Told {
    acked: BTreeMap<(i32, i64), i64>,
    starts: BTreeMap<i32, i64>,
}

impl Told {
    fn note(&mut self, line: &str) {
        let words: Vec<_> = line.split(' ').collect();
        let number = |index: usize| words[index].parse::<i64>().expect("a number");
        match words[0] {
            "acked" => drop(self.acked.insert((words[1].parse().expect("a partition"), number(2)), number(3))),
            "start" => drop(self.starts.insert(words[1].parse().expect("a partition"), number(2))),
            _ => {}
        }
    }
}

#[test]
fn whatever_was_acknowledged_survives_sigkill() {
    let folder = tempfile::tempdir().unwrap();
    let mut told = Told::default();
    for round in 0..8 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::appender", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut lines = lines.map(|line| line.expect("whole lines"));
        for line in lines.by_ref().take(300 + round * 311) {
            told.note(&line);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What was in the pipe was told as well; the last line may be cut short.
        let rest: Vec<_> = lines.collect();
        for line in rest.split_last().map_or(&[][..], |(_, whole)| whole) {
            told.note(line);
        }
        check(folder.path(), &told);
    }
    assert!(told.acked.len() > 8 * 300);
}

fn check(folder: &Path, told: &Told) {
    let log = open(folder);
    for number in 0..PARTITIONS {
        let id = partition(number);
        let offsets = log.offsets(id).unwrap();
        let start = told.starts.get(&number).copied().unwrap_or(0);
        assert!(offsets.log_start.0 >= start, "{id} starts at {}, deleted up to {start}", offsets.log_start);
        let found: BTreeMap<_, _> = values(&log, id, offsets.log_start.0, Isolation::ReadUncommitted).into_iter().collect();
        for ((_, offset), payload) in told.acked.range((number, offsets.log_start.0)..(number + 1, 0)) {
            let text = found.get(offset).unwrap_or_else(|| panic!("{id} offset {offset} is lost"));
            assert!(text.starts_with(&format!("{payload} ")), "{id} offset {offset} was {payload}");
        }
        let expected: Vec<_> = (offsets.log_start.0..offsets.high_watermark.0).collect();
        assert_eq!(found.keys().copied().collect::<Vec<_>>(), expected);
    }
    log.close();
}
