//! Where sealed rows go: one object after the other, the manifests into the last.

use super::{
    SealJob, Sealed,
    draft::{DraftManifest, DraftObject, DraftPart, DraftRun},
};
use crate::{
    Claim, HashPartition, ManifestRef, OperatorSchema, SealError,
    manifest::{Holders, Manifest, ObjectRef, Part},
    merge::Merge,
    object::{FinishedObject, ObjectWriter},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};
use store::{Body, Key, ObjectStore, PutError, WriteIds, put_if_absent_settled};

/// Objects of one checkpoint under way.
pub(super) struct Sink<'a> {
    job: &'a SealJob,
    store: &'a dyn ObjectStore,
    write_ids: &'a WriteIds,
    writer: ObjectWriter,
    put: Vec<ObjectRef>,
    holders: BTreeMap<Key, Holders>,
}

/// How often an object's name may be found taken before something else must be wrong.
const NAMES_TRIED_MAX: usize = 100;

impl<'a> Sink<'a> {
    pub(super) fn new(job: &'a SealJob, store: &'a dyn ObjectStore, write_ids: &'a WriteIds) -> Self {
        let writer = ObjectWriter::new(job.limits.block_bytes);
        Self { job, store, write_ids, writer, put: Vec::new(), holders: BTreeMap::new() }
    }

    /// Writes `rows` as one run, in as many parts as it takes; `None` where there are no rows.
    pub(super) fn write_run(
        &mut self,
        hash: HashPartition,
        claim: Claim,
        schema: &OperatorSchema,
        rows: Merge<'_>,
    ) -> Result<Option<DraftRun>, SealError> {
        let mut parts = Vec::new();
        let mut open: Option<(u32, Option<i64>)> = None;
        for batch in rows {
            for block in self.writer.cut(&batch?) {
                if self.writer.bytes() >= self.job.limits.object_bytes {
                    parts.extend(open.take().map(|(section, expires_last)| self.part(section, expires_last)));
                    self.put_full()?;
                }
                let (_, expires_last) = open.get_or_insert_with(|| (self.writer.begin(hash, claim, schema), None));
                *expires_last = (*expires_last).max(schema.expiries(&block).and_then(|expiries| expiries.iter().copied().max()));
                self.writer.push(&block);
            }
        }
        parts.extend(open.map(|(section, expires_last)| self.part(section, expires_last)));
        Ok((!parts.is_empty()).then_some(DraftRun { parts }))
    }

    /// The part that a section of the object at hand is.
    fn part(&self, number: u32, expires_last: Option<i64>) -> DraftPart {
        let section = self.writer.section(number);
        let (first, last) = (section.blocks.first(), section.blocks.last());
        let (first, last) = first.zip(last).expect("a section is begun for rows that are there");
        let (first_hash, last_hash) = (first.first_hash, last.last_hash);
        let (rows, bytes) = (section.rows(), section.bytes());
        let part = Part { object: 0, section: number, first_hash, last_hash, rows, bytes, expires_last };
        DraftPart { object: DraftObject::New(self.put.len()), part }
    }

    /// Puts the object at hand, which has no manifests, and begins another.
    fn put_full(&mut self) -> Result<(), SealError> {
        let finished = self.finish_object();
        let (body, _) = finished.with_manifests([]);
        let object = self.put_somewhere(|_| body.clone())?;
        self.note(&finished, object);
        Ok(())
    }

    /// Puts the last object, with the manifests: these name the object that they are in, so they are written for each name
    /// that is tried.
    pub(super) fn finish(mut self, drafts: Vec<DraftManifest>) -> Result<Sealed, SealError> {
        for draft in &drafts {
            self.writer.hold(draft.head.hash, draft.head.claim);
        }
        let finished = self.finish_object();
        let manifests = |key: &Key| -> Vec<Manifest> {
            let objects: Vec<ObjectRef> = self.put.iter().cloned().chain([finished.named(key.clone())]).collect();
            drafts.iter().map(|draft| draft.named(&objects)).collect()
        };
        let built = |key: &Key| {
            let manifests = manifests(key);
            let (body, places) = finished.with_manifests(manifests.iter().map(|manifest| (manifest.hash, manifest.encode())));
            (body, places, manifests)
        };
        let object = self.put_somewhere(|key| built(key).0)?;
        let (_, places, manifests) = built(&object);
        let at = |(_, place)| ManifestRef { object: object.clone(), place };
        let manifests = places.into_iter().map(at).zip(manifests.into_iter().map(Arc::new)).collect();
        self.note(&finished, object);
        Ok(Sealed { manifests, objects: self.holders })
    }

    fn finish_object(&mut self) -> FinishedObject {
        std::mem::replace(&mut self.writer, ObjectWriter::new(self.job.limits.block_bytes)).finish(self.job.life)
    }

    fn note(&mut self, finished: &FinishedObject, key: Key) {
        self.holders.insert(key.clone(), finished.ownership().holders.clone());
        self.put.push(finished.named(key));
    }

    /// Puts an object under the first name that is free. A name is taken where a Kafka cluster was made anew and gave a
    /// producer id for a second time; the object there is another life's.
    fn put_somewhere(&self, body: impl Fn(&Key) -> Body) -> Result<Key, SealError> {
        let mut taken = PutError::Unknown;
        for _ in 0..NAMES_TRIED_MAX {
            let object = self.job.names.object(self.job.life, self.job.next_object.fetch_add(1, Ordering::Relaxed));
            match put_if_absent_settled(self.store, &object, body(&object), self.write_ids.next()) {
                Ok(_) => return Ok(object),
                Err(lost @ PutError::Lost { .. }) => taken = lost,
                Err(source) => return Err(SealError::Put { object, source }),
            }
        }
        let object = self.job.names.object(self.job.life, self.job.next_object.load(Ordering::Relaxed));
        Err(SealError::Put { object, source: taken })
    }
}
