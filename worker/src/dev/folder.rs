//! The data folder: one process at a time, one format, files that are there whole or not at all.
//!
//! ```text
//! lock           held while a process runs; names its pid
//! format         "1": what this page describes
//! accepted.json  objects as they passed the gate, with uid and status, and what was decided last (`desired::Memory`)
//! status.json    what is, for people and tests (see `status`)
//! objects/       the object store        broker/  the broker's volume: log and catalogue
//! .gitignore     "*"
//! ```

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// Version of the layout above.
const FORMAT: &str = "1";

/// Why the data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    /// Another process has it.
    #[error("{} is in use by process {pid}: stop it, or give another --data-dir", path.display())]
    Taken { path: PathBuf, pid: String },
    /// Another version of the program made it.
    #[error("{} has format {found:?}, this program reads {FORMAT:?}: use the program that made it, or give another --data-dir", path.display())]
    Format { path: PathBuf, found: String },
    /// A file in it is not what this program wrote.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged { path: PathBuf, reason: String },
    /// There is no room.
    #[error("{} cannot be written: the volume is full. Free space on it; what is acknowledged is safe there", path.display())]
    Full { path: PathBuf },
    /// Nothing can be written there.
    #[error("{} cannot be written: the file system is read-only; give another --data-dir", path.display())]
    ReadOnly { path: PathBuf },
    /// The disk says no.
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl FolderError {
    pub(crate) fn io(path: PathBuf, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            _ => Self::Io { path, source },
        }
    }
}

/// A data folder that is ours until this is dropped, or the process ends in whatever way.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Makes the folder if there is none, and takes it.
    ///
    /// # Errors
    /// Where another process has it, or another version made it.
    pub(crate) fn open(path: &Path) -> Result<Self, FolderError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source: io::Error| FolderError::io(path, source)
        };
        fs::create_dir_all(path).map_err(failed(path))?;
        let path = path.canonicalize().map_err(failed(path))?;
        let lock = lock(&path)?;
        let format = path.join("format");
        match fs::read_to_string(&format) {
            Ok(found) if found.trim() == FORMAT => {}
            Ok(found) => return Err(FolderError::Format { path, found: found.trim().chars().take(40).collect() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                write_whole(&path.join(".gitignore"), b"*\n").map_err(failed(&path))?;
                write_whole(&format, format!("{FORMAT}\n").as_bytes()).map_err(failed(&format))?;
            }
            Err(error) => return Err(failed(&format)(error)),
        }
        Ok(Self { path, _lock: lock })
    }

    /// The folder itself, absolute.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A file or folder in it.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file of it: durable on return, and never half there.
    ///
    /// # Errors
    /// Where the disk does not take it; the file is as it was then.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> Result<(), FolderError> {
        let path = self.join(name);
        write_whole(&path, content).map_err(|source| FolderError::io(path, source))
    }

    /// Replaces a file of it: never half there, but perhaps the old one after a power cut.
    ///
    /// # Errors
    /// Where the disk does not take it; the file is as it was then.
    pub(crate) fn replace(&self, name: &str, content: &[u8]) -> Result<(), FolderError> {
        let (path, new) = (self.join(name), self.join(&format!("{name}.new")));
        fs::write(&new, content).and_then(|()| fs::rename(&new, &path)).map_err(|source| {
            // Half a file is of no use, and its bytes may be the last.
            let _ = fs::remove_file(&new);
            FolderError::io(path, source)
        })
    }
}

/// The process that the lock names, whether or not it still runs; `None` where nobody ever had the folder.
pub(crate) fn holder(path: &Path) -> Option<u32> {
    fs::read_to_string(path.join("lock")).ok()?.trim().parse().ok()
}

fn lock(path: &Path) -> Result<File, FolderError> {
    let file_path = path.join("lock");
    let failed = |source| FolderError::io(file_path.clone(), source);
    let mut file = File::options().create(true).read(true).write(true).truncate(false).open(&file_path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let _ = (&file).take(20).read_to_string(&mut pid);
            return Err(FolderError::Taken { path: path.to_owned(), pid: pid.trim().to_owned() });
        }
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(failed)?;
    Ok(file)
}

fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().expect("a file has a name").to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let write = || -> io::Result<()> {
        let mut file = File::create(&new)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    write().inspect_err(|_| drop(fs::remove_file(&new)))?;
    File::open(path.parent().expect("a file lies in a folder"))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_taken_once_and_says_by_whom() {
        let home = tempfile::tempdir().unwrap();
        let taken = DataFolder::open(home.path()).unwrap();
        let refused = DataFolder::open(home.path()).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {}:", std::process::id())), "{refused}");
        drop(taken);
        DataFolder::open(home.path()).unwrap();
    }

    #[test]
    fn what_the_disk_says_is_said_with_what_to_do() {
        let said = |kind: io::ErrorKind| FolderError::io("data/format".into(), kind.into()).to_string();
        assert!(said(io::ErrorKind::StorageFull).contains("data/format cannot be written: the volume is full. Free space"));
        assert!(said(io::ErrorKind::ReadOnlyFilesystem).contains("read-only; give another --data-dir"));
        assert!(said(io::ErrorKind::PermissionDenied).starts_with("data/format: "));
    }

    #[test]
    fn a_folder_of_another_format_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        drop(DataFolder::open(home.path()).unwrap());
        fs::write(home.path().join("format"), "2\n").unwrap();
        let refused = DataFolder::open(home.path()).unwrap_err().to_string();
        assert!(refused.contains("\"2\""), "{refused}");
    }
}
