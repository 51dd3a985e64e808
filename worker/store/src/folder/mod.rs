//! Objects in a folder of one machine, shared safely by any number of processes.
//!
//! ```text
//! format                   "streamwright objects 1"; a folder of a later format is refused
//! open.lock                held while a process opens the folder and cleans up after dead ones
//! objects/a/b/c~           the object `a/b/c`: a header of 64 bytes (see `header`), then its bytes
//! writers/<pid>-<n>/lock   held as long as that writer lives; beside it what it is about to publish
//! locks/00 … 3f            held while an object is replaced or deleted; the key's hash says which
//! emptied                  folders that a delete left without objects, one a line, removed by the next process that is alone
//! ```
//!
//! A put writes a file of its own and syncs it. It is then published in one step: `link`, which fails where the name exists
//! (put if absent), or `rename` while the key's lock is held (put if match). The folder is synced before the put is answered.
//! All locks are `flock`s, so the kernel releases them when their holder dies: SIGKILL at any point leaves the old object or
//! the new one, and at most a file under `writers/` that the next process to open the folder removes.
//!
//! A failed sync is never retried, since the kernel may have dropped the bytes that it could not write: from then on every
//! call fails, until the process starts anew and reads what is really there.
//!
//! Against the loss of power there is one gap: a reader may see an object in the instant before its put is answered, which is
//! then gone. Nobody was told that it is there, so nothing that was acknowledged is lost.

mod direct;
mod durable;
mod header;
mod listing;
mod path;
mod writers;

use crate::{Body, Head, Key, Listed, Object, ObjectStore, Prefix, PutError, StoreError, Version, WriteId};
use bytes::Bytes;
use durable::DurableFolders;
use header::Header;
use path::Paths;
use std::{
    fs::{self, File},
    io,
    ops::Range,
    os::unix::fs::FileExt,
    path::Path,
};
use writers::Writer;

/// An [`ObjectStore`] in a folder. Open it once in a process and share it; a second opening is safe but a separate writer.
#[derive(Debug)]
pub struct FolderStore {
    paths: Paths,
    writer: Writer,
    folders: DurableFolders,
}

impl FolderStore {
    /// Opens the store in the folder `root`, makes it where it is missing, and removes what writers left that died.
    ///
    /// # Errors
    /// [`StoreError::Failed`] where the folder cannot be used, holds something else, or has a later format.
    pub fn open(root: impl AsRef<Path>) -> Result<Self, StoreError> {
        let paths = Paths::new(root.as_ref());
        let failed = |source| failed(format!("open object store in {}", root.as_ref().display()), source);
        let writer = Writer::open(&paths).map_err(failed)?;
        let folders = DurableFolders::new(paths.objects().to_owned());
        Ok(Self { paths, writer, folders })
    }

    /// Opens the file of `key`; `None` where there is none.
    fn open_object(&self, key: &Key) -> Result<Option<(File, Header)>, StoreError> {
        self.folders.check().map_err(|error| failed("use object store", error))?;
        let file = match File::open(self.paths.object(key)) {
            Ok(file) => file,
            Err(error) if is_absence(&error) => return Ok(None),
            Err(error) => return Err(read_failed(key, error)),
        };
        let file_len = file.metadata().map_err(|error| read_failed(key, error))?.len();
        let mut bytes = [0; Header::BYTES as usize];
        if file_len >= Header::BYTES {
            file.read_exact_at(&mut bytes, 0).map_err(|error| read_failed(key, error))?;
        }
        let header = Header::decode(&bytes, file_len).map_err(|what| StoreError::Corrupt { key: key.clone(), what })?;
        Ok(Some((file, header)))
    }

    fn open_existing(&self, key: &Key) -> Result<(File, Header), StoreError> {
        self.open_object(key)?.ok_or_else(|| StoreError::NotFound { key: key.clone() })
    }

    /// What a put answers that found an object it did not expect. What is said to exist must not vanish, and its writer may
    /// still be syncing.
    fn lost(&self, key: &Key) -> PutError {
        match self.open_object(key) {
            Ok(None) => PutError::Lost { current: None, write_id: None },
            Ok(Some((_, header))) => match self.folders.sync(&self.paths.folder_of(key)) {
                Ok(()) => PutError::Lost { current: Some(header.version()), write_id: header.head().write_id },
                Err(error) => PutError::Other(put_failed(key, error)),
            },
            Err(error) => PutError::Other(error),
        }
    }

    /// Makes a name that was just published survive the loss of power, and answers its put.
    fn acknowledge(&self, key: &Key, header: &Header) -> Result<Version, PutError> {
        match self.folders.sync(&self.paths.folder_of(key)) {
            Ok(()) => Ok(header.version()),
            Err(_) => Err(PutError::Unknown),
        }
    }

    /// Publishes `written` where the key has no object: true where this was the first.
    fn publish_first(&self, key: &Key, written: &Path) -> Result<bool, StoreError> {
        self.folders.make(self.paths.folder_of(key)).map_err(|error| put_failed(key, error))?;
        match fs::hard_link(written, self.paths.object(key)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(put_failed(key, error)),
        }
    }
}

impl ObjectStore for FolderStore {
    fn get(&self, key: &Key) -> Result<Object, StoreError> {
        let (file, header) = self.open_existing(key)?;
        let bytes = read(&file, key, 0..header.body_len)?;
        match header.check(&bytes) {
            Ok(()) => Ok(Object { bytes, version: header.version() }),
            Err(what) => Err(StoreError::Corrupt { key: key.clone(), what }),
        }
    }

    fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        let (file, header) = self.open_existing(key)?;
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        if range.end > header.body_len {
            return Err(StoreError::Truncated { key: key.clone(), size: header.body_len, wanted: range.end });
        }
        read(&file, key, range)
    }

    fn head(&self, key: &Key) -> Result<Option<Head>, StoreError> {
        Ok(self.open_object(key)?.map(|(_, header)| header.head()))
    }

    fn put_if_absent(&self, key: &Key, body: Body, write_id: WriteId) -> Result<Version, PutError> {
        if self.open_object(key)?.is_some() {
            return Err(self.lost(key));
        }
        let header = Header::first(&body, write_id);
        let written = self.writer.write(&header, &body).map_err(|error| put_failed(key, error))?;
        if self.publish_first(key, written.path())? { self.acknowledge(key, &header) } else { Err(self.lost(key)) }
    }

    fn put_if_match(&self, key: &Key, body: Body, expected: &Version, write_id: WriteId) -> Result<Version, PutError> {
        let is_expected = |header: &Header| header.version() == *expected;
        let Some((_, current)) = self.open_object(key)?.filter(|(_, header)| is_expected(header)) else {
            return Err(self.lost(key));
        };
        let header = current.next(&body, write_id);
        let written = self.writer.write(&header, &body).map_err(|error| put_failed(key, error))?;
        let lock = self.paths.lock(key).map_err(|error| put_failed(key, error))?;
        if !self.open_object(key)?.is_some_and(|(_, header)| is_expected(&header)) {
            drop(lock);
            return Err(self.lost(key));
        }
        fs::rename(written.path(), self.paths.object(key)).map_err(|error| put_failed(key, error))?;
        self.acknowledge(key, &header)
    }

    fn list(&self, prefix: &Prefix, after: Option<&Key>, limit: usize) -> Result<Vec<Listed>, StoreError> {
        listing::list(self.paths.objects(), prefix, after, limit).map_err(|error| failed(format!("list objects under {prefix:?}"), error))
    }

    fn delete(&self, key: &Key) -> Result<(), StoreError> {
        let deleted_failed = |error| failed(format!("delete object {key}"), error);
        let _lock = self.paths.lock(key).map_err(deleted_failed)?;
        match fs::remove_file(self.paths.object(key)) {
            Ok(()) => {}
            Err(error) if is_absence(&error) => return Ok(()),
            Err(error) => return Err(deleted_failed(error)),
        }
        let folder = self.paths.folder_of(key);
        self.folders.sync(&folder).map_err(deleted_failed)?;
        self.writer.note_if_empty(&self.paths, &folder).map_err(deleted_failed)
    }
}

/// Bytes `range` of the object's body, which the header says are there.
fn read(file: &File, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
    let len = usize::try_from(range.end - range.start).map_err(|_| read_failed(key, io::ErrorKind::OutOfMemory.into()))?;
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, Header::BYTES + range.start).map_err(|error| read_failed(key, error))?;
    Ok(bytes.into())
}

/// Whether there is no such file, or no such folder (`a` is an object, `a/b` was asked for).
fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn read_failed(key: &Key, error: io::Error) -> StoreError {
    failed(format!("read object {key}"), error)
}

fn put_failed(key: &Key, error: io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full { key: key.clone() },
        _ => failed(format!("put object {key}"), error),
    }
}

fn failed(action: impl Into<String>, error: io::Error) -> StoreError {
    const TOO_MANY_FILES: [i32; 2] = [23, 24]; // ENFILE, EMFILE
    match error.raw_os_error() {
        Some(code) if TOO_MANY_FILES.contains(&code) => StoreError::Unavailable { reason: error.to_string() },
        _ => StoreError::Failed { action: action.into(), source: error.into() },
    }
}

#[cfg(test)]
mod tests;
