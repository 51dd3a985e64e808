//! What a broker's whole process takes, seen from outside, while peers ask for more than is good.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
};

use records::{BatchBuilder, Compression, HEADER_BYTES};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;
use units::{Offset, ProducerEpoch, ProducerId, TimestampMs};
use wire::{ErrorCode, FetchRequest};

use crate::{
    kit::{Batch, Peer, fetch_request},
    reading::found_at,
};

/// The example `serve` in a process of its own.
struct Process {
    child: Child,
    address: SocketAddr,
    _output: BufReader<ChildStdout>,
    _folder: TempDir,
}

impl Process {
    /// Starts it as a shell would that allows few open files.
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut child = Command::new("sh")
            .args(["-c", "ulimit -Sn 256; exec \"$0\" \"$1\" 127.0.0.1:0"])
            .arg(serve())
            .arg(folder.path())
            .env("RUST_LOG", "error")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the example starts");
        let mut output = BufReader::new(child.stdout.take().expect("its output is piped"));
        let mut line = String::new();
        output.read_line(&mut line).expect("it says where it serves");
        let address = line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("no address in {line:?}"));
        Self { child, address, _output: output, _folder: folder }
    }

    /// Most memory that it ever had resident, in bytes.
    fn peak_bytes(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("the system tells it");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<usize>().ok()).expect("a number of kilobytes") << 10
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where cargo puts the example: beside the folder of the test's own executable.
fn serve() -> PathBuf {
    let own = std::env::current_exe().expect("a test knows its executable");
    let folder = own.parent().and_then(|deps| deps.parent()).expect("a test lies in PROFILE/deps");
    let example = folder.join("examples/serve");
    assert!(example.is_file(), "{} is not built: cargo build -p streamwright-broker --examples", example.display());
    example
}

/// A batch of less than 4 MiB that stands for as much as its codec can: gibibytes, but for Snappy, which packs badly.
fn bomb(codec: Compression, time: i64) -> Batch {
    let mut builder = BatchBuilder::new(codec);
    builder.push_plain(TimestampMs(time), None, Some(&vec![0; 4 << 20]));
    let mut bytes = builder.finish();
    let packed = bytes.split_off(HEADER_BYTES);
    // Streams of gzip and zstd may follow on each other; of LZ4 it is the blocks between header and end mark, of Snappy those behind its
    // header.
    let (head, foot) = match codec {
        Compression::None | Compression::Gzip | Compression::Zstd => (0, 0),
        Compression::Snappy => (16, 0),
        Compression::Lz4 => (7, 4),
    };
    let (blocks, foot) = packed[head..].split_at(packed.len() - head - foot);
    bytes.extend_from_slice(&packed[..head]);
    bytes.extend(blocks.repeat(((7 << 19) / blocks.len()).clamp(1, 1000)));
    bytes.extend_from_slice(foot);
    let length = i32::try_from(bytes.len() - 12).expect("a small batch").to_be_bytes();
    bytes[8..12].copy_from_slice(&length);
    let batch = Batch { bytes, transactional_id: None };
    batch.by(ProducerId::NONE, ProducerEpoch(-1), -1)
}

#[test]
fn batches_that_stand_for_gigabytes_cost_a_broker_nothing() {
    let broker = Process::start();
    let mut peer = Peer::connect(broker.address);
    let wide = ("max.message.bytes", "8388608");
    let topics = [
        ("orders", peer.create_with("orders", 1, &[wide])),
        ("stamped", peer.create_with("stamped", 1, &[wide, ("message.timestamp.type", "LogAppendTime")])),
    ];
    let before = broker.peak_bytes();
    for (offset, codec) in (0..).zip(Compression::ALL) {
        let time = 1_000 * (offset + 1);
        let batch = bomb(codec, time);
        for (name, topic) in topics {
            let written = peer.produce(topic, &batch);
            assert_eq!(written.error_code, ErrorCode::None, "{codec} into {name}");
            let data = peer.fetch(topic, written.base_offset.0, |_| {});
            assert!(data.records.len() >= batch.bytes.len(), "{codec} out of {name}");
        }
        // By time it is looked into.
        assert_eq!((found_at(&mut peer, time), found_at(&mut peer, -3)), ((offset, time), (offset, time)), "{codec}");
    }
    let taken = broker.peak_bytes().saturating_sub(before);
    eprintln!("{taken} bytes on top of {before}");
    assert!(taken < 128 << 20, "{taken} bytes were taken");
}

#[test]
fn a_thousand_consumers_that_read_nothing_cost_no_more_than_the_budget() {
    const CONSUMERS: usize = 1_000;
    const BATCHES: i64 = 96;
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("the soft limit may be raised");
    let broker = Process::start();
    let mut peer = Peer::connect(broker.address);
    let topic = peer.create("orders", 1);
    let value = "x".repeat(512 << 10);
    for _ in 0..BATCHES {
        assert_eq!(peer.produce(topic, &Batch::of(&[&value])).error_code, ErrorCode::None);
    }
    let before = broker.peak_bytes();
    // Each from another place, more than the system takes for it, and nobody reads.
    let mut stalled: Vec<_> = (0..CONSUMERS).map(|_| Peer::connect(broker.address)).collect();
    for (index, consumer) in (0..).zip(&mut stalled) {
        for ask in 0..8 {
            let from = (index * 7 + ask * 2) % (BATCHES - 4);
            consumer.send(17, &FetchRequest { max_wait_ms: 500, ..fetch_request(topic, from) });
        }
    }
    // Meanwhile others write and read.
    for round in 0..20 {
        assert_eq!(peer.produce(topic, &Batch::of(&["small"])).base_offset, Offset(BATCHES + round));
        let wait = |request: &mut FetchRequest| request.max_wait_ms = 10_000;
        assert!(!peer.fetch(topic, BATCHES + round, wait).records.is_empty(), "a consumer that reads is served");
    }
    let taken = broker.peak_bytes().saturating_sub(before);
    eprintln!("{taken} bytes on top of {before}");
    assert!(taken < 160 << 20, "{taken} bytes were taken");
}
