//! Names of the objects that keep a pipeline's state.
//!
//! ```text
//! pipelines/<namespace>/<pipeline>/<layout>/pod/<life>/<n>         runs of many hash partitions and their manifests
//! pipelines/<namespace>/<pipeline>/<layout>/pins/<name>            what a snapshot or a new version holds on to
//! pipelines/<namespace>/<pipeline>/<layout>/condemned/<life>-<n>   what a collector is about to delete
//! ```
//!
//! One object carries what one checkpoint of one pod sealed, for all its hash partitions: a put costs the same for one as for
//! 64. So the name tells the pod's life, and what would be in a name of its own for each hash partition, who claimed it when,
//! is in the object's footer. A life is never repeated and `n` counts up, so a name is never used twice.

use crate::Life;
use store::{InvalidKey, Key, Prefix};

/// The names of one layout of one pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateNames {
    folder: Key,
}

impl StateNames {
    /// Names for the pipeline `namespace`/`pipeline` in `layout` (the first 8 hex digits of its uid, the plan's version and
    /// `maxParallelism`).
    ///
    /// # Errors
    /// Where one of them cannot be part of an object's name.
    pub fn new(namespace: &str, pipeline: &str, layout: &str) -> Result<Self, InvalidKey> {
        for part in [namespace, pipeline, layout] {
            if part.contains('/') {
                return Err(InvalidKey { text: part.into(), rule: "has a / within one segment" });
            }
        }
        let folder = Key::new(format!("pipelines/{namespace}/{pipeline}/{layout}"))?;
        // Room for the longest name below, so that making one cannot fail.
        folder.join("x".repeat(200))?;
        Ok(Self { folder })
    }

    /// The layout's part of every name.
    #[must_use]
    pub fn layout(&self) -> &str {
        self.folder.name()
    }

    /// What all names begin with.
    #[must_use]
    pub fn all(&self) -> Prefix {
        Prefix::folder(&self.folder)
    }

    /// The object number `n` of a pod's life.
    pub(crate) fn object(&self, life: Life, n: u64) -> Key {
        self.within(format_args!("pod/{life}/{n:010}"))
    }

    /// What the objects of all pods begin with.
    pub(crate) fn objects(&self) -> Prefix {
        Prefix::folder(&self.within(format_args!("pod")))
    }

    /// The pin called `name`.
    ///
    /// # Errors
    /// Where the name cannot be part of an object's name.
    pub(crate) fn pin(&self, name: &str) -> Result<Key, InvalidKey> {
        self.folder.join(format_args!("pins/{name}"))
    }

    pub(crate) fn pins(&self) -> Prefix {
        Prefix::folder(&self.within(format_args!("pins")))
    }

    pub(crate) fn condemned(&self, life: Life, n: u64) -> Key {
        self.within(format_args!("condemned/{life}-{n:010}"))
    }

    pub(crate) fn all_condemned(&self) -> Prefix {
        Prefix::folder(&self.within(format_args!("condemned")))
    }

    fn within(&self, name: std::fmt::Arguments<'_>) -> Key {
        self.folder.join(name).expect("digits fit into the room that was made")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use units::{ProducerEpoch, ProducerId};

    #[test]
    fn names_tell_pipeline_layout_and_life() {
        let names = StateNames::new("flights", "delays", "0a1b2c3d-1-64").unwrap();
        let life = Life { producer_id: ProducerId(i64::MAX), epoch: ProducerEpoch(3) };
        let object = names.object(life, 12);
        assert_eq!(object.as_str(), "pipelines/flights/delays/0a1b2c3d-1-64/pod/9223372036854775807-3/0000000012");
        assert!(names.objects().matches(&object) && names.all().matches(&object) && !names.pins().matches(&object));
        assert_eq!(names.layout(), "0a1b2c3d-1-64");
    }

    #[test]
    fn parts_that_are_not_one_segment_are_refused() {
        assert!(StateNames::new("a/b", "c", "d").is_err());
        assert!(StateNames::new("a", "..", "d").is_err());
        assert!(StateNames::new("a", &"x".repeat(250), &"y".repeat(250)).is_ok());
    }
}
