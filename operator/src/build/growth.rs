//! Volumes that grow: claims first, then the StatefulSet, whose template of claims can never change, is made again around its pods.

use k8s_openapi::{
    api::{
        apps::v1::StatefulSet,
        core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec},
    },
    apimachinery::pkg::api::resource::Quantity,
};

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intention {
    /// The claim requests this much from now on.
    GrowClaim {
        /// Its name.
        name: String,
        /// Size as the spec writes it.
        size: String,
    },
    /// The StatefulSet is deleted with `propagationPolicy: Orphan` and this uid as precondition, then applied: its pods run on, and the new
    /// one takes them over by their labels.
    RemakeStatefulSet {
        /// Its name.
        name: String,
        /// Its uid: another one under the name is left alone.
        uid: String,
    },
}

/// What is to be done, and what is waited for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Growth {
    /// In order; all may be done at once.
    pub intentions: Vec<Intention>,
    /// Sentences on claims that have been asked to grow and have not yet.
    pub waiting: Vec<String>,
    /// Whether the StatefulSet may be applied as it is wanted: while a part of it differs that can never change, applying it would fail, and
    /// [`in_force`] is applied instead.
    pub may_apply: bool,
}

/// Decides from the StatefulSet as it is wanted, as it is, and the claims of its pods. The set is made again only when a claim has been seen
/// for each of its pods, and each asks for the new size: it would never look at a claim again. A claim that is not bound to a volume cannot
/// be changed, and is waited for.
#[must_use]
pub fn decide(wanted: &StatefulSet, live: Option<&StatefulSet>, claims: &[PersistentVolumeClaim]) -> Growth {
    let mut growth = Growth { may_apply: true, ..Growth::default() };
    let Some(live) = live else { return growth };
    let Some((size, wanted_bytes)) = template(wanted).and_then(requested) else { return growth };
    let replicas = live.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let mut all_asked = claims.len() >= usize::try_from(replicas).unwrap_or(0);
    for claim in claims {
        let name = claim.metadata.name.clone().unwrap_or_default();
        let asked = claim.spec.as_ref().and_then(requested).map_or(0, |(_, bytes)| bytes);
        let status = claim.status.as_ref();
        let capacity = status.and_then(|status| status.capacity.as_ref()).and_then(|capacity| bytes(capacity.get("storage")?));
        if asked < wanted_bytes && status.and_then(|status| status.phase.as_deref()) != Some("Bound") {
            all_asked = false;
            growth.waiting.push(format!("claim {name} has no volume yet, and grows when it has"));
        } else if asked < wanted_bytes {
            all_asked = false;
            growth.intentions.push(Intention::GrowClaim { name, size: size.clone() });
        } else if capacity.is_some_and(|capacity| capacity < asked) {
            growth.waiting.push(waiting(claim, &name));
        }
    }
    if template(live).and_then(requested).map(|(_, bytes)| bytes) != Some(wanted_bytes) {
        growth.may_apply = false;
        if let Some(uid) = live.metadata.uid.clone().filter(|_| all_asked && live.metadata.deletion_timestamp.is_none()) {
            growth.intentions.push(Intention::RemakeStatefulSet { name: live.metadata.name.clone().unwrap_or_default(), uid });
        }
    }
    growth
}

/// The StatefulSet as it is wanted, with the templates of claims that it has: what may be applied while volumes grow, so that nothing else
/// waits for them.
#[must_use]
pub fn in_force(wanted: &StatefulSet, live: &StatefulSet) -> StatefulSet {
    let mut set = wanted.clone();
    if let (Some(spec), Some(live)) = (&mut set.spec, &live.spec) {
        spec.volume_claim_templates.clone_from(&live.volume_claim_templates);
    }
    set
}

fn waiting(claim: &PersistentVolumeClaim, name: &str) -> String {
    let conditions = claim.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let said = conditions.iter().find(|condition| condition.status == "True").map(|condition| match condition.type_.as_str() {
        "FileSystemResizePending" => "its file system grows when the node gets to it".to_owned(),
        other => condition.message.clone().filter(|message| !message.is_empty()).unwrap_or_else(|| other.to_owned()),
    });
    format!("claim {name} is growing{}", said.map(|said| format!(": {said}")).unwrap_or_default())
}

fn template(set: &StatefulSet) -> Option<&PersistentVolumeClaimSpec> {
    set.spec.as_ref()?.volume_claim_templates.as_ref()?.first()?.spec.as_ref()
}

/// The size that a claim asks for, as text and in bytes.
fn requested(claim: &PersistentVolumeClaimSpec) -> Option<(String, u64)> {
    let size = claim.resources.as_ref()?.requests.as_ref()?.get("storage")?;
    Some((size.0.clone(), bytes(size)?))
}

/// Kubernetes writes a size in its shortest form (`1536Mi` for `1.5Gi`, `2Ti` for `2048Gi`): sizes are compared as numbers.
fn bytes(size: &Quantity) -> Option<u64> {
    crds::Quantity::new(&size.0).bytes().ok()
}
