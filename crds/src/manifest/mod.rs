//! Reads what users write: YAML files of many documents, and where in the file each field stands.
//!
//! YAML is taken as kubectl takes it (version 1.1's plain scalars: `yes` is a boolean, `0o17` a number; merge keys; aliases), with bounds:
//! a document of 1 MiB, 64 levels, 100,000 nodes *after* aliases are expanded, each key once. A document that cannot be read says so with
//! line and column and leaves the others of its file alone.

mod loader;
mod position;
mod scalar;
mod split;

pub use loader::{DEPTH_MAX, NODES_MAX, TEXT_BYTES_MAX};
pub use position::{Position, Positions};
pub use split::DOCUMENT_BYTES_MAX;

use serde_json::Value;

use crate::{FieldPath, Kind};

/// What kind of object a document holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DocumentKind {
    /// One of ours.
    Ours(Kind),
    /// A ConfigMap, which may hold a query.
    ConfigMap,
    /// A Namespace, whose labels a Cluster may select by.
    Namespace,
    /// Another one, which is none of our business: `apiVersion` and `kind`.
    Other(String),
}

/// One object as it is written in a file.
#[derive(Clone, Debug)]
pub struct Document {
    /// What it is.
    pub kind: DocumentKind,
    /// The object, as JSON.
    pub object: Value,
    positions: Positions,
}

/// A document that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ReadError {
    /// Where in the file.
    pub at: Position,
    /// What is wrong, and what to write instead.
    pub message: String,
}

/// Every document of a file's text, in order, empty ones left out.
#[must_use]
pub fn read(text: &str) -> Vec<Result<Document, ReadError>> {
    split::documents(text).filter_map(|part| part.and_then(|part| document(&part)).transpose()).collect()
}

fn document(part: &split::Part<'_>) -> Result<Option<Document>, ReadError> {
    let Some((object, positions)) = loader::load(part)? else { return Ok(None) };
    let at = |field: &str| positions.locate(&FieldPath::root().field(field));
    if !object.is_object() {
        return Err(ReadError {
            at: positions.locate(&FieldPath::root()),
            message: "a manifest is a mapping with apiVersion, kind and metadata".into(),
        });
    }
    let text = |field: &str| object.get(field).and_then(Value::as_str);
    let (Some(api_version), Some(kind)) = (text("apiVersion"), text("kind")) else {
        let missing = if text("apiVersion").is_none() { "apiVersion" } else { "kind" };
        return Err(ReadError {
            at: at(missing),
            message: format!("{missing} is missing or not text: every manifest names apiVersion and kind"),
        });
    };
    let ours = Kind::of(&object).map_err(|refused| ReadError { at: at("kind"), message: refused.to_string() })?;
    let kind = match (ours, api_version, kind) {
        (Some(kind), ..) => DocumentKind::Ours(kind),
        (None, "v1", "ConfigMap") => DocumentKind::ConfigMap,
        (None, "v1", "Namespace") => DocumentKind::Namespace,
        (None, api_version, kind) => DocumentKind::Other(format!("{api_version} {kind}")),
    };
    Ok(Some(Document { kind, object, positions }))
}

impl Document {
    /// Where in the file a field is; for one that is not there, the nearest thing above it.
    #[must_use]
    pub fn locate(&self, path: &FieldPath) -> Position {
        self.positions.locate(path)
    }

    /// Where in the file the name of a field is, rather than its value.
    #[must_use]
    pub fn locate_key(&self, path: &FieldPath) -> Position {
        self.positions.locate_key(path)
    }

    /// Where in the file line `line`, column `column` (both from 1) of a field's text is: into block scalars (`|`, `>`), quoted and plain
    /// ones. For a position past the text's end, the end.
    #[must_use]
    pub fn locate_in_text(&self, path: &FieldPath, line: usize, column: usize) -> Position {
        self.positions.locate_in_text(path, line, column)
    }
}

#[cfg(test)]
mod tests;
