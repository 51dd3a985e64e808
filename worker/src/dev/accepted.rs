//! `accepted.json`: what must outlive the process besides the log: accepted objects, and what was decided last.

use desired::Memory;
use serde::{Deserialize, Serialize};
use std::{fs, io, path::PathBuf};

use super::{
    folder::{DataFolder, FolderError},
    objects::Objects,
};

const FILE: &str = "accepted.json";

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// The folder of manifests that this data belongs to, absolute.
    pub(crate) manifests: PathBuf,
    pub(crate) objects: Objects,
    pub(crate) memory: Memory,
}

/// Reads it; `None` where there is none yet.
///
/// # Errors
/// Where it is damaged or cannot be read: objects made anew would get new uids, and pipelines lose their state.
pub(crate) fn read(folder: &std::path::Path) -> Result<Option<Kept>, FolderError> {
    let path = folder.join(FILE);
    match fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| FolderError::Damaged { path, reason: error.to_string() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(FolderError::io(path, source)),
    }
}

/// Writes it: durable on return.
///
/// # Errors
/// Where the disk does not take it; what was there before is still there then.
pub(crate) fn write(folder: &DataFolder, kept: &Kept) -> Result<(), FolderError> {
    folder.write(FILE, &serde_json::to_vec(kept).expect("plain data has a JSON form"))
}
