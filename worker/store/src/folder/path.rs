//! Where things lie in the folder.

use crate::Key;
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

/// What an object's file name ends with. No key has it, so an object `a` and a folder `a` lie side by side.
pub(super) const OBJECT_SUFFIX: char = '~';

/// How many lock files share the keys.
const LOCKS: u32 = 64;

/// The names in a store's folder.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    root: PathBuf,
    objects: PathBuf,
}

impl Paths {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), objects: root.join("objects") }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn format(&self) -> PathBuf {
        self.root.join("format")
    }

    pub(super) fn open_lock(&self) -> PathBuf {
        self.root.join("open.lock")
    }

    pub(super) fn writers(&self) -> PathBuf {
        self.root.join("writers")
    }

    pub(super) fn locks(&self) -> PathBuf {
        self.root.join("locks")
    }

    pub(super) fn emptied(&self) -> PathBuf {
        self.root.join("emptied")
    }

    pub(super) fn objects(&self) -> &Path {
        &self.objects
    }

    /// The file of an object.
    pub(super) fn object(&self, key: &Key) -> PathBuf {
        self.objects.join(format!("{key}{OBJECT_SUFFIX}"))
    }

    /// The folder that an object's file lies in.
    pub(super) fn folder_of(&self, key: &Key) -> PathBuf {
        self.object(key).parent().expect("an object lies under objects/").to_owned()
    }

    /// Waits for the lock under which the object of `key` is replaced or deleted; dropping the file releases it.
    pub(super) fn lock(&self, key: &Key) -> io::Result<File> {
        let number = crc32c::crc32c(key.as_str().as_bytes()) % LOCKS;
        lock(&self.locks().join(format!("{number:02x}")))
    }
}

/// Waits for the `flock` on the file `path`, making the file where it is missing.
pub(super) fn lock(path: &Path) -> io::Result<File> {
    let file = File::options().create(true).append(true).open(path)?;
    file.lock()?;
    Ok(file)
}
