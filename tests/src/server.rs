//! A `streamwright dev` process of the test's own: started on a free port, killed when the test wants it, gone when the test ends.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

/// How long a start, a stop or a status may take before the test gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A binary of the workspace: beside the test's own executable, where cargo puts it.
///
/// # Panics
/// Where it was not built: `cargo build --workspace` first.
#[must_use]
pub fn built(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a test knows its executable");
    let folder = own.parent().and_then(Path::parent).expect("a test lies in target/PROFILE/deps");
    let binary = folder.join(name);
    assert!(binary.is_file(), "{} is not built: run cargo build --workspace first", binary.display());
    binary
}

/// A running `streamwright dev`.
pub struct Server {
    child: Child,
    /// `host:port` of its Kafka listener.
    pub bootstrap: String,
    manifests: PathBuf,
    data: PathBuf,
    commits: Arc<Commits>,
}

/// Commits of pipelines whose records are written and that have not ended, as the log says.
#[derive(Default)]
struct Commits {
    under_way: Mutex<BTreeSet<String>>,
    changed: Condvar,
}

impl Commits {
    fn note(&self, line: &str) {
        let written = line.contains("a commit's records are written");
        if !written && !line.contains("a commit has ended") {
            return;
        }
        let id = line.split_whitespace().find(|word| word.contains("id=")).unwrap_or_default().to_owned();
        let mut under_way = self.under_way.lock().expect("nobody panics with it");
        let _ = if written { under_way.insert(id) } else { under_way.remove(&id) };
        self.changed.notify_all();
    }
}

/// A loopback address that nobody listens on, below the ports that the system gives to outgoing connections: while a killed server is away,
/// one of those could take the server's own port, even by being connected to itself.
fn free_address() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(131);
    let ports = (0..PORTS).map(|_| PORT_MIN + first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % PORTS);
    let mut addresses = ports.map(|port| format!("127.0.0.1:{port}"));
    addresses.find(|address| TcpListener::bind(address).is_ok()).expect("one of many ports is free")
}

const PORT_MIN: u32 = 12_000;
const PORTS: u32 = 20_000;

impl Server {
    /// Starts on the manifests below `manifests`, with its data in `data`, on a free loopback port, and waits until it serves.
    ///
    /// # Panics
    /// Where it does not come up within [`PATIENCE`].
    #[must_use]
    pub fn start(manifests: &Path, data: &Path) -> Self {
        Self::start_at(manifests, data, &free_address())
    }

    /// The same, on this address.
    ///
    /// # Panics
    /// Where it does not come up within [`PATIENCE`].
    #[must_use]
    pub fn start_at(manifests: &Path, data: &Path, listen: &str) -> Self {
        let mut child = Command::new(built("streamwright"))
            .arg("dev")
            .arg(manifests)
            .args(["--listen", listen, "--data-dir"])
            .arg(data)
            .env("RUST_LOG", "info,streamwright_pipeline::sender=debug")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("streamwright starts");
        let commits = Arc::new(Commits::default());
        let log = std::fs::File::options().create(true).append(true).open(data.with_extension("log")).expect("the log file opens");
        keep_log(child.stderr.take().expect("stderr is piped"), log, Arc::clone(&commits));
        let lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let bootstrap = wait_until_serving(lines).unwrap_or_else(|reason| {
            let _ = child.kill();
            panic!("{reason}; its log: {}", std::fs::read_to_string(data.with_extension("log")).unwrap_or_default())
        });
        Self { child, bootstrap, manifests: manifests.into(), data: data.into(), commits }
    }

    /// SIGKILL, and a start on the same data and port.
    #[must_use]
    pub fn kill_and_restart(mut self) -> Self {
        self.kill();
        Self::start_at(&self.manifests, &self.data, &self.bootstrap)
    }

    /// SIGKILL; returns when the process is gone.
    ///
    /// # Panics
    /// Where it cannot be waited for.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        self.child.wait().expect("a killed child can be waited for");
    }

    /// Lets it run for so long.
    ///
    /// # Panics
    /// Where it ends by itself.
    pub fn run_for(&mut self, duration: Duration) {
        let until = Instant::now() + duration;
        while Instant::now() < until {
            assert!(self.child.try_wait().expect("a child can be asked").is_none(), "streamwright ended by itself");
            std::thread::park_timeout(until.saturating_duration_since(Instant::now()));
        }
    }

    /// Returns when a pipeline has written the records of a commit and has not ended it; or after a second without commits.
    ///
    /// # Panics
    /// Never: nobody panics while noting commits.
    pub fn wait_for_commit(&self) {
        let under_way = self.commits.under_way.lock().expect("nobody panics with it");
        let wait = self.commits.changed.wait_timeout_while(under_way, Duration::from_secs(1), |under_way| under_way.is_empty());
        drop(wait.expect("nobody panics with it"));
    }

    /// Whether a commit was between its records and its end when the process was last heard of.
    ///
    /// # Panics
    /// Never: nobody panics while noting commits.
    #[must_use]
    pub fn was_committing(&self) -> bool {
        !self.commits.under_way.lock().expect("nobody panics with it").is_empty()
    }

    /// The newest `status.json`; `None` before the first.
    #[must_use]
    pub fn status(&self) -> Option<serde_json::Value> {
        std::fs::read(self.data.join("status.json")).ok().and_then(|text| serde_json::from_slice(&text).ok())
    }

    /// Process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The newest `status.json`, once it satisfies `wanted`.
    ///
    /// # Panics
    /// Where it does not within `patience`.
    #[must_use]
    pub fn wait_for_status(&self, patience: Duration, wanted: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        let until = Instant::now() + patience;
        loop {
            match self.status() {
                Some(status) if wanted(&status) => return status,
                status if Instant::now() > until => panic!("status did not get there within {patience:?}: {status:#?}"),
                _ => std::thread::park_timeout(Duration::from_millis(50)),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Copies the log to its file, line by line, and notes commits.
fn keep_log(stderr: std::process::ChildStderr, mut file: std::fs::File, commits: Arc<Commits>) {
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            commits.note(&line);
            let _ = writeln!(file, "{line}");
        }
    });
}

/// Reads the front matter until the line `try …`, and gives the address after `kafka`. A thread goes on reading, so that the pipe never fills.
fn wait_until_serving(lines: impl Iterator<Item = std::io::Result<String>> + Send + 'static) -> Result<String, String> {
    let (found, wanted) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bootstrap = None;
        for line in lines.map_while(Result::ok) {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("kafka") => bootstrap = words.next().map(String::from),
                Some("try") => drop(found.send(bootstrap.take())),
                _ => {}
            }
        }
    });
    match wanted.recv_timeout(PATIENCE) {
        Ok(Some(bootstrap)) => Ok(bootstrap),
        Ok(None) => Err("streamwright named no kafka address".into()),
        Err(reason) => Err(format!("streamwright did not serve: {reason}")),
    }
}
