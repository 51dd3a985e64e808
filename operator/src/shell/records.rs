//! What is recorded for Pipelines, read once a version.

use control::ObjectRef;
use crds::Kind;
use desired::AppliedPipeline;
use std::collections::{BTreeMap, HashMap};

use crate::{cache::Cache, plan::record, resource::Resource};

/// The records of the Pipelines that there are.
#[derive(Debug, Default)]
pub(super) struct Records {
    records: BTreeMap<ObjectRef, AppliedPipeline>,
    /// The Pipeline behind each version read.
    read: HashMap<(String, u64), Option<ObjectRef>>,
}

impl Records {
    /// Takes over what changed. A record of a former Pipeline of the name is none.
    pub(super) fn collect(&mut self, cache: &Cache) {
        let mut before = std::mem::take(&mut self.records);
        let mut read = HashMap::with_capacity(self.read.len());
        for object in cache.all(Resource::ConfigMap).filter(|object| record::is_record(object)) {
            let version = (object.uid.clone(), object.version);
            let known = self.read.remove(&version).and_then(|name| name.and_then(|name| before.remove_entry(&name)));
            let found = known.or_else(|| record::read(object).map(|applied| (applied.desired.pipeline.clone(), applied)));
            let name = found.as_ref().map(|(name, _)| name.clone());
            read.insert(version, name);
            if let Some((name, applied)) = found.filter(|(name, applied)| cache.uid(Kind::Pipeline, name) == Some(&applied.desired.uid)) {
                self.records.insert(name, applied);
            }
        }
        self.read = read;
    }

    pub(super) fn all(&self) -> &BTreeMap<ObjectRef, AppliedPipeline> {
        &self.records
    }
}
