//! Servers that are not ours: moto (Python, in memory) and versitygw (Go, files). `tests/s3/setup` brings them.
//!
//! They say what S3 answers, and neither arbitrates as it comes: moto 5.2.5 and versitygw 1.7.0 check a condition and then write without
//! a lock (seen here: two increments of 200 lost, three winners of eight). So moto answers one caller only, and versitygw
//! does one thing at a time, which makes its conditional puts atomic; as it comes, the probe refuses it.

use crate::kit::{key, limits};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};
use store::{
    Body, ObjectStore, ProbeError, S3Config, S3Credentials, S3Limits, S3Store, WriteIds,
    conformance::{conforms_alone, conforms_without_nesting},
    probe,
};

/// A server of its own process; killed when dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program that `tests/s3/setup` put into the cache.
fn program(name: &str) -> PathBuf {
    let cache = std::env::var("STREAMWRIGHT_CACHE").unwrap_or_else(|_| format!("{}/.cache/streamwright", std::env::var("HOME").unwrap()));
    let path = PathBuf::from(cache).join("s3").join(name);
    assert!(path.is_file(), "{} is missing: run tests/s3/setup", path.display());
    path
}

fn store_at(endpoint: String, change: impl FnOnce(&mut S3Limits)) -> S3Store {
    let mut config = S3Config {
        prefix: "main".into(),
        endpoint: Some(endpoint),
        force_path_style: true,
        credentials: S3Credentials::Keys {
            access_key_id: "AKIATESTTESTTESTTEST".into(),
            secret_access_key: "test-secret-test-secret".into(),
        },
        limits: S3Limits { stall_timeout: Duration::from_secs(30), ..limits() },
        ..S3Config::of_bucket("streams")
    };
    change(&mut config.limits);
    S3Store::open(config).unwrap()
}

/// Puts a large body and replaces it. `parts_sent` is how many a large one goes in: moto 5.2 does not
/// hold the condition of a multipart upload's last step, so there they go whole.
fn takes_large_bodies(endpoint: &str, parts_sent: Option<&str>) {
    let parts = store_at(endpoint.into(), |limits| {
        limits.multipart_above_bytes = 6 << 20;
        limits.part_bytes = 5 << 20; // the least that S3 takes
    });
    let (large, ids) = (Body::from(vec![7; 11 << 20]), WriteIds::random());
    let made = parts.put_if_absent(&key("large"), large.clone(), ids.next()).unwrap();
    assert_eq!(made.as_str().split_once('-').map(|(_, parts)| parts), parts_sent, "{made}");
    let object = parts.get(&key("large")).unwrap();
    assert!(object.version == made && object.bytes == large.to_bytes());
    parts.put_if_absent(&key("large"), large.clone(), ids.next()).unwrap_err();
    let replaced = parts.put_if_match(&key("large"), Body::from(vec![8; 11 << 20]), &made, ids.next()).unwrap();
    parts.put_if_match(&key("large"), large, &made, ids.next()).unwrap_err();
    assert_eq!(parts.head(&key("large")).unwrap().unwrap().version, replaced);
    parts.delete_all(&[key("large"), key("absent")]).unwrap();
    assert_eq!(parts.abort_stale_uploads(Duration::ZERO).unwrap(), 0, "nothing was left");
}

#[test]
fn moto_conforms_for_one_caller() {
    let mut child = Command::new(program("venv/bin/moto_server"))
        .args(["-H", "127.0.0.1", "-p", "0"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let _process = Process(child);
    let address = lines
        .find_map(|line| line.split_once("Running on http://").map(|(_, address)| address.trim().to_owned()))
        .expect("moto says where it runs");
    // Its log goes on; a pipe that nobody reads would stop it.
    std::thread::spawn(move || lines.for_each(drop));
    let mut connection = TcpStream::connect(&address).unwrap();
    write!(connection, "PUT /streams HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let endpoint = format!("http://{address}");
    conforms_alone(&store_at(endpoint.clone(), |_| {}), &key("conformance/run-1"));
    takes_large_bodies(&endpoint, None);
}

/// versitygw on a folder of its own.
struct Versitygw {
    _process: Process,
    _root: tempfile::TempDir,
    endpoint: String,
}

impl Versitygw {
    /// Starts it; `concurrency` is how many things it does at once.
    fn start(concurrency: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        for folder in ["objects/streams", "sidecar"] {
            std::fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        // It cannot be asked for a free port. Between this and its start somebody may take the port; then it says so and fails.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(program("bin/versitygw"))
            .args(["--access", "AKIATESTTESTTESTTEST", "--secret", "test-secret-test-secret", "--region", "us-east-1"])
            .args(["--port", &format!("127.0.0.1:{port}"), "--quiet", "posix", "--concurrency", concurrency, "--sidecar"])
            .args([root.path().join("sidecar"), root.path().join("objects")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let endpoint = format!("http://127.0.0.1:{port}");
        // Until it listens, the store's own patience waits.
        let patient = store_at(endpoint.clone(), |limits| limits.attempts_max = 600);
        assert_eq!(patient.head(&key("nothing")).unwrap(), None);
        Self { _process: Process(child), _root: root, endpoint }
    }
}

#[test]
fn versitygw_conforms_where_it_does_one_thing_at_a_time() {
    let versitygw = Versitygw::start("1");
    conforms_without_nesting(&store_at(versitygw.endpoint.clone(), |_| {}), &key("conformance/run-1"));
    takes_large_bodies(&versitygw.endpoint, Some("3"));
}

#[test]
fn versitygw_as_it_comes_is_refused() {
    let versitygw = Versitygw::start("5000");
    let store = store_at(versitygw.endpoint.clone(), |_| {});
    // A race may go well by chance; ten times eight do not.
    let refused = (0..10).filter(|_| matches!(probe(&store, &key("probe")), Err(ProbeError::DoesNotArbitrate { .. }))).count();
    println!("refused {refused} of 10 times");
    assert!(refused > 0);
}
