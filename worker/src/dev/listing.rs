//! Which manifest files there are, and whether that has changed: looked at again and again, so that it works on every file system.
//!
//! A change is taken only once it was seen twice alike: an editor that empties a file before it writes it anew must not delete what the
//! file declares.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Folders below the manifests' own that are looked into.
const DEPTH_MAX: usize = 16;
/// Files that are read.
const FILES_MAX: usize = 10_000;

/// A file, and what shows that it changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seen {
    pub(crate) path: PathBuf,
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

/// Every manifest file, sorted; or why nobody knows.
pub(crate) type Listing = Result<Vec<Seen>, String>;

/// Lists the manifest files of `root`, a folder or one file. Hidden files and folders, and the folder `except`, are left out; paths are
/// compared as they are, so both are best absolute.
pub(crate) fn list(root: &Path, except: &Path) -> Listing {
    let mut found = Vec::new();
    let walked = if root.is_file() { add(root, &mut found) } else { walk(root, except, 0, &mut found) };
    walked.map_err(|error| format!("{}: {error}", root.display()))?;
    found.sort();
    Ok(found)
}

fn walk(folder: &Path, except: &Path, depth: usize, found: &mut Vec<Seen>) -> io::Result<()> {
    if depth > DEPTH_MAX {
        return Err(io::Error::other(format!("folders are nested deeper than {DEPTH_MAX}")));
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let kind = entry.file_type()?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") || path == except {
            continue;
        }
        if kind.is_dir() {
            walk(&path, except, depth + 1, found)?;
        } else if is_manifest(&path) {
            match add(&path, found) {
                // Gone between the listing and the look: the next listing knows.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
        }
    }
    Ok(())
}

fn is_manifest(path: &Path) -> bool {
    path.extension().is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

fn add(path: &Path, found: &mut Vec<Seen>) -> io::Result<()> {
    let metadata = fs::metadata(path)?;
    if metadata.is_file() {
        let changed = (metadata.ctime(), metadata.ctime_nsec());
        found.push(Seen { path: path.to_owned(), inode: metadata.ino(), bytes: metadata.len(), changed });
    }
    if found.len() > FILES_MAX {
        return Err(io::Error::other(format!("there are more than {FILES_MAX} manifest files")));
    }
    Ok(())
}

/// Tells when a listing has changed and come to rest.
#[derive(Debug)]
pub(crate) struct Watch {
    taken: Listing,
    last: Listing,
}

impl Watch {
    /// Starts from a listing that is being taken now.
    pub(crate) fn new(taken: Listing) -> Self {
        Self { last: taken.clone(), taken }
    }

    /// Tells whether `now` is to be taken: it is another one than was taken last, and the same as was seen last.
    pub(crate) fn is_due(&mut self, now: &Listing) -> bool {
        let is_due = self.taken != *now && self.last == *now;
        self.last.clone_from(now);
        if is_due {
            self.taken.clone_from(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_are_found_below_and_nothing_hidden() {
        let home = tempfile::tempdir().unwrap();
        for folder in ["deep/er", ".git", "data"] {
            fs::create_dir_all(home.path().join(folder)).unwrap();
        }
        for file in ["a.yaml", "deep/er/b.yml", "c.json", "d.txt", ".e.yaml", ".git/f.yaml", "data/g.yaml"] {
            fs::write(home.path().join(file), "").unwrap();
        }
        let found = list(home.path(), &home.path().join("data")).unwrap();
        let names: Vec<_> = found.iter().map(|seen| seen.path.strip_prefix(home.path()).unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["a.yaml", "c.json", "deep/er/b.yml"]);
    }

    #[test]
    fn a_change_is_taken_when_it_was_seen_twice_alike() {
        let home = tempfile::tempdir().unwrap();
        let look = || list(home.path(), Path::new("none"));
        let file = home.path().join("a.yaml");
        fs::write(&file, "one").unwrap();
        let mut watch = Watch::new(look());
        assert!(!watch.is_due(&look()));
        fs::write(&file, "").unwrap();
        assert!(!watch.is_due(&look()), "an editor may be in the middle of it");
        fs::write(&file, "three").unwrap();
        assert!(!watch.is_due(&look()));
        assert!(watch.is_due(&look()));
        assert!(!watch.is_due(&look()), "once is enough");
    }

    #[test]
    fn a_folder_that_cannot_be_read_is_not_an_empty_one() {
        let home = tempfile::tempdir().unwrap();
        assert!(list(&home.path().join("absent"), Path::new("none")).unwrap_err().contains("absent"));
    }
}
