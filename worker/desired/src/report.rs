//! What is said of an object: its status, and what is wrong with it and where.

use control::ObjectRef;
use crds::{
    ClusterStatus, Condition, ConditionStatus, ConditionType, FieldPath, Kind, ObjectMeta, PipelineStatus, Reason, RetentionPolicyStatus,
    Timestamp, TopicStatus, conditions,
};

/// The status of an object, by kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Status {
    /// Of a Cluster.
    Cluster(ClusterStatus),
    /// Of a Topic.
    Topic(TopicStatus),
    /// Of a RetentionPolicy.
    RetentionPolicy(RetentionPolicyStatus),
    /// Of a Pipeline.
    Pipeline(PipelineStatus),
}

impl Status {
    /// Its conditions.
    #[must_use]
    pub fn conditions(&self) -> &[Condition] {
        match self {
            Self::Cluster(status) => &status.conditions,
            Self::Topic(status) => &status.conditions,
            Self::RetentionPolicy(status) => &status.conditions,
            Self::Pipeline(status) => &status.conditions,
        }
    }

    /// The condition of this type, where there is one.
    #[must_use]
    pub fn condition(&self, condition: ConditionType) -> Option<&Condition> {
        self.conditions().iter().find(|one| one.is(condition))
    }
}

/// Something wrong in an object, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The ConfigMap it is in, where it is not in the object itself (a query by `queryFrom`).
    pub config_map: Option<ObjectRef>,
    /// The field.
    pub path: FieldPath,
    /// Line and column, from 1, inside the field's text (a query), where that is known.
    pub text_at: Option<(u32, u32)>,
    /// What is wrong, and what to write instead.
    pub message: String,
    /// Whether it is a person's to fix here, rather than something that may still come (a topic declared later).
    pub is_error: bool,
}

impl Finding {
    /// An error in the object's own field.
    pub(crate) fn error(path: FieldPath, message: impl Into<String>) -> Self {
        Self { config_map: None, path, text_at: None, message: message.into(), is_error: true }
    }

    /// Something that the object waits for.
    pub(crate) fn waiting(path: FieldPath, message: impl Into<String>) -> Self {
        Self { is_error: false, ..Self::error(path, message) }
    }
}

/// What is said of one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace and name.
    pub object: ObjectRef,
    /// Its status as it shall be written.
    pub status: Status,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
    /// The object is being deleted, and all that had to be done for that is done: its finalizer may go.
    pub is_gone: bool,
}

/// Namespace and name of an object; a namespace that is not there is `default`.
pub(crate) fn object_ref(metadata: &ObjectMeta) -> ObjectRef {
    ObjectRef {
        namespace: metadata.namespace.clone().filter(|namespace| !namespace.is_empty()).unwrap_or_else(|| "default".into()),
        name: metadata.name.clone().unwrap_or_default(),
    }
}

pub(crate) fn is_deleted(metadata: &ObjectMeta) -> bool {
    metadata.deletion_timestamp.is_some()
}

/// `streamwright.dev/force-delete: "true"`: the object goes without what would have to be done first.
pub(crate) fn is_forced(metadata: &ObjectMeta) -> bool {
    metadata
        .annotations
        .as_ref()
        .and_then(|annotations| annotations.get("streamwright.dev/force-delete"))
        .is_some_and(|value| value == "true")
}

/// `streamwright.dev/reconcile: paused`: a person has asked for it to be left exactly as it is.
pub(crate) fn is_paused(metadata: &ObjectMeta) -> bool {
    metadata
        .annotations
        .as_ref()
        .and_then(|annotations| annotations.get("streamwright.dev/reconcile"))
        .is_some_and(|value| value == "paused")
}

/// What is said of a paused object: what was said before, and that nothing of it is changed now. Its generation stays the one observed, so
/// that nobody takes a change for done.
pub(crate) fn paused(kind: Kind, object: ObjectRef, mut status: Status) -> Report {
    let conditions = match &mut status {
        Status::Cluster(status) => &mut status.conditions,
        Status::Topic(status) => &mut status.conditions,
        Status::RetentionPolicy(status) => &mut status.conditions,
        Status::Pipeline(status) => &mut status.conditions,
    };
    for ready in conditions.iter_mut().filter(|one| one.is(ConditionType::Ready)) {
        ready.message = "paused by the annotation streamwright.dev/reconcile: nothing of it is changed until that goes".into();
    }
    Report { kind, object, status, findings: Vec::new(), is_gone: false }
}

/// Collects an object's conditions, each with the object's generation; transition times move only with a status.
pub(crate) struct Conditions {
    kind: Kind,
    generation: Option<i64>,
    now: Timestamp,
    list: Vec<Condition>,
}

impl Conditions {
    pub(crate) fn new(kind: Kind, metadata: &ObjectMeta, now: Timestamp) -> Self {
        Self { kind, generation: metadata.generation, now, list: Vec::new() }
    }

    pub(crate) fn add(&mut self, condition: ConditionType, status: ConditionStatus, reason: Reason, message: impl Into<String>) {
        debug_assert!(conditions::reasons(self.kind, condition).contains(&reason), "{} {condition} does not know {reason}", self.kind);
        let mut condition = Condition::new(condition, status, reason, message, self.now);
        condition.observed_generation = self.generation;
        self.list.push(condition);
    }

    /// One of those that are present only when true.
    pub(crate) fn add_true(&mut self, condition: ConditionType, reason: Reason, message: impl Into<String>) {
        self.add(condition, ConditionStatus::True, reason, message);
    }

    pub(crate) fn finish(self, before: &[Condition]) -> Vec<Condition> {
        conditions::settle(self.list, before)
    }
}

/// True or False.
pub(crate) fn status_of(holds: bool) -> ConditionStatus {
    if holds { ConditionStatus::True } else { ConditionStatus::False }
}
