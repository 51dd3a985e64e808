//! What the operator writes, as values: decided in `plan`, done in `apply`.

use serde_json::Value;

use crate::{note::Note, resource::Key};

/// Who writes what of an object. One name a purpose, the same in every version: the API server keeps their fields apart.
pub mod manager {
    /// Objects that we make, and what is decided about ours: conditions, identity, what is in force.
    pub const OBJECTS: &str = "streamwright";
    /// Figures in status.
    pub const TELEMETRY: &str = "streamwright-status";
    /// Finalizers of our kinds.
    pub const FINALIZERS: &str = "streamwright-finalizers";
    /// Topics that Kafka clients asked for.
    pub const CLIENTS: &str = "streamwright-clients";
}

/// One request that changes something.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// Server-side apply. A `metadata.uid` in the body holds it to that object and never makes one; a `metadata.resourceVersion` holds it to
    /// that version.
    Apply {
        /// The object.
        key: Key,
        /// `status`, where not the object itself.
        subresource: Option<&'static str>,
        /// See [`manager`].
        manager: &'static str,
        /// What is applied: all that this manager says.
        body: Value,
    },
    /// Makes an object that must not be there yet.
    Create {
        /// The object.
        key: Key,
        /// See [`manager`].
        manager: &'static str,
        /// All of it.
        body: Value,
    },
    /// Puts an object in the place of the one that is there, held to the `metadata.uid` and `metadata.resourceVersion` in the body.
    Replace {
        /// The object.
        key: Key,
        /// See [`manager`].
        manager: &'static str,
        /// All of it.
        body: Value,
    },
    /// A merge patch, held to the object's version.
    Patch {
        /// The object.
        key: Key,
        /// See [`manager`].
        manager: &'static str,
        /// What changes.
        body: Value,
    },
    /// Deletes an object, this one only.
    Delete {
        /// The object.
        key: Key,
        /// Its identity.
        uid: String,
        /// Whether what it controls stays.
        keeps_children: bool,
        /// Whether its node may be dead: nobody waits for the kubelet's word.
        is_forced: bool,
    },
    /// Tells people. Written once what comes before it in its work is done, and never tried again.
    Tell(Note),
}

impl Write {
    /// The object that it changes; `None` for an Event.
    #[must_use]
    pub fn key(&self) -> Option<&Key> {
        match self {
            Self::Apply { key, .. }
            | Self::Create { key, .. }
            | Self::Replace { key, .. }
            | Self::Patch { key, .. }
            | Self::Delete { key, .. } => Some(key),
            Self::Tell(_) => None,
        }
    }

    /// A word for logs and metrics.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Apply { subresource: Some(_), .. } => "status",
            Self::Apply { .. } => "apply",
            Self::Create { .. } => "create",
            Self::Replace { .. } => "replace",
            Self::Patch { .. } => "patch",
            Self::Delete { .. } => "delete",
            Self::Tell(_) => "event",
        }
    }
}

/// Which part of an object's affairs a work is about: they fail, and are tried again, apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Its finalizer: apart, since it must go also where nothing can be made any more.
    Finalizer,
    /// What is made for it: record and objects.
    Objects,
    /// What a Kafka client asked of it.
    Client,
    /// What its workers are told.
    Push,
    /// What is said of it.
    Status,
    /// Figures.
    Telemetry,
}

/// Writes for one object of ours, in order: the first that fails ends it, and all is decided anew.
#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    /// The object whose affair it is.
    pub about: Key,
    /// Which part of it.
    pub lane: Lane,
    /// In order.
    pub writes: Vec<Write>,
}
