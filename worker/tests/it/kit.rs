//! A home with manifests and data, and a `streamwright dev` in it that is gone when the test ends.

use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const TOPIC: &str = "apiVersion: streamwright.dev/v1alpha1
kind: Topic
metadata:
  name: orders
spec:
  partitions: 2
";

/// The binary, told these words.
pub(crate) fn streamwright(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_streamwright"));
    command.args(words).env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// A folder with `manifests/` and, once something ran, `data/`.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        fs::create_dir(home.path().join("manifests")).unwrap();
        files.iter().for_each(|(name, text)| home.write(name, text));
        home
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join("manifests").join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.file(name), text).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.file(name)).unwrap();
    }

    /// `streamwright dev manifests --data-dir data --listen …` with more words, in this home.
    pub(crate) fn dev(&self, more: &[&str]) -> Command {
        let mut command = streamwright(&["dev", "manifests", "--data-dir", "data"]);
        command.args(more).current_dir(self.path());
        command
    }

    pub(crate) fn run(&self, more: &[&str]) -> Output {
        self.dev(more).output().unwrap()
    }

    /// Starts on a free port and waits for the line that says that it serves.
    pub(crate) fn start(&self) -> Dev {
        let mut child =
            self.dev(&["--listen", "127.0.0.1:0"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (front, log) = (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
        let stdin = child.stdin.take();
        let mut dev = Dev { child, front: Vec::new(), log, said: Vec::new(), data: self.path().join("data"), _stdin: stdin };
        loop {
            match front.recv_timeout(PATIENCE) {
                Ok(line) => dev.front.push(line),
                Err(_) => panic!("it does not serve: {:?}, {:?}", dev.front, dev.log.try_iter().collect::<Vec<_>>()),
            }
            if dev.front.last().is_some_and(|line| line.starts_with("try")) {
                return dev;
            }
        }
    }
}

fn lines(from: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (lines, receiver) = mpsc::channel();
    thread::spawn(move || BufReader::new(from).lines().map_while(Result::ok).all(|line| lines.send(line).is_ok()));
    receiver
}

/// A running process; killed when dropped.
pub(crate) struct Dev {
    child: Child,
    /// What it printed before it served, and the line with which it did.
    pub(crate) front: Vec<String>,
    log: Receiver<String>,
    said: Vec<String>,
    data: PathBuf,
    _stdin: Option<ChildStdin>,
}

impl Dev {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> &str {
        self.front.iter().find_map(|line| line.strip_prefix("kafka")).unwrap().split_whitespace().next().unwrap()
    }

    /// The next log line with these words.
    pub(crate) fn wait_for_line(&mut self, words: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.log.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) if line.contains(words) => return line,
                Ok(line) => self.said.push(line),
                Err(_) => panic!("it does not say {words:?}, but {:#?}", self.said),
            }
        }
    }

    /// `status.json` once it is as wanted.
    pub(crate) fn wait_for_status(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let status: Option<Value> = fs::read(self.data.join("status.json")).ok().and_then(|text| serde_json::from_slice(&text).ok());
            let status = status.filter(|status| status["pid"] == self.pid());
            match status {
                Some(status) if wanted(&status) => return status,
                status if Instant::now() > until => panic!("the status does not get there: {status:#?}, {:#?}", self.said),
                _ => thread::park_timeout(Duration::from_millis(20)),
            }
        }
    }

    /// From now on nobody reads its log.
    pub(crate) fn stop_reading(&mut self) {
        self.log = mpsc::channel().1;
    }

    pub(crate) fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status().unwrap().success());
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.child.try_wait().unwrap() {
                Some(status) => return status,
                None if Instant::now() > until => panic!("it does not end"),
                None => thread::park_timeout(Duration::from_millis(20)),
            }
        }
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The entry of this name among topics, pipelines or objects of a status.
pub(crate) fn named<'a>(status: &'a Value, list: &str, name: &str) -> &'a Value {
    status[list].as_array().into_iter().flatten().find(|one| one["name"] == name).unwrap_or(&Value::Null)
}

/// Status and reason of an object's `Ready`: `True/Available`.
pub(crate) fn ready(status: &Value, name: &str) -> String {
    let conditions = named(status, "objects", name)["conditions"].clone();
    let ready = conditions.as_array().into_iter().flatten().find(|one| one["type"] == "Ready").cloned().unwrap_or_default();
    format!("{}/{}", ready["status"].as_str().unwrap_or_default(), ready["reason"].as_str().unwrap_or_default())
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
