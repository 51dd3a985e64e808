//! Listing in the order of keys, from a tree of folders whose entries come in any order.

use super::{header::Header, path::OBJECT_SUFFIX};
use crate::{Key, Listed, Prefix};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Up to `limit` objects under the folder `objects` that begin with `prefix` and come after `after`.
pub(super) fn list(objects: &Path, prefix: &Prefix, after: Option<&Key>, limit: usize) -> io::Result<Vec<Listed>> {
    let mut walk = Walk { prefix: prefix.as_str(), after: after.map_or("", Key::as_str), limit, found: Vec::new() };
    let whole_folders = prefix.as_str().rsplit_once('/').map_or(String::new(), |(folders, _)| format!("{folders}/"));
    if limit > 0 {
        walk.folder(&objects.join(&whole_folders), &whole_folders)?;
    }
    Ok(walk.found)
}

struct Walk<'a> {
    prefix: &'a str,
    after: &'a str,
    limit: usize,
    found: Vec<Listed>,
}

/// What a folder holds, by the text that its keys are or begin with: `a/b` for an object, `a/b/` for a folder. Sorted by it,
/// the keys of a whole tree come out in their own order.
struct Entry {
    text: String,
    path: PathBuf,
    is_folder: bool,
}

impl Walk<'_> {
    /// Lists the folder `path` whose keys begin with `text`.
    fn folder(&mut self, path: &Path, text: &str) -> io::Result<()> {
        for entry in entries(path, text)? {
            if self.found.len() == self.limit {
                return Ok(());
            }
            if entry.is_folder {
                if self.may_hold(&entry.text) {
                    self.folder(&entry.path, &entry.text)?;
                }
            } else if entry.text.starts_with(self.prefix) && entry.text.as_str() > self.after {
                self.object(&entry)?;
            }
        }
        Ok(())
    }

    /// Whether some key that begins with `text` is wanted.
    fn may_hold(&self, text: &str) -> bool {
        let in_prefix = text.starts_with(self.prefix) || self.prefix.starts_with(text);
        in_prefix && (text > self.after || self.after.starts_with(text))
    }

    fn object(&mut self, entry: &Entry) -> io::Result<()> {
        let Ok(key) = Key::new(&entry.text) else { return Ok(()) };
        match fs::metadata(&entry.path) {
            Ok(metadata) => self.found.push(Listed { key, size: metadata.len().saturating_sub(Header::BYTES) }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {} // deleted since
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

fn entries(path: &Path, text: &str) -> io::Result<Vec<Entry>> {
    let folder = match fs::read_dir(path) {
        Ok(folder) => folder,
        Err(error) if super::is_absence(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut entries = Vec::new();
    for entry in folder {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let is_folder = entry.file_type()?.is_dir();
        let text = match name.strip_suffix(OBJECT_SUFFIX) {
            Some(name) if !is_folder => format!("{text}{name}"),
            None if is_folder => format!("{text}{name}/"),
            _ => continue, // not ours
        };
        entries.push(Entry { text, path: entry.path(), is_folder });
    }
    entries.sort_unstable_by(|one, other| one.text.cmp(&other.text));
    Ok(entries)
}
