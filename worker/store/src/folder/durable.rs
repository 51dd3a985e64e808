//! Folders that survive the loss of power: a new folder is an entry of its parent, which must be synced too.

use std::{
    collections::HashSet,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

/// The folders that this process knows to be durable. Folders are only removed while no other process has the store open,
/// so what was durable stays so.
#[derive(Debug)]
pub(super) struct DurableFolders {
    top: PathBuf,
    known: Mutex<HashSet<PathBuf>>,
    sync_failed: AtomicBool,
}

impl DurableFolders {
    /// `top` exists and is durable.
    pub(super) fn new(top: PathBuf) -> Self {
        Self { top, known: Mutex::default(), sync_failed: AtomicBool::new(false) }
    }

    /// Whether every sync so far has succeeded; an error after one that has not.
    pub(super) fn check(&self) -> io::Result<()> {
        if self.sync_failed.load(Ordering::Acquire) {
            return Err(io::Error::other("an earlier sync failed, what is durable is not known; start anew"));
        }
        Ok(())
    }

    /// Makes `folder`, which lies under the top, and all between; on return they are durable, whoever made them.
    pub(super) fn make(&self, folder: PathBuf) -> io::Result<()> {
        if folder == self.top || self.known().contains(&folder) {
            return Ok(());
        }
        fs::create_dir_all(&folder)?;
        for ancestor in folder.ancestors().skip(1) {
            self.sync(ancestor)?;
            if ancestor == self.top {
                break;
            }
        }
        self.known().insert(folder);
        Ok(())
    }

    /// Makes the names in `folder` durable. An error is final: the kernel may report a failed write only once.
    pub(super) fn sync(&self, folder: &Path) -> io::Result<()> {
        self.check()?;
        let folder = File::open(folder)?;
        let synced = folder.sync_all();
        if synced.is_err() {
            self.sync_failed.store(true, Ordering::Release);
        }
        synced
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashSet<PathBuf>> {
        self.known.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Makes the names in `folder` durable.
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
