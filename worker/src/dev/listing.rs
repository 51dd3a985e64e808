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

/// What there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Every manifest file, sorted.
    pub(crate) files: Vec<Seen>,
    /// Files and folders that cannot be looked at, and why: nobody knows what they declare.
    pub(crate) unknown: Vec<(PathBuf, String)>,
}

/// What there is; or why nobody knows.
pub(crate) type Listing = Result<Found, String>;

/// Lists the manifest files of `root`, a folder or one file. Hidden files and folders, and the folder `except`, are left out; paths are
/// compared as they are, so both are best absolute. A link to a file is a file; one to a folder is not followed.
pub(crate) fn list(root: &Path, except: &Path) -> Listing {
    let mut found = Found::default();
    let walked = if root.is_file() { add(root, &mut found) } else { walk(root, except, 0, &mut found) };
    walked.map_err(|error| format!("{}: {error}", root.display()))?;
    found.files.sort();
    found.unknown.sort();
    Ok(found)
}

fn walk(folder: &Path, except: &Path, depth: usize, found: &mut Found) -> io::Result<()> {
    if depth > DEPTH_MAX {
        return Err(io::Error::other(format!("folders are nested deeper than {DEPTH_MAX}")));
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if entry.file_name().as_encoded_bytes().starts_with(b".") || path == except {
            continue;
        }
        let looked = match () {
            () if kind.is_dir() => walk(&path, except, depth + 1, found),
            () if is_manifest(&path) => add(&path, found),
            () => Ok(()),
        };
        match looked {
            Ok(()) => {}
            // Gone between the listing and the look: the next listing knows. A link that leads nowhere is still there.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !kind.is_symlink() => {}
            Err(error) => found.unknown.push((path, error.to_string())),
        }
        if found.files.len() + found.unknown.len() > FILES_MAX {
            return Err(io::Error::other(format!("there are more than {FILES_MAX} manifest files")));
        }
    }
    Ok(())
}

fn is_manifest(path: &Path) -> bool {
    path.extension().is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

fn add(path: &Path, found: &mut Found) -> io::Result<()> {
    let metadata = fs::metadata(path)?;
    if metadata.is_file() {
        let changed = (metadata.ctime(), metadata.ctime_nsec());
        found.files.push(Seen { path: path.to_owned(), inode: metadata.ino(), bytes: metadata.len(), changed });
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
        is_due
    }

    /// The files were read as `listing` has them, and nothing of them changed meanwhile.
    pub(crate) fn take(&mut self, listing: Listing) {
        self.taken = listing;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(found: &Found, home: &Path) -> Vec<String> {
        found.files.iter().map(|seen| seen.path.strip_prefix(home).unwrap().display().to_string()).collect()
    }

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
        assert_eq!(names(&found, home.path()), ["a.yaml", "c.json", "deep/er/b.yml"]);
    }

    #[test]
    fn links_to_files_are_read_and_those_that_lead_nowhere_or_in_circles_harm_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, home.path().join(name)).unwrap();
        fs::write(home.path().join("a.yaml"), "").unwrap();
        link("a.yaml", "linked.yaml");
        link("absent", "dangling.yaml");
        link("circle.yaml", "circle.yaml");
        link(".", "folder");
        let found = list(home.path(), Path::new("none")).unwrap();
        assert_eq!(names(&found, home.path()), ["a.yaml", "linked.yaml"]);
        let unknown: Vec<_> = found.unknown.iter().map(|(path, _)| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(unknown, ["circle.yaml", "dangling.yaml"]);
    }

    #[test]
    fn folders_too_deep_are_named_and_the_others_listed() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("d/".repeat(DEPTH_MAX + 1))).unwrap();
        fs::write(home.path().join("a.yaml"), "").unwrap();
        let found = list(home.path(), Path::new("none")).unwrap();
        assert_eq!(names(&found, home.path()), ["a.yaml"]);
        assert!(found.unknown[0].0.ends_with("d/".repeat(DEPTH_MAX + 1)), "{:?}", found.unknown);
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
        assert!(watch.is_due(&look()), "it changed again while it was read");
        watch.take(look());
        assert!(!watch.is_due(&look()), "once is enough");
    }

    #[test]
    fn a_folder_that_cannot_be_read_is_not_an_empty_one() {
        let home = tempfile::tempdir().unwrap();
        assert!(list(&home.path().join("absent"), Path::new("none")).unwrap_err().contains("absent"));
    }
}
