//! What the manifest files say, and where in them each thing stands.

use control::ObjectRef;
use crds::{
    FieldPath, Kind,
    manifest::{self, Document, DocumentKind, Position},
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::LazyLock,
};

use super::{figures::counted, listing::Listing};

/// Bytes read of one file, and of all of them.
const FILE_BYTES_MAX: u64 = 16 << 20;
const BYTES_MAX: u64 = 256 << 20;

/// Something wrong, for people: where, about what, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    /// The file; `None` where no file says it (an object accepted earlier).
    pub(crate) file: Option<PathBuf>,
    pub(crate) at: Option<Position>,
    /// The object and the field, where known.
    pub(crate) about: String,
    pub(crate) message: String,
    /// Whether a person has to change something here, rather than wait or declare something elsewhere.
    pub(crate) is_error: bool,
}

impl Problem {
    /// Of a whole file.
    pub(crate) fn of_file(file: &Path, at: Option<Position>, message: impl Into<String>) -> Self {
        Self { file: Some(file.to_owned()), at, about: String::new(), message: message.into(), is_error: true }
    }
}

/// One line that moves no cursor, whatever a manifest has in it.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}:", shown(file).display())?;
            self.at.map_or(Ok(()), |at| write!(f, "{at}:"))?;
            f.write_str(" ")?;
        }
        if !self.about.is_empty() {
            write!(f, "{}: ", one_line(&self.about))?;
        }
        f.write_str(&one_line(&self.message))
    }
}

fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' | '\r' | '\t' => line.push(' '),
            letter if letter.is_control() => line.extend(letter.escape_default()),
            letter => line.push(letter),
        }
    }
    line
}

/// A path as people would write it: from the folder they are in.
pub(crate) fn shown(path: &Path) -> &Path {
    static HERE: LazyLock<Option<PathBuf>> = LazyLock::new(|| std::env::current_dir().ok());
    let below = HERE.as_ref().and_then(|here| path.strip_prefix(here).ok());
    below.filter(|below| !below.as_os_str().is_empty()).unwrap_or(path)
}

/// A document and its file.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) file: PathBuf,
    pub(crate) document: Document,
}

impl Placed {
    /// A problem with a field of this document; `text_at` is line and column in the field's text.
    pub(crate) fn problem(&self, path: &FieldPath, text_at: Option<(u32, u32)>, message: String, is_error: bool) -> Problem {
        let at = match text_at {
            Some((line, column)) => self.document.locate_in_text(path, line as usize, column as usize),
            None => self.document.locate(path),
        };
        Problem { file: Some(self.file.clone()), at: Some(at), about: self.about(path), message, is_error }
    }

    /// The same, where the field's name is what is wrong.
    pub(crate) fn problem_with_name(&self, path: &FieldPath, message: String) -> Problem {
        let at = Some(self.document.locate_key(path));
        Problem { at, ..self.problem(path, None, message, true) }
    }

    fn about(&self, path: &FieldPath) -> String {
        let kind = self.document.object["kind"].as_str().unwrap_or_default();
        let path = path.to_string();
        let colon = if path.is_empty() { "" } else { ": " };
        format!("{kind} {}{colon}{path}", reference(&self.document.object))
    }
}

/// Everything that the files declare.
#[derive(Clone, Debug, Default)]
pub(crate) struct Manifests {
    /// Our kinds, in order of file and place, each object once.
    pub(crate) ours: Vec<(Kind, ObjectRef, Placed)>,
    pub(crate) config_maps: BTreeMap<ObjectRef, Placed>,
    pub(crate) namespaces: BTreeMap<String, BTreeMap<String, String>>,
    /// Files that could not be read whole, and folders that could not be looked into: what they declared before is not gone.
    unread: BTreeSet<PathBuf>,
    /// Nothing could be listed: nothing is gone.
    is_unknown: bool,
    /// Number of files read.
    pub(crate) files: usize,
    /// Objects that are none of our business: how many of each `apiVersion` and `kind`.
    skipped: BTreeMap<String, usize>,
    pub(crate) problems: Vec<Problem>,
    bytes: u64,
}

impl Manifests {
    /// Before anything was looked at: nothing is there, and nothing is gone.
    pub(crate) fn unknown() -> Self {
        Self { is_unknown: true, ..Self::default() }
    }

    /// Reads every file of a listing.
    pub(crate) fn read(root: &Path, listing: &Listing) -> Self {
        let mut manifests = Self::default();
        match listing {
            Ok(found) => {
                found.files.iter().for_each(|seen| manifests.read_file(&seen.path));
                found.unknown.iter().for_each(|(path, reason)| manifests.cannot_read(path, format!("cannot be looked at: {reason}")));
            }
            Err(reason) => {
                manifests.is_unknown = true;
                manifests.problems.push(Problem::of_file(root, None, format!("cannot be listed ({reason}); what runs goes on")));
            }
        }
        manifests
    }

    fn read_file(&mut self, file: &Path) {
        match text_of(file) {
            Ok(text) if self.bytes + text.len() as u64 > BYTES_MAX => {
                self.cannot_read(file, format!("is not read: all manifests together are larger than {} MiB", BYTES_MAX >> 20));
            }
            Ok(text) => {
                self.bytes += text.len() as u64;
                self.add_file(file, &text);
            }
            Err(reason) => self.cannot_read(file, reason),
        }
    }

    fn cannot_read(&mut self, path: &Path, reason: String) {
        self.unread.insert(path.to_owned());
        self.problems.push(Problem::of_file(path, None, reason));
    }

    /// Whether nobody knows what a file declares now: it, or a folder that it is in, could not be read.
    pub(crate) fn is_unread(&self, file: &Path) -> bool {
        self.is_unknown || file.ancestors().any(|path| self.unread.contains(path))
    }

    /// How many objects of other kinds there are, and which; `None` where there are none.
    pub(crate) fn skipped(&self) -> Option<String> {
        let kinds: Vec<String> = self.skipped.iter().map(|(kind, count)| format!("{} ({count})", one_line(kind))).collect();
        let count: usize = self.skipped.values().sum();
        (count > 0).then(|| format!("{} of no kind of ours skipped: {}", counted(count, "object"), kinds.join(", ")))
    }

    /// Adds what a file's text declares.
    pub(crate) fn add_file(&mut self, file: &Path, text: &str) {
        self.files += 1;
        for document in manifest::read(text) {
            match document {
                Ok(document) => self.add(Placed { file: file.to_owned(), document }),
                Err(error) => {
                    self.unread.insert(file.to_owned());
                    self.problems.push(Problem::of_file(file, Some(error.at), error.message));
                }
            }
        }
    }

    fn add(&mut self, placed: Placed) {
        let name = reference(&placed.document.object);
        match placed.document.kind.clone() {
            DocumentKind::Ours(kind) => match self.find(kind, &name) {
                Some(first) => self.problems.push(twice(&placed, first)),
                None => self.ours.push((kind, name, placed)),
            },
            DocumentKind::ConfigMap => match self.config_maps.get(&name) {
                Some(first) => self.problems.push(twice(&placed, first)),
                None => drop(self.config_maps.insert(name, placed)),
            },
            DocumentKind::Namespace => {
                drop(self.namespaces.insert(name.name, texts(&placed.document.object["metadata"]["labels"])));
            }
            DocumentKind::Other(kind) => *self.skipped.entry(kind).or_default() += 1,
        }
    }

    /// The document of an object.
    pub(crate) fn find(&self, kind: Kind, name: &ObjectRef) -> Option<&Placed> {
        self.ours.iter().find(|(one, object, _)| *one == kind && object == name).map(|(.., placed)| placed)
    }

    /// The `data` of each ConfigMap.
    pub(crate) fn config_map_data(&self) -> BTreeMap<ObjectRef, BTreeMap<String, String>> {
        self.config_maps.iter().map(|(name, placed)| (name.clone(), texts(&placed.document.object["data"]))).collect()
    }
}

fn twice(placed: &Placed, first: &Placed) -> Problem {
    let message = format!("is declared in {} already; the first one counts", shown(&first.file).display());
    placed.problem(&FieldPath::parse("metadata.name"), None, message, true)
}

/// Namespace (absent = `default`) and name of an object.
pub(crate) fn reference(object: &Value) -> ObjectRef {
    let text = |field: &str| object["metadata"][field].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    ObjectRef { namespace: text("namespace").unwrap_or_else(|| "default".into()), name: text("name").unwrap_or_default() }
}

fn texts(map: &Value) -> BTreeMap<String, String> {
    let entries = map.as_object().into_iter().flatten();
    entries.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

fn text_of(file: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = |bytes: &mut Vec<u8>| -> io::Result<usize> { fs::File::open(file)?.take(FILE_BYTES_MAX + 1).read_to_end(bytes) };
    read(&mut bytes).map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("is larger than {} MiB", FILE_BYTES_MAX >> 20));
    }
    String::from_utf8(bytes).map_err(|error| format!("is not UTF-8 at byte {}", error.utf8_error().valid_up_to()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_one_line_that_moves_no_cursor() {
        let problem = Problem::of_file(Path::new("a.yaml"), None, "key \u{1b}[2J\u{9b}1A\nis there twice");
        assert_eq!(problem.to_string(), "a.yaml: key \\u{1b}[2J\\u{9b}1A is there twice");
    }

    #[test]
    fn what_is_larger_than_all_manifests_may_be_is_not_read() {
        let home = tempfile::tempdir().unwrap();
        let name = |index: u64| home.path().join(format!("{index:02}.yaml"));
        let count = BYTES_MAX / FILE_BYTES_MAX + 1;
        (0..count).for_each(|index| fs::File::create(name(index)).unwrap().set_len(FILE_BYTES_MAX).unwrap());
        let listing = super::super::listing::list(home.path(), Path::new("none"));
        let manifests = Manifests::read(home.path(), &listing);
        assert!(manifests.is_unread(&name(count - 1)));
        assert!(manifests.problems.iter().any(|problem| problem.message.contains("all manifests together")), "{:?}", manifests.problems);
    }
}
