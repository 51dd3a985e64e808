//! Manifests of a broker whose volume was lost, as its successor takes them over.
//!
//! The claim ends the rows of earlier incarnations, but a manifest that one of them has put may still be on its way to the store: with a
//! log start that went with the volume, and that would pass what is written from now on. Once the manifest is this incarnation's,
//! such a put fails, since it expects another one; where there is none, an empty one is made.

use std::{collections::HashMap, sync::Arc};

use store::Version;

use super::{Parts, ShipError, Shipper, pending_parts, read_manifest};
use crate::{TopicPartitionId, manifest::Manifest};

/// How often what must be done at once is tried where an answer is not clear.
const ATTEMPTS: usize = 10;

/// Tries again although puts of the process before may still arrive and come between.
pub(crate) fn insist<T>(mut attempt: impl FnMut() -> Result<T, ShipError>) -> Result<T, ShipError> {
    for _ in 1..ATTEMPTS {
        match attempt() {
            Err(ShipError::Unclear(key)) => tracing::debug!(%key, "a put came between"),
            done => return done,
        }
    }
    attempt()
}

/// A partition's manifest with all that is in the row, and its version once it is this incarnation's.
pub(crate) type Taken = (Option<Manifest>, Option<Version>);

impl Shipper {
    /// What earlier incarnations have put and no manifest names.
    pub(crate) fn found_parts(&self) -> Result<Parts, ShipError> {
        pending_parts(&*self.store, &self.keys, self.owner.incarnation, self.policy.requests_max)
    }

    /// Makes one partition's manifest this incarnation's, with the parts that were found behind it. Another broker's stays as it is.
    ///
    /// # Errors
    /// As for any put; [`ShipError::Fenced`] where a later incarnation has it.
    pub(crate) fn take(&self, id: TopicPartitionId, parts: &Parts) -> Result<Taken, ShipError> {
        insist(|| self.take_once(id, parts))
    }

    fn take_once(&self, id: TopicPartitionId, parts: &Parts) -> Result<Taken, ShipError> {
        let (named, version) = read_manifest(&*self.store, &self.keys, id)?.unzip();
        let manifest = parts.over(id, named, || Manifest::new(self.owner));
        if !self.rules.restored_is_taken_over || manifest.as_ref().is_some_and(|manifest| manifest.owner.broker != self.owner.broker) {
            return Ok((manifest, None));
        }
        let mut manifest = manifest.unwrap_or_else(|| Manifest::new(self.owner));
        let (found, ours) = (manifest.owner.incarnation.0, self.owner.incarnation.0);
        if found > ours {
            return Err(ShipError::Fenced { found, ours });
        }
        manifest.owner = self.owner;
        let version = self.put(&self.keys.manifest(id), version.as_ref(), manifest.encode())?;
        Ok((Some(manifest), Some(version)))
    }

    /// Goes on from the manifests that were taken: they are known, and nothing in the row is left to be named.
    pub(crate) fn adopt(&mut self, taken: HashMap<TopicPartitionId, (Arc<Manifest>, Version)>) {
        self.is_scanned = self.rules.restored_is_taken_over;
        self.manifests = taken;
    }
}
