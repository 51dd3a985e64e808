//! Manifests whose new objects have no names yet: a name is known only when its object has been put.

use crate::{
    OperatorId, Progress,
    manifest::{Manifest, ManifestHead, ObjectRef, OperatorState, Part, Run},
};

/// A manifest to be.
pub(super) struct DraftManifest {
    pub(super) head: ManifestHead,
    pub(super) operators: Vec<DraftOperator>,
}

/// The state of one operator in it.
pub(super) struct DraftOperator {
    pub(super) operator: OperatorId,
    pub(super) schema: u64,
    pub(super) progress: Progress,
    pub(super) runs: Vec<DraftRun>,
}

/// A run in it.
pub(super) struct DraftRun {
    pub(super) parts: Vec<DraftPart>,
}

/// A part of a run in it; the object's number in `part` does not count.
pub(super) struct DraftPart {
    pub(super) object: DraftObject,
    pub(super) part: Part,
}

/// The object that a part is in.
pub(super) enum DraftObject {
    /// One that an earlier manifest names.
    Old(ObjectRef),
    /// The so-manieth that this checkpoint puts.
    New(usize),
}

impl DraftManifest {
    /// The manifest, now that the objects of the checkpoint are known.
    pub(super) fn named(&self, new: &[ObjectRef]) -> Manifest {
        let mut objects = Vec::new();
        let operators = self.operators.iter().map(|operator| operator.named(new, &mut objects)).collect();
        Manifest::new(self.head.clone(), objects, operators)
    }
}

impl DraftOperator {
    /// Old state, as it is.
    pub(super) fn carried(manifest: &Manifest, state: &OperatorState) -> Self {
        let runs = state.runs.iter().map(|run| DraftRun::carried(manifest, run)).collect();
        Self { operator: state.operator, schema: state.schema, progress: state.progress(), runs }
    }

    fn named(&self, new: &[ObjectRef], objects: &mut Vec<ObjectRef>) -> OperatorState {
        let mut named = |draft: &DraftPart| {
            let object = match &draft.object {
                DraftObject::Old(object) => object,
                DraftObject::New(number) => &new[*number],
            };
            let known = objects.iter().position(|known| known.key == object.key);
            let number = known.unwrap_or_else(|| {
                objects.push(object.clone());
                objects.len() - 1
            });
            Part { object: number as u32, ..draft.part.clone() }
        };
        let runs = self.runs.iter().map(|run| Run { parts: run.parts.iter().map(&mut named).collect() }).collect();
        let Progress { horizon_ms, note } = self.progress.clone();
        OperatorState { operator: self.operator, schema: self.schema, horizon_ms, note, runs }
    }
}

impl DraftRun {
    /// An old run, as it is.
    pub(super) fn carried(manifest: &Manifest, run: &Run) -> Self {
        let object = |part: &Part| DraftObject::Old(manifest.objects[part.object as usize].clone());
        Self { parts: run.parts.iter().map(|part| DraftPart { object: object(part), part: part.clone() }).collect() }
    }
}
