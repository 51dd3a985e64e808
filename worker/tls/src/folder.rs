//! A folder that is read again when its files change; what cannot be used changes nothing.

use std::{
    fmt, fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    TlsError,
    material::{CA, CERTIFICATE, KEY},
};

/// The files are looked at no more often than this.
const LOOK_EVERY: Duration = Duration::from_secs(1);

type Build<T> = Box<dyn Fn(&Path) -> Result<T, TlsError> + Send + Sync>;

/// What `build` makes of a folder, kept as new as the folder.
pub(crate) struct Folder<T> {
    path: PathBuf,
    build: Build<T>,
    state: Mutex<State<T>>,
}

struct State<T> {
    looked: Instant,
    seen: Marks,
    current: Arc<T>,
    problem: Option<String>,
}

/// Inode, size and time of each file: another one of these is another file. A Secret's update swaps a link, so inodes change.
type Marks = [Option<(u64, u64, i64, i64)>; 3];

impl<T> Folder<T> {
    /// Reads the folder.
    ///
    /// # Errors
    /// Where it cannot be used: there is nothing to fall back on yet.
    pub(crate) fn open(path: &Path, build: Build<T>) -> Result<Self, TlsError> {
        // Marked before it is read: what changes between the two is read again.
        let seen = marks(path);
        let current = Arc::new(build(path)?);
        let state = State { looked: Instant::now(), seen, current, problem: None };
        Ok(Self { path: path.to_owned(), build, state: Mutex::new(state) })
    }

    /// The newest that could be used.
    pub(crate) fn current(&self) -> Arc<T> {
        Arc::clone(&self.look().current)
    }

    /// Why the files that are there now are not used; `None` where they are.
    pub(crate) fn problem(&self) -> Option<String> {
        self.look().problem.clone()
    }

    fn look(&self) -> std::sync::MutexGuard<'_, State<T>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked.elapsed() < LOOK_EVERY {
            return state;
        }
        state.looked = Instant::now();
        let seen = marks(&self.path);
        if seen == state.seen {
            state.problem = None;
            return state;
        }
        match (self.build)(&self.path) {
            Ok(new) => {
                tracing::info!(folder = %self.path.display(), "certificates were replaced; connections from now on use the new ones");
                (state.seen, state.current, state.problem) = (seen, Arc::new(new), None);
            }
            // Not marked as seen: it may be half of an update, and is read again with the next look.
            Err(error) => {
                let problem = error.to_string();
                if state.problem.as_ref() != Some(&problem) {
                    tracing::error!("{problem}; the certificates in use stay in use");
                }
                state.problem = Some(problem);
            }
        }
        state
    }
}

impl<T> fmt::Debug for Folder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Folder").field("path", &self.path).finish_non_exhaustive()
    }
}

fn marks(folder: &Path) -> Marks {
    [CA, CERTIFICATE, KEY].map(|name| {
        let metadata = fs::metadata(folder.join(name)).ok()?;
        Some((metadata.ino(), metadata.size(), metadata.mtime(), metadata.mtime_nsec()))
    })
}
