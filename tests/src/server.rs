//! A `streamwright dev` process of the test's own: started on a free port, killed when the test wants it, gone when the test ends.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

/// How long a start, a stop or a status may take before the test gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The binary under test: beside the test's own executable, where cargo puts it.
///
/// # Panics
/// Where it was not built: `cargo build --workspace` first.
#[must_use]
pub fn binary() -> PathBuf {
    let own = std::env::current_exe().expect("a test knows its executable");
    let folder = own.parent().and_then(Path::parent).expect("a test lies in target/PROFILE/deps");
    let binary = folder.join("streamwright");
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
}

impl Server {
    /// Starts on the manifests below `manifests`, with its data in `data`, on a free loopback port, and waits until it serves.
    ///
    /// # Panics
    /// Where it does not come up within [`PATIENCE`].
    #[must_use]
    pub fn start(manifests: &Path, data: &Path) -> Self {
        Self::start_at(manifests, data, "127.0.0.1:0")
    }

    fn start_at(manifests: &Path, data: &Path, listen: &str) -> Self {
        let mut child = Command::new(binary())
            .arg("dev")
            .arg(manifests)
            .args(["--listen", listen, "--data-dir"])
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(std::fs::File::options().create(true).append(true).open(data.with_extension("log")).expect("the log file opens"))
            .spawn()
            .expect("streamwright starts");
        let lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let bootstrap = wait_until_serving(lines).unwrap_or_else(|reason| {
            let _ = child.kill();
            panic!("{reason}; its log: {}", std::fs::read_to_string(data.with_extension("log")).unwrap_or_default())
        });
        Self { child, bootstrap, manifests: manifests.into(), data: data.into() }
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
            let status = std::fs::read(self.data.join("status.json")).ok().and_then(|text| serde_json::from_slice(&text).ok());
            match status {
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
