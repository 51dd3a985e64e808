//! How fast the log appends here, beside what the volume itself gives.
//!
//! `cargo run --release -p streamwright-log --example append_rate [FOLDER] [SECONDS] [direct|buffered]`

use std::{
    path::PathBuf,
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use records::{BatchBuilder, Compression};
use store::FolderStore;
use streamwright_log::{Append, BLOCK_BYTES, Disk, Log, LogConfig, Origin, PartitionConfig, RealDisk, TopicPartitionId, WriteMode};
use units::{BrokerId, PartitionId, TimestampMs, TopicId};

const PARTITIONS: i32 = 16;

/// Appends under way and how long each took.
struct Window {
    bytes_max: usize,
    state: Mutex<(usize, Vec<u32>)>,
    freed: Condvar,
}

fn batch(bytes: usize) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None);
    let value = vec![b'v'; bytes.min(1000)];
    while builder.bytes() < bytes {
        builder.push_plain(TimestampMs(1), None, Some(&value));
    }
    builder.finish().into()
}

fn run(log: &Log, batch_bytes: usize, window_bytes: usize, time: Duration) {
    let batches = batch(batch_bytes);
    let window = Arc::new(Window { bytes_max: window_bytes.max(batches.len()), state: Mutex::default(), freed: Condvar::new() });
    let begun = Instant::now();
    let mut appended = 0u64;
    for number in 0.. {
        if begun.elapsed() > time {
            break;
        }
        let mut state = window.state.lock().expect("no holder panics");
        while state.0 + batches.len() > window.bytes_max {
            state = window.freed.wait(state).expect("no holder panics");
        }
        state.0 += batches.len();
        drop(state);
        let id = TopicPartitionId { topic: TopicId([1; 16]), partition: PartitionId(number % PARTITIONS) };
        let (shared, length, sent) = (window.clone(), batches.len(), Instant::now());
        let append = Append { batches: batches.clone(), origin: Origin::Producer { guard: None }, leader_epoch: None };
        log.append(
            id,
            append,
            Box::new(move |outcome| {
                outcome.expect("appended");
                let mut state = shared.state.lock().expect("no holder panics");
                state.0 -= length;
                state.1.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
                shared.freed.notify_one();
            }),
        );
        appended += batches.len() as u64;
    }
    let rate = appended as f64 / begun.elapsed().as_secs_f64() / 1e6;
    let mut times = std::mem::take(&mut window.state.lock().expect("no holder panics").1);
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    println!(
        "{:>8} B batches, {:>5} KiB under way: {rate:>7.1} MB/s, {:>7.0} batches/s, p50 {} us, p99 {} us, p99.9 {} us, rss {} MiB",
        batches.len(),
        window_bytes >> 10,
        rate * 1e6 / batches.len() as f64,
        at(0.5),
        at(0.99),
        at(0.999),
        rss_bytes() >> 20
    );
}

fn rss_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

/// The best the volume gives: one writer, whole blocks, one after the other.
fn ceiling(disk: &RealDisk, bytes: usize, time: Duration) {
    let length = 64u64 << 20;
    let file = disk.prepare("wal/ceiling", length, None).expect("room for 64 MiB");
    let buffer = vec![7; bytes + BLOCK_BYTES];
    let skip = buffer.as_ptr().align_offset(BLOCK_BYTES);
    let block = &buffer[skip..skip + bytes];
    let (begun, mut writes, mut times) = (Instant::now(), 0u64, Vec::new());
    while begun.elapsed() < time {
        let sent = Instant::now();
        file.write_durable(writes * bytes as u64 % length, block).expect("written");
        times.push(sent.elapsed().as_micros());
        writes += 1;
    }
    times.sort_unstable();
    let rate = (writes * bytes as u64) as f64 / begun.elapsed().as_secs_f64() / 1e6;
    println!("volume alone, {bytes:>8} B writes: {rate:>7.1} MB/s, p50 {} us", times[times.len() / 2]);
    disk.remove("wal/ceiling").expect("removed");
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().map_or_else(|| std::env::temp_dir().join("append-rate"), PathBuf::from);
    let time = Duration::from_secs(arguments.next().and_then(|text| text.parse().ok()).unwrap_or(5));
    drop(std::fs::remove_dir_all(&folder));
    let write_mode = match arguments.next().as_deref() {
        Some("direct") => WriteMode::Direct,
        Some("buffered") => WriteMode::Buffered,
        _ => WriteMode::Probe,
    };
    let config = LogConfig { write_mode, ..LogConfig::new(BrokerId(1), "bench", folder.join("volume")) };
    let disk = Arc::new(RealDisk::open(&config).expect("the folder opens"));
    println!("writes are {}", if disk.is_direct() { "O_DIRECT | O_DSYNC" } else { "pwrite + fdatasync" });
    for bytes in [BLOCK_BYTES, 1 << 20, 4 << 20] {
        ceiling(&disk, bytes, time / 5);
    }
    let store = Arc::new(FolderStore::open(folder.join("store")).expect("the store opens"));
    let (log, recovered) = Log::open(config, disk, store).expect("the log opens");
    println!("opened in {} ms", recovered.took_ms);
    for number in 0..PARTITIONS {
        let id = TopicPartitionId { topic: TopicId([1; 16]), partition: PartitionId(number) };
        log.create_partition(id, PartitionConfig::default()).expect("made");
    }
    for (batch_bytes, window_bytes) in
        [(1000, 1000), (16 << 10, 16 << 10), (16 << 10, 512 << 10), (16 << 10, 16 << 20), (1 << 20, 32 << 20)]
    {
        run(&log, batch_bytes, window_bytes, time);
    }
    println!("{:?}", log.stats());
    log.close();
    drop(std::fs::remove_dir_all(&folder));
}
