//! The desired state that was applied last, on the volume: so that a broker that restarts while nobody tells it anything serves what it did.
//!
//! ```text
//! desired.json   control::DesiredBroker as it was told
//! ```
//! Replaced as a whole before anything of a new state is done; what a crash leaves is the old file or the new.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use control::DesiredBroker;

use crate::catalogue::FileError;

/// Where it is kept.
#[derive(Debug)]
pub(crate) struct DesiredFile {
    path: PathBuf,
    kept: Mutex<Option<DesiredBroker>>,
}

impl DesiredFile {
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self { path: folder.join("desired.json"), kept: Mutex::default() }
    }

    /// What was kept last; `None` on a new volume. Blocks.
    pub(crate) fn load(&self) -> Result<Option<DesiredBroker>, FileError> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(reason) if reason.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(self.failed("read", source)),
        };
        let malformed =
            |reason: serde_json::Error| FileError::Malformed { path: self.path.display().to_string(), reason: reason.to_string() };
        let desired: DesiredBroker = serde_json::from_slice(&text).map_err(malformed)?;
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(desired.clone());
        Ok(Some(desired))
    }

    /// Keeps `desired`, durable on return, unless it is older than what was kept or `is_news` says that it is none; tells whether it is to
    /// be gone through. Blocks.
    pub(crate) fn keep(&self, desired: &DesiredBroker, is_news: impl FnOnce() -> bool) -> Result<bool, FileError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.as_ref().is_some_and(|kept| kept.generation > desired.generation) || !is_news() {
            return Ok(false);
        }
        if kept.as_ref() != Some(desired) {
            self.replace(&serde_json::to_vec(desired).expect("a desired state is plain data"))?;
            *kept = Some(desired.clone());
        }
        Ok(true)
    }

    fn replace(&self, text: &[u8]) -> Result<(), FileError> {
        let beside = self.path.with_extension("json.new");
        let write = || {
            let mut file = fs::File::create(&beside)?;
            file.write_all(text)?;
            file.sync_all()
        };
        write().inspect_err(|_| drop(fs::remove_file(&beside))).map_err(|source| self.failed("write the successor of", source))?;
        fs::rename(&beside, &self.path).map_err(|source| self.failed("replace", source))?;
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(|source| self.failed("make durable", source))
    }

    fn failed(&self, action: &'static str, source: io::Error) -> FileError {
        FileError::Io { action, path: self.path.display().to_string(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use control::ObjectRef;

    fn desired(generation: u64, auto_create_topics: bool) -> DesiredBroker {
        let cluster = ObjectRef { namespace: "streaming".into(), name: "main".into() };
        DesiredBroker { auto_create_topics, ..DesiredBroker::new(generation, cluster) }
    }

    #[test]
    fn the_newest_is_kept_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = DesiredFile::in_folder(folder.path());
        assert_eq!(file.load().unwrap(), None);
        assert!(file.keep(&desired(2, false), || true).unwrap());
        assert!(!file.keep(&desired(1, true), || true).unwrap(), "an older one");
        assert!(file.keep(&desired(2, true), || true).unwrap(), "the same number again is taken");
        assert!(!file.keep(&desired(3, false), || false).unwrap());
        assert_eq!(DesiredFile::in_folder(folder.path()).load().unwrap(), Some(desired(2, true)));
    }

    #[test]
    fn a_damaged_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("desired.json"), "{").unwrap();
        assert!(DesiredFile::in_folder(folder.path()).load().unwrap_err().to_string().contains("desired.json"));
    }
}
