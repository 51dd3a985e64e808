//! A process that writes into the folder, what it leaves when it dies, and who cleans up.

use super::{
    direct, durable,
    header::Header,
    path::{Paths, lock},
};
use crate::{Body, Key, WriteIds};
use std::{
    collections::HashSet,
    fs::{self, File, TryLockError},
    io::{self, IoSlice, Write},
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

const FORMAT: &str = "streamwright objects 1\n";

/// One opening of the store: a folder of its own for what is not yet published, and a lock that says that it lives.
#[derive(Debug)]
pub(super) struct Writer {
    folder: PathBuf,
    next_file: AtomicU64,
    noted_empty: Mutex<HashSet<PathBuf>>,
    _alive: File,
}

/// A file that is written and synced, to be published by link or rename; its own name goes when this is dropped.
#[derive(Debug)]
pub(super) struct Written(PathBuf);

impl Written {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        // A rename has taken the name already, and a name that stays is removed by the next process to open the store.
        let _ = fs::remove_file(&self.0);
    }
}

impl Writer {
    /// Makes the store's folder where it is missing, cleans up after writers that died, and becomes a writer.
    pub(super) fn open(paths: &Paths) -> io::Result<Self> {
        fs::create_dir_all(paths.root())?;
        let _opening = lock(&paths.open_lock())?;
        check_format(paths)?;
        for folder in [paths.objects(), &paths.writers(), &paths.locks()] {
            fs::create_dir_all(folder)?;
        }
        durable::sync(paths.root())?;
        let others_live = remove_dead(&paths.writers())?;
        if !others_live {
            remove_emptied(paths)?;
        }
        let nonce = (WriteIds::random().next().0 >> 64) as u64;
        let folder = paths.writers().join(format!("{}-{nonce:016x}", std::process::id()));
        fs::create_dir(&folder)?;
        let alive = lock(&folder.join("lock"))?;
        Ok(Self { folder, next_file: AtomicU64::new(0), noted_empty: Mutex::default(), _alive: alive })
    }

    /// Writes a file of `header` and `body` and syncs it.
    pub(super) fn write(&self, header: &Header, body: &Body) -> io::Result<Written> {
        let name = self.next_file.fetch_add(1, Ordering::Relaxed).to_string();
        let written = Written(self.folder.join(name));
        let mut file = File::create_new(written.path())?;
        let header = header.encode();
        let slices: Vec<&[u8]> = std::iter::once(&header[..]).chain(body.pieces().iter().map(|piece| &piece[..])).collect();
        if !direct::is_large(body.len()) || !direct::write(written.path(), &slices)? {
            write_all(&mut file, &mut slices.into_iter().map(IoSlice::new).collect::<Vec<_>>())?;
        }
        file.sync_all()?;
        Ok(written)
    }

    /// Notes for a later process that `folder` holds nothing, where so.
    pub(super) fn note_if_empty(&self, paths: &Paths, folder: &Path) -> io::Result<()> {
        let Ok(relative) = folder.strip_prefix(paths.objects()) else { return Ok(()) };
        if relative.as_os_str().is_empty() || fs::read_dir(folder)?.next().is_some() {
            return Ok(());
        }
        let is_new = self.noted_empty.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(relative.to_owned());
        if is_new {
            let mut notes = File::options().create(true).append(true).open(paths.emptied())?;
            notes.write_all(format!("{}\n", relative.display()).as_bytes())?;
        }
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next process to open the store.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn write_all(file: &mut File, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    while !slices.is_empty() {
        match file.write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut slices, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads the format of an existing store, or makes that of a new one: first of all, so that a folder with objects has it.
fn check_format(paths: &Paths) -> io::Result<()> {
    match fs::read_to_string(paths.format()) {
        Ok(format) if format == FORMAT => Ok(()),
        Ok(other) => Err(io::Error::other(format!("format {:?} is not one that this version reads", other.trim_end()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound && paths.objects().exists() => {
            Err(io::Error::other("has objects but no file named format; it is not an object store"))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let new = paths.root().join("format.new");
            let mut file = File::create(&new)?;
            file.write_all(FORMAT.as_bytes())?;
            file.sync_all()?;
            fs::rename(new, paths.format())
        }
        Err(error) => Err(error),
    }
}

/// Removes the folders of writers that died; says whether one lives. A writer makes its folder and takes its lock while the
/// store's opening is locked, as it is now, so a folder whose lock is free or missing has no owner.
fn remove_dead(writers: &Path) -> io::Result<bool> {
    let mut others_live = false;
    for entry in fs::read_dir(writers)? {
        let folder = entry?.path();
        let lock = File::options().append(true).open(folder.join("lock"));
        if matches!(&lock, Ok(lock) if matches!(lock.try_lock(), Err(TryLockError::WouldBlock))) {
            others_live = true;
        } else {
            absent_is_fine(fs::remove_dir_all(&folder))?;
        }
    }
    Ok(others_live)
}

/// Removes the noted folders that are still empty, and those above them that this empties.
fn remove_emptied(paths: &Paths) -> io::Result<()> {
    let Ok(notes) = fs::read(paths.emptied()) else { return Ok(()) };
    for folder in String::from_utf8_lossy(&notes).lines().filter_map(|line| Key::new(line).ok()) {
        let path = paths.objects().join(folder.as_str());
        for folder in path.ancestors().take_while(|ancestor| *ancestor != paths.objects()) {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
    }
    absent_is_fine(fs::remove_file(paths.emptied()))
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
