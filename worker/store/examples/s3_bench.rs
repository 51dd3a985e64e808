//! What a bucket delivers of the objects that are in it: to bare sockets, and through [`S3Store`].
//!
//! ```sh
//! cargo run --release -p streamwright-store --features s3 --example s3_bench -- http://127.0.0.1:9000 BUCKET
//! ```
//! Credentials come from the environment. All objects from 1 MiB on are read once for each line, by ranges of 4 MiB. The bare requests are
//! presigned and go over plain HTTP with connections kept open: nothing but the socket is between them and the endpoint.

use aws_sdk_s3::{Client, config::BehaviorVersion, config::Region, presigning::PresigningConfig};
use std::{
    error::Error,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    ops::Range,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};
use streamwright_store::{Key, ObjectStore, Prefix, S3Config, S3Store};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Bytes that one request asks for.
const RANGE_BYTES: u64 = 4 << 20;
/// Smaller objects are not data.
const OBJECT_BYTES_MIN: u64 = 1 << 20;
/// Requests at once, a line for each.
const AT_ONCE: [usize; 3] = [1, 4, 8];

/// One request.
struct Part {
    key: Key,
    url: String,
    range: Range<u64>,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [endpoint, bucket] = arguments.as_slice() else { return Err("s3_bench http://HOST:PORT BUCKET".into()) };
    let store = S3Store::open(S3Config { endpoint: Some(endpoint.clone()), force_path_style: true, ..S3Config::of_bucket(bucket) })?;
    let parts = parts(&store, endpoint, bucket)?;
    let bytes: u64 = parts.iter().map(|part| part.range.end - part.range.start).sum();
    println!("{} requests, {:.1} MB", parts.len(), bytes as f64 / 1e6);
    for at_once in AT_ONCE {
        let rate = |time: Duration| bytes as f64 / 1e6 / time.as_secs_f64();
        let bare = rate(timed(at_once, &parts, || None, ask)?);
        let ours = rate(timed(
            at_once,
            &parts,
            || (),
            |(), part| {
                let got = store.get_range(&part.key, part.range.clone())?;
                if got.len() as u64 == part.range.end - part.range.start { Ok(()) } else { Err("a short read".into()) }
            },
        )?);
        println!("{at_once} at once: bare {bare:.1} MB/s, store {ours:.1} MB/s, ratio {:.2}", ours / bare);
    }
    Ok(())
}

fn parts(store: &S3Store, endpoint: &str, bucket: &str) -> Result<Vec<Part>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let config = runtime.block_on(aws_config::defaults(BehaviorVersion::latest()).region(Region::new("us-east-1")).load());
    let config = aws_sdk_s3::config::Builder::from(&config).endpoint_url(endpoint).force_path_style(true).build();
    let client = Client::from_conf(config);
    let (mut parts, mut after) = (Vec::new(), None);
    loop {
        let listed = store.list(&Prefix::new("")?, after.as_ref(), 1000)?;
        let Some(last) = listed.last() else { return Ok(parts) };
        after = Some(last.key.clone());
        for object in listed.iter().filter(|object| object.size >= OBJECT_BYTES_MIN) {
            let request = client.get_object().bucket(bucket).key(object.key.as_str());
            let signed = runtime.block_on(request.presigned(PresigningConfig::expires_in(Duration::from_secs(3600))?))?;
            let ranges = (0..object.size).step_by(RANGE_BYTES as usize).map(|start| start..(start + RANGE_BYTES).min(object.size));
            parts.extend(ranges.map(|range| Part { key: object.key.clone(), url: signed.uri().into(), range }));
        }
    }
}

/// Does `work` for each of `parts` in `threads` threads, each with a value of its own that `begin` makes.
fn timed<T>(
    threads: usize,
    parts: &[Part],
    begin: impl Fn() -> T + Sync,
    work: impl Fn(&mut T, &Part) -> Result<()> + Sync,
) -> Result<Duration> {
    let next = AtomicUsize::new(0);
    let started = Instant::now();
    let run = || {
        let mut own = begin();
        while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
            work(&mut own, part)?;
        }
        Ok::<_, Box<dyn Error + Send + Sync>>(())
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        running.into_iter().try_for_each(|thread| thread.join().expect("a thread of the bench does not panic"))
    })?;
    Ok(started.elapsed())
}

/// One request over a socket that is kept open.
fn ask(kept: &mut Option<BufReader<TcpStream>>, part: &Part) -> Result<()> {
    let rest = part.url.strip_prefix("http://").ok_or("bare requests are for plain HTTP")?;
    let (host, path) = rest.split_at(rest.find('/').ok_or("a URL without a path")?);
    let mut socket = match kept.take() {
        Some(socket) => socket,
        None => BufReader::with_capacity(256 << 10, TcpStream::connect(host)?),
    };
    let mut is_kept = true;
    let (start, last) = (part.range.start, part.range.end - 1);
    socket.get_mut().write_all(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nRange: bytes={start}-{last}\r\n\r\n").as_bytes())?;
    let mut line = String::new();
    socket.read_line(&mut line)?;
    if !line.starts_with("HTTP/1.1 206") {
        return Err(format!("{} {start}-{last}: the endpoint answers {line:?}", part.key).into());
    }
    let mut left = 0;
    loop {
        line.clear();
        socket.read_line(&mut line)?;
        match line.trim_end().to_ascii_lowercase().split_once(": ") {
            Some(("content-length", len)) => left = len.parse::<u64>()?,
            Some(("connection", "close")) => is_kept = false,
            Some(_) => {}
            None => break,
        }
    }
    let mut buffer = vec![0; 256 << 10];
    while left > 0 {
        let wanted = usize::try_from(left)?.min(buffer.len());
        socket.read_exact(&mut buffer[..wanted])?;
        left -= wanted as u64;
    }
    *kept = is_kept.then_some(socket);
    Ok(())
}
