//! The catalogue on the volume: one file, replaced as a whole, durable before anything is answered.
//!
//! ```text
//! catalogue.json   {"format": 1, "cluster_id": "…", "generation": 7, "topics": […]}
//! ```
//! A new version is written beside it, flushed, and renamed over it; the folder is flushed after. What a crash leaves is the old file or the new.
//!
//! The log takes a copy to the object store, before any record that speaks of it, and brings it back on an empty volume.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use log::Log;
use serde::{Deserialize, Serialize};

use super::{Catalogue, Topic};

/// Name of the copy among the log's named objects.
const NAME: &str = "catalogue";
/// The only format there is so far.
const FORMAT: u32 = 1;

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The volume failed.
    #[error("{action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Not what we wrote.
    #[error("{path} is not a catalogue of topics: {reason}; restore it from a copy, or remove the folder to start empty")]
    Malformed {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// Written by a later version.
    #[error("{path} has format {found}, this version reads {FORMAT}; start the version that wrote it")]
    Format {
        /// The file.
        path: String,
        /// What it says.
        found: u32,
    },
}

#[derive(Serialize, Deserialize)]
struct Stored {
    format: u32,
    cluster_id: String,
    generation: u64,
    topics: Vec<Topic>,
}

/// Where the catalogue is kept.
#[derive(Clone)]
pub(crate) struct CatalogueFile {
    path: PathBuf,
    /// Who takes copies to the object store.
    log: Option<Log>,
}

/// What the file holds.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) cluster_id: String,
    /// The highest desired generation that was applied.
    pub(crate) generation: u64,
    pub(crate) catalogue: Catalogue,
}

impl CatalogueFile {
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self { path: folder.join("catalogue.json"), log: None }
    }

    /// Copies of it go with `log` to the object store, and come from there where the volume has none.
    pub(crate) fn with_copies(self, log: Log) -> Self {
        Self { log: Some(log), ..self }
    }

    /// What was saved last; `None` where neither the volume nor the object store has any.
    pub(crate) fn load(&self) -> Result<Option<Loaded>, FileError> {
        let text = match fs::read(&self.path) {
            Ok(text) => {
                self.copy(&text)?;
                text
            }
            Err(reason) if reason.kind() == io::ErrorKind::NotFound => match self.log.as_ref().and_then(|log| log.named(NAME)) {
                Some(copy) => {
                    tracing::info!("the catalogue of topics comes from the object store");
                    self.write(&copy)?;
                    copy.into()
                }
                None => return Ok(None),
            },
            Err(source) => return Err(self.failed("read", source)),
        };
        let path = || self.path.display().to_string();
        let format: serde_json::Value =
            serde_json::from_slice(&text).map_err(|reason| FileError::Malformed { path: path(), reason: reason.to_string() })?;
        match format["format"].as_u64() {
            Some(found) if found == u64::from(FORMAT) => {}
            Some(found) => return Err(FileError::Format { path: path(), found: u32::try_from(found).unwrap_or(u32::MAX) }),
            None => return Err(FileError::Malformed { path: path(), reason: "it names no format".into() }),
        }
        let stored: Stored =
            serde_json::from_value(format).map_err(|reason| FileError::Malformed { path: path(), reason: reason.to_string() })?;
        let mut catalogue = Catalogue::default();
        stored.topics.into_iter().for_each(|topic| catalogue.insert(topic));
        Ok(Some(Loaded { cluster_id: stored.cluster_id, generation: stored.generation, catalogue }))
    }

    /// Replaces the file; durable on return.
    pub(crate) fn save(&self, cluster_id: &str, generation: u64, catalogue: &Catalogue) -> Result<(), FileError> {
        let topics = catalogue.topics().map(|topic| Topic::clone(topic)).collect();
        let stored = Stored { format: FORMAT, cluster_id: cluster_id.into(), generation, topics };
        let text = serde_json::to_vec(&stored).expect("a catalogue is plain data");
        self.write(&text)?;
        self.copy(&text)
    }

    /// Gives the log the newest copy, unless it has it.
    fn copy(&self, text: &[u8]) -> Result<(), FileError> {
        let Some(log) = self.log.as_ref().filter(|log| log.named(NAME).is_none_or(|known| known != text)) else { return Ok(()) };
        log.put_named(NAME, text.to_vec().into()).map_err(|source| self.failed("copy", source))
    }

    fn write(&self, text: &[u8]) -> Result<(), FileError> {
        let beside = self.path.with_extension("json.new");
        let mut file = fs::File::create(&beside).map_err(|source| self.failed("create the successor of", source))?;
        file.write_all(text).and_then(|()| file.sync_all()).map_err(|source| self.failed("write the successor of", source))?;
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
    use units::{TopicId, TopicName};

    fn topic(name: &str) -> Topic {
        Topic {
            name: TopicName::new(name).unwrap(),
            id: TopicId([name.as_bytes()[0]; 16]),
            partitions: 3,
            retention: control::Retention::default(),
            config: Vec::new(),
            owner: None,
            last_owner: None,
            internal: false,
        }
    }

    #[test]
    fn what_was_saved_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let file = CatalogueFile::in_folder(folder.path());
        assert!(file.load().unwrap().is_none());
        let mut catalogue = Catalogue::default();
        catalogue.insert(topic("orders"));
        file.save("cluster", 4, &catalogue).unwrap();
        let loaded = file.load().unwrap().unwrap();
        assert_eq!((loaded.cluster_id.as_str(), loaded.generation), ("cluster", 4));
        assert_eq!(**loaded.catalogue.get("orders").unwrap(), topic("orders"));
        assert_eq!(loaded.catalogue.by_id(TopicId([b'o'; 16])).unwrap().name.as_str(), "orders");
    }

    #[test]
    fn a_later_format_and_a_torn_file_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = CatalogueFile::in_folder(folder.path());
        fs::write(&file.path, r#"{"format": 9}"#).unwrap();
        assert!(matches!(file.load(), Err(FileError::Format { found: 9, .. })));
        fs::write(&file.path, r#"{"format": 1, "clu"#).unwrap();
        assert!(matches!(file.load(), Err(FileError::Malformed { .. })));
    }
}
