//! The ledger program (`tests/faults/ledger`): eight producers and two groups that keep account of what was promised, as a test drives it.

use std::{
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

use crate::clients;

/// How long a commit may be waited for, and the final reading may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The running program.
pub struct Ledger {
    child: Child,
    input: Option<ChildStdin>,
    commits: Arc<Commits>,
    reader: Option<std::thread::JoinHandle<String>>,
}

/// Commits under way, as the program prints them.
#[derive(Default)]
struct Commits {
    under_way: Mutex<usize>,
    changed: Condvar,
}

/// What the program found at the end.
pub struct Verdict {
    /// Whether every promise was kept.
    pub is_kept: bool,
    /// What it printed.
    pub text: String,
}

impl Ledger {
    /// The program: `tests/clients/setup` builds it.
    #[must_use]
    pub fn program() -> PathBuf {
        clients::cache().join("ledger")
    }

    /// Starts it against a broker.
    ///
    /// # Panics
    /// Where it was not built: run `tests/clients/setup`.
    #[must_use]
    pub fn start(bootstrap: &str) -> Self {
        Self::start_as(Command::new(Self::program()).arg(bootstrap))
    }

    /// Starts it by a command of the test's own.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[must_use]
    pub fn start_as(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the ledger starts");
        let commits = Arc::new(Commits::default());
        let lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let counted = Arc::clone(&commits);
        let reader = std::thread::spawn(move || {
            let mut rest = String::new();
            for line in lines.map_while(Result::ok) {
                match line.as_str() {
                    "committing" => counted.add(1),
                    "settled" => counted.add(-1),
                    _ => rest = rest + &line + "\n",
                }
            }
            rest
        });
        Self { input: child.stdin.take(), child, commits, reader: Some(reader) }
    }

    /// Returns when `duration` has passed.
    ///
    /// # Panics
    /// Where the ledger ends meanwhile.
    pub fn run_for(&mut self, duration: Duration) {
        let until = Instant::now() + duration;
        while Instant::now() < until {
            assert!(self.child.try_wait().expect("the ledger can be asked").is_none(), "the ledger ended: {}", self.errors());
            std::thread::park_timeout(until.saturating_duration_since(Instant::now()));
        }
    }

    /// Returns when a producer has asked to commit and has no answer.
    ///
    /// # Panics
    /// Where none does for a minute.
    pub fn wait_for_commit(&self) {
        let under_way = self.commits.under_way.lock().expect("nobody panics with it");
        let (_under_way, timeout) =
            self.commits.changed.wait_timeout_while(under_way, PATIENCE, |under_way| *under_way == 0).expect("nobody panics with it");
        assert!(!timeout.timed_out(), "no producer asked to commit within {PATIENCE:?}");
    }

    /// Whether a producer has asked to commit and has no answer.
    ///
    /// # Panics
    /// Never: nobody panics while counting.
    #[must_use]
    pub fn is_committing(&self) -> bool {
        *self.commits.under_way.lock().expect("nobody panics with it") > 0
    }

    /// Lets it finish, and gives its verdict.
    ///
    /// # Panics
    /// Where it cannot be waited for.
    #[must_use]
    pub fn finish(mut self) -> Verdict {
        drop(self.input.take());
        let status = self.child.wait().expect("the ledger can be waited for");
        let text = self.reader.take().and_then(|reader| reader.join().ok()).unwrap_or_default();
        Verdict { is_kept: status.success(), text: text + &self.errors() }
    }

    fn errors(&mut self) -> String {
        let mut text = String::new();
        if let Some(stderr) = self.child.stderr.as_mut() {
            let _ = stderr.read_to_string(&mut text);
        }
        text
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Commits {
    fn add(&self, change: isize) {
        let mut under_way = self.under_way.lock().expect("nobody panics with it");
        *under_way = under_way.checked_add_signed(change).expect("what is settled was begun");
        self.changed.notify_all();
    }
}
