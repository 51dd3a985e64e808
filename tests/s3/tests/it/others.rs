//! Servers that are not ours: moto (Python, in memory) and versitygw (Go, files). `tests/s3/setup` brings them.

use crate::kit::{key, limits};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};
use store::{Body, ObjectStore, S3Config, S3Credentials, S3Limits, S3Store, WriteIds, conformance::conforms};

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

/// Everything that is asked of a store, with bodies whole and large ones. `parts_sent` is how many a large one goes in: moto 5.2 does not
/// hold the condition of a multipart upload's last step, so there they go whole.
fn put_through(endpoint: &str, parts_sent: Option<&str>) {
    conforms(&store_at(endpoint.into(), |_| {}), &key("conformance/whole"));
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
fn moto_conforms() {
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
    put_through(&format!("http://{address}"), None);
}

#[test]
fn versitygw_conforms() {
    let root = tempfile::tempdir().unwrap();
    for folder in ["objects/streams", "sidecar"] {
        std::fs::create_dir_all(root.path().join(folder)).unwrap();
    }
    // It cannot be asked for a free port. Between this and its start somebody may take the port; then it says so and fails.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let child = Command::new(program("bin/versitygw"))
        .args(["--access", "AKIATESTTESTTESTTEST", "--secret", "test-secret-test-secret", "--region", "us-east-1"])
        .args(["--port", &format!("127.0.0.1:{port}"), "--quiet", "posix", "--sidecar"])
        .arg(root.path().join("sidecar"))
        .arg(root.path().join("objects"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let _process = Process(child);
    let endpoint = format!("http://127.0.0.1:{port}");
    // Until it listens, the store's own patience waits.
    let patient = store_at(endpoint.clone(), |limits| limits.attempts_max = 600);
    assert_eq!(patient.head(&key("nothing")).unwrap(), None);
    put_through(&endpoint, Some("3"));
}
