//! Objects that nothing names any more: told apart from those that something does, or may yet.
//!
//! Only manifests of the partitions in a segment's own directory can name it, so those are asked. For a segment of an earlier
//! incarnation that alone proves nothing, since a manifest which that one has put may still be on its way to the store: each
//! of them is taken over first, by a put that makes every earlier one fail. For one of this incarnation it proves nothing either, where a
//! log start passed a part before any manifest named it: a successor finds the part in the row and names it, unless a manifest says that the
//! log start lies behind it. Such segments are kept until there are enough of them to be worth the puts, which fail where a successor has put its own;
//! what is left when a process ends, its successor removes. Fences and epoch objects are kept for ever.

use std::collections::{BTreeSet, HashSet};

use super::{ShipError, Shipper, claim::PAGE_KEYS};
use crate::{
    TopicPartitionId,
    engine::ship::ShipDone,
    manifest::{Manifest, ObjectId, SegmentRef},
};

/// A segment that no manifest names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unnamed {
    pub(crate) object: ObjectId,
    /// Partitions with a part in it that have no manifest, where the segment is of an earlier incarnation: as long as one of them
    /// lives, its first manifest may still be on its way.
    pub(crate) without_manifest: Vec<TopicPartitionId>,
}

/// What is known of an object that may be of no use.
enum Verdict {
    /// It is named, or gone.
    Kept,
    Unnamed(Unnamed),
    /// Nothing names it, but who finds it in the row would, until these partitions' manifests say where their logs begin.
    Unsettled(Vec<TopicPartitionId>),
}

impl Shipper {
    /// Which objects behind `gone` nothing names any more. What cannot be told now is asked again with the next of them: that
    /// something is not cleaned up is no failure of what was done.
    pub(super) fn unnamed(&mut self, gone: &[SegmentRef], forgotten: Option<TopicPartitionId>) -> Vec<Unnamed> {
        self.suspects.extend(gone.iter().map(|segment| segment.object));
        let mut unnamed = Vec::new();
        let (mut unsettled, mut waiting) = (BTreeSet::new(), 0);
        for object in self.suspects.iter().copied().collect::<Vec<_>>() {
            match self.judge(object, forgotten) {
                Ok(Verdict::Unsettled(ids)) => {
                    unsettled.extend(ids);
                    waiting += 1;
                    continue;
                }
                Ok(Verdict::Unnamed(found)) => unnamed.push(found),
                Ok(Verdict::Kept) => {}
                Err(error) if error.is_lasting() => keep(object, &error),
                Err(error) => {
                    tracing::debug!(%error, "whether objects are still of use is asked again later");
                    break;
                }
            }
            self.suspects.remove(&object);
        }
        if waiting > self.policy.parts_max
            && let Err(error) = unsettled.into_iter().try_for_each(|id| self.swap(id, |_| {}).map(drop))
        {
            tracing::debug!(%error, "log starts are put in manifests later");
        }
        unnamed
    }

    /// One step through the segments of earlier incarnations: at most one listing, one directory, and the manifests in it.
    pub(super) fn sweep(&mut self) -> Result<ShipDone, ShipError> {
        let listed = self.store.list(&self.keys.segments(), self.swept_to.as_ref(), PAGE_KEYS)?;
        let manifests = || self.manifests.values().map(|(manifest, _)| manifest);
        let named: HashSet<_> = manifests().flat_map(|manifest| &manifest.segments).map(|segment| segment.object).collect();
        let chunks: HashSet<_> = manifests().flat_map(|manifest| &manifest.chunks).map(|chunk| chunk.object).collect();
        let mut is_done = listed.len() < PAGE_KEYS;
        for listed in listed {
            let object = self.keys.object(&listed.key);
            if object.is_some_and(|object| object.incarnation >= self.owner.incarnation) {
                is_done = true;
                break;
            }
            let suspect = object.filter(|object| listed.size > 0 && !named.contains(object) && !chunks.contains(object));
            let unnamed = suspect.map(|object| self.judge_if_possible(object)).transpose()?;
            self.swept_to = Some(listed.key);
            if let Some(mut unnamed) = unnamed {
                unnamed.extend(self.unnamed(&[], None));
                return Ok(ShipDone::Swept { unnamed, is_done: false });
            }
        }
        Ok(ShipDone::Swept { unnamed: self.unnamed(&[], None), is_done })
    }

    /// Judges `object` anew, with manifests of this incarnation for the partitions in `own`.
    pub(super) fn judge_owning(&mut self, object: ObjectId, own: &[TopicPartitionId]) -> Result<ShipDone, ShipError> {
        own.iter().try_for_each(|id| self.take_over(*id))?;
        let mut unnamed = self.judge_if_possible(object)?;
        unnamed.extend(self.unnamed(&[], None));
        Ok(ShipDone::Judged { object, unnamed })
    }

    /// What cannot be judged since something is damaged is kept: it must not keep everything else waiting.
    fn judge_if_possible(&mut self, object: ObjectId) -> Result<Vec<Unnamed>, ShipError> {
        match self.judge(object, None) {
            Err(error) if error.is_lasting() => {
                keep(object, &error);
                Ok(Vec::new())
            }
            Ok(Verdict::Unnamed(unnamed)) => Ok(vec![unnamed]),
            Ok(Verdict::Kept) => Ok(Vec::new()),
            Ok(Verdict::Unsettled(_)) => {
                self.suspects.insert(object);
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    /// Whether nothing names `object`. The manifest of `forgotten` is known to be gone.
    fn judge(&mut self, object: ObjectId, forgotten: Option<TopicPartitionId>) -> Result<Verdict, ShipError> {
        if self.pending.values().flatten().any(|naming| naming.reference.object == object) {
            return Ok(Verdict::Kept);
        }
        let is_ours = object.incarnation == self.owner.incarnation || !self.rules.judging_takes_over;
        let Some(parts) = self.directory(object)? else { return Ok(Verdict::Kept) };
        let (mut without_manifest, mut unsettled) = (Vec::new(), Vec::new());
        for (id, end) in parts.into_iter().filter(|(id, _)| Some(*id) != forgotten) {
            // A put of our own may still be on its way, too: another makes it fail.
            if self.unclear.contains(&id) && self.rules.judging_takes_over {
                self.swap(id, |_| {})?;
            }
            match self.load(id)? {
                Some((manifest, _)) if manifest.names(object) => return Ok(Verdict::Kept),
                Some((manifest, _)) if is_ours => unsettled.extend((manifest.reach() < end).then_some(id)),
                Some(_) => self.take_over(id)?,
                // A partition that is removed has no log start.
                None if is_ours => unsettled.extend(self.starts.contains_key(&id).then_some(id)),
                None => without_manifest.push(id),
            }
        }
        if unsettled.is_empty() || !self.rules.judging_takes_over {
            return Ok(Verdict::Unnamed(Unnamed { object, without_manifest }));
        }
        Ok(Verdict::Unsettled(unsettled))
    }

    /// Makes the manifest one that this incarnation has put: no put of an earlier one can change it any more. Another broker's
    /// stays as it is.
    fn take_over(&mut self, id: TopicPartitionId) -> Result<(), ShipError> {
        let ours = self.owner;
        let is_settled = |manifest: &Manifest| manifest.owner == ours || manifest.owner.broker != ours.broker;
        match self.load(id)? {
            Some((manifest, _)) if is_settled(&manifest) => Ok(()),
            _ => self.swap(id, |_| {}).map(drop),
        }
    }
}

fn keep(object: ObjectId, error: &ShipError) {
    tracing::warn!(?object, %error, "a segment that may be of no use is kept");
}

/// Objects to be judged.
pub(super) type Suspects = BTreeSet<ObjectId>;
