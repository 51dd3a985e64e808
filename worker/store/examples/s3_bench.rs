//! What a bucket gives through [`S3Store`], beside what its endpoint gives to bare sockets.
//!
//! ```sh
//! cargo run --release -p streamwright-store --features s3 --example s3_bench -- http://127.0.0.1:9000 BUCKET
//! ```
//! Credentials come from the environment. The bare requests are presigned and go over plain HTTP with connections kept open,
//! as many as the store has threads; nothing but the socket is between them and the endpoint. Objects lie under `bench/` and are deleted.

use aws_sdk_s3::{Client, config::BehaviorVersion, config::Region, presigning::PresigningConfig};
use bytes::Bytes;
use std::{
    error::Error,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};
use streamwright_store::{Body, Key, ObjectStore, S3Config, S3Store, WriteIds};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// A kind of load.
struct Load {
    name: &'static str,
    bytes: usize,
    objects: usize,
    reads: usize,
    threads: usize,
}

const LOADS: [Load; 4] = [
    Load { name: "8 MiB, 1 at once", bytes: 8 << 20, objects: 24, reads: 48, threads: 1 },
    Load { name: "8 MiB, 8 at once", bytes: 8 << 20, objects: 48, reads: 128, threads: 8 },
    Load { name: "256 KiB, 8 at once", bytes: 256 << 10, objects: 400, reads: 1500, threads: 8 },
    Load { name: "4 KiB, 16 at once", bytes: 4 << 10, objects: 1000, reads: 4000, threads: 16 },
];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [endpoint, bucket] = arguments.as_slice() else { return Err("s3_bench http://HOST:PORT BUCKET".into()) };
    let config = S3Config { endpoint: Some(endpoint.clone()), force_path_style: true, ..S3Config::of_bucket(bucket) };
    let bench = Bench { store: S3Store::open(config)?, urls: Urls::new(endpoint, bucket)?, ids: WriteIds::random() };
    println!("{:<20} {:>6} {:>12} {:>12} {:>10} {:>10} {:>6}", "", "", "store MB/s", "bare MB/s", "store 1/s", "bare 1/s", "ratio");
    LOADS.iter().try_for_each(|load| bench.run(load))
}

struct Bench {
    store: S3Store,
    urls: Urls,
    ids: WriteIds,
}

impl Bench {
    fn run(&self, load: &Load) -> Result<()> {
        let bytes: Bytes = (0..load.bytes).map(|index| (index % 251) as u8).collect::<Vec<_>>().into();
        let key = |kind: &str, number: usize| Key::new(format!("bench/{kind}/{number}"));
        let puts = self.urls.of(load, true)?;
        let store = timed(load.threads, load.objects, |number| {
            self.store.put_if_absent(&key("store", number)?, Body::from(bytes.clone()), self.ids.next()).map(drop).map_err(Into::into)
        })?;
        let sockets = bare(load.threads, &puts, Some(&bytes))?;
        report(load, "put", load.objects, store, sockets);

        let gets: Vec<String> = self.urls.of(load, false)?.into_iter().cycle().take(load.reads).collect();
        let warm = self.store.get(&key("store", 0)?)?;
        assert!(warm.bytes == bytes, "what is read is what was put");
        let store = timed(load.threads, load.reads, |number| {
            let got = self.store.get_range(&key("store", number % load.objects)?, 0..load.bytes as u64)?;
            if got.len() == load.bytes { Ok(()) } else { Err("a short read".into()) }
        })?;
        let sockets = bare(load.threads, &gets, None)?;
        report(load, "get", load.reads, store, sockets);
        let all = ["store", "bare"].iter().flat_map(|kind| (0..load.objects).map(move |number| key(kind, number)));
        self.store.delete_all(&all.collect::<std::result::Result<Vec<_>, _>>()?)?;
        Ok(())
    }
}

fn report(load: &Load, what: &str, requests: usize, store: Duration, bare: Duration) {
    let rate = |time: Duration| requests as f64 / time.as_secs_f64();
    let megabytes = |time| rate(time) * load.bytes as f64 / 1e6;
    let ratio = bare.as_secs_f64() / store.as_secs_f64();
    println!(
        "{:<20} {what:>6} {:>12.1} {:>12.1} {:>10.0} {:>10.0} {ratio:>6.2}",
        load.name,
        megabytes(store),
        megabytes(bare),
        rate(store),
        rate(bare)
    );
}

/// Runs `work` for `0..count` in `threads` threads.
fn timed(threads: usize, count: usize, work: impl Fn(usize) -> Result<()> + Sync) -> Result<Duration> {
    let next = AtomicUsize::new(0);
    let started = Instant::now();
    std::thread::scope(|scope| {
        let (next, work) = (&next, &work);
        let run = || {
            scope.spawn(move || {
                loop {
                    match next.fetch_add(1, Ordering::Relaxed) {
                        number if number < count => work(number)?,
                        _ => return Ok::<_, Box<dyn Error + Send + Sync>>(()),
                    }
                }
            })
        };
        let running: Vec<_> = (0..threads).map(|_| run()).collect();
        running.into_iter().try_for_each(|thread| thread.join().expect("a thread of the bench does not panic"))
    })?;
    Ok(started.elapsed())
}

/// The same requests over bare sockets, one kept open by each thread.
fn bare(threads: usize, urls: &[String], body: Option<&Bytes>) -> Result<Duration> {
    let next = AtomicUsize::new(0);
    let started = Instant::now();
    std::thread::scope(|scope| {
        let next = &next;
        let run = || {
            scope.spawn(move || {
                let mut socket = None;
                while let Some(url) = urls.get(next.fetch_add(1, Ordering::Relaxed)) {
                    socket = Some(exchange(socket, url, body)?);
                }
                Ok::<_, Box<dyn Error + Send + Sync>>(())
            })
        };
        let running: Vec<_> = (0..threads).map(|_| run()).collect();
        running.into_iter().try_for_each(|thread| thread.join().expect("a thread of the bench does not panic"))
    })?;
    Ok(started.elapsed())
}

/// One request and its answer; gives back the connection.
fn exchange(socket: Option<BufReader<TcpStream>>, url: &str, body: Option<&Bytes>) -> Result<BufReader<TcpStream>> {
    let (host, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).ok_or("not an http:// endpoint")?;
    let mut socket = match socket {
        Some(socket) => socket,
        None => {
            let socket = TcpStream::connect(host)?;
            socket.set_nodelay(true)?;
            BufReader::with_capacity(256 << 10, socket)
        }
    };
    let method = if body.is_some() { "PUT" } else { "GET" };
    let len = body.map_or(0, Bytes::len);
    let head = format!("{method} /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len}\r\n\r\n");
    socket.get_mut().write_all(head.as_bytes())?;
    if let Some(body) = body {
        socket.get_mut().write_all(body)?;
    }
    let (mut line, mut answered) = (String::new(), 0_u64);
    socket.read_line(&mut line)?;
    if !line.starts_with("HTTP/1.1 200") {
        return Err(format!("{method} was answered with {line}").into());
    }
    loop {
        line.clear();
        socket.read_line(&mut line)?;
        match line.trim_end().to_ascii_lowercase().split_once(": ") {
            Some(("content-length", len)) => answered = len.parse()?,
            Some(_) => {}
            None => break,
        }
    }
    let mut buffer = vec![0; 256 << 10];
    while answered > 0 {
        let wanted = usize::try_from(answered)?.min(buffer.len());
        socket.read_exact(&mut buffer[..wanted])?;
        answered -= wanted as u64;
    }
    Ok(socket)
}

/// Makes presigned URLs.
struct Urls {
    runtime: tokio::runtime::Runtime,
    client: Client,
    bucket: String,
}

impl Urls {
    fn new(endpoint: &str, bucket: &str) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let config = runtime.block_on(aws_config::defaults(BehaviorVersion::latest()).region(Region::new("us-east-1")).load());
        let config = aws_sdk_s3::config::Builder::from(&config).endpoint_url(endpoint).force_path_style(true).build();
        Ok(Self { runtime, client: Client::from_conf(config), bucket: bucket.into() })
    }

    fn of(&self, load: &Load, is_put: bool) -> Result<Vec<String>> {
        let hour = PresigningConfig::expires_in(Duration::from_secs(3600))?;
        let url = |number: usize| -> Result<String> {
            let key = format!("bench/bare/{number}");
            let signed = if is_put {
                self.runtime.block_on(self.client.put_object().bucket(&self.bucket).key(key).presigned(hour.clone()))?
            } else {
                self.runtime.block_on(self.client.get_object().bucket(&self.bucket).key(key).presigned(hour.clone()))?
            };
            Ok(signed.uri().into())
        };
        (0..load.objects).map(url).collect()
    }
}
