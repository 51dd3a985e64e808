//! The StatefulSet and its PodDisruptionBudget.

use crds::ObjectMeta;
use k8s_openapi::{
    api::{
        apps::v1::{StatefulSet, StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetSpec, StatefulSetUpdateStrategy},
        core::v1::{PersistentVolumeClaim, PodTemplateSpec},
        policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec},
    },
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::labels::{Labelled, matching};

/// What differs between the StatefulSets of a Cluster and of a Pipeline.
pub(crate) struct SetShape<'a> {
    pub(crate) metadata: ObjectMeta,
    pub(crate) labelled: &'a Labelled,
    /// The headless Service.
    pub(crate) service: String,
    pub(crate) replicas: i32,
    pub(crate) template: PodTemplateSpec,
    pub(crate) claims: Vec<PersistentVolumeClaim>,
}

/// A StatefulSet whose pods are replaced by us, when it is safe, and whose claims outlive it.
pub(crate) fn stateful_set(shape: SetShape<'_>) -> StatefulSet {
    let has_claims = !shape.claims.is_empty();
    let retain =
        || StatefulSetPersistentVolumeClaimRetentionPolicy { when_deleted: Some("Retain".into()), when_scaled: Some("Retain".into()) };
    StatefulSet {
        metadata: shape.metadata,
        spec: Some(StatefulSetSpec {
            persistent_volume_claim_retention_policy: has_claims.then(retain),
            pod_management_policy: Some("Parallel".into()),
            replicas: Some(shape.replicas),
            revision_history_limit: Some(2),
            selector: matching(shape.labelled.selector.clone()),
            service_name: Some(shape.service),
            template: shape.template,
            update_strategy: Some(StatefulSetUpdateStrategy { type_: Some("OnDelete".into()), rolling_update: None }),
            volume_claim_templates: has_claims.then_some(shape.claims),
            ..StatefulSetSpec::default()
        }),
        status: None,
    }
}

/// One pod at a time may be drained; one that does not serve anyway may always be.
pub(crate) fn disruption_budget(metadata: ObjectMeta, labelled: &Labelled) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata,
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(matching(labelled.selector.clone())),
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".into()),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    }
}
