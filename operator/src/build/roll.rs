//! Which pod is deleted next: brokers one at a time and only for a reason, Pipelines' pods also where nobody answers for them any more.
//!
//! Pods are named by uid throughout: between looking and deleting, another pod may have taken the name.

use crds::Timestamp;

/// A pod as it was observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedPod {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// The number at the end of its name: the broker's id.
    pub ordinal: i32,
    /// Its annotation [`super::ROLL_HASH`].
    pub roll_hash: Option<String>,
    /// Whether its condition Ready is true.
    pub is_ready: bool,
    /// `metadata.deletionTimestamp`: when it shall be gone at the latest.
    pub deleted_by: Option<Timestamp>,
    /// What is known of its node.
    pub node: NodeState,
    /// Whether its program was asked and does not answer the operator itself, whatever is said of its node.
    pub is_silent: bool,
}

/// What is known of a pod's node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// Its condition Ready is true.
    Ready,
    /// Its condition Ready is false or unknown: for a while it has not reported, or could not, where it was the API server that was away.
    NotReady,
    /// There is no node of that name any more.
    Gone,
    /// Nobody looked: the operator may not look at nodes, or the pod has none.
    Unknown,
}

/// A broker as it speaks for itself, and as status has recorded it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The id that the process in the pod gives; `None`: it does not answer.
    pub says: Option<(i32, i64)>,
    /// Id and incarnation in `status.brokers` of the pod's name.
    pub recorded: Option<(i32, i64)>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intention {
    /// Deleted in the ordinary way, with this uid as precondition; its StatefulSet makes it again.
    Delete {
        /// Its name.
        name: String,
        /// Its uid.
        uid: String,
        /// Why, for an Event.
        why: String,
    },
    /// Deleted without waiting for its node (`gracePeriodSeconds: 0`), with this uid as precondition.
    ForceDelete {
        /// Its name.
        name: String,
        /// Its uid.
        uid: String,
        /// Why, for an Event.
        why: String,
    },
    /// Nothing now; the sentence is for the condition Reconciling.
    Wait(String),
}

/// How long a pod that should be gone is waited for.
const OVERDUE_SECONDS: i64 = 30;

/// Decides about the broker pods of a Cluster that shall have the hash `wanted`. At most one intention: one broker at a time, the next when
/// all others are ready. Never a forced deletion: a broker that cannot be asked may still hold its volume.
#[must_use]
pub fn brokers(pods: &[ObservedPod], wanted: &str, replicas: i32, identity: impl Fn(&ObservedPod) -> Identity) -> Option<Intention> {
    let is_outdated = |pod: &&ObservedPod| pod.ordinal < replicas && pod.roll_hash.as_deref() != Some(wanted);
    // One that does not serve anyway goes first: that is also the way out of a change that does not start.
    let mut outdated: Vec<_> = pods.iter().filter(is_outdated).collect();
    outdated.sort_by_key(|pod| (pod.is_ready, pod.ordinal));
    let pod = outdated.first()?;
    if let Some(leaving) = pods.iter().find(|pod| pod.deleted_by.is_some()) {
        return Some(Intention::Wait(format!("pod {} is on its way out", leaving.name)));
    }
    let others = pods.iter().filter(|other| other.uid != pod.uid && other.ordinal < replicas);
    let ready = others.filter(|other| other.is_ready).count();
    if pod.is_ready && ready + 1 < usize::try_from(replicas).unwrap_or(0) {
        return Some(Intention::Wait(format!("pod {} is replaced when all other brokers are ready", pod.name)));
    }
    Some(match mistaken(pod, identity(pod)) {
        Some(why) => Intention::Wait(why),
        None => Intention::Delete { name: pod.name.clone(), uid: pod.uid.clone(), why: "its pod or version has changed".into() },
    })
}

/// Why a pod is not the broker that it is taken for. One that is not ready and does not answer is taken for what its name says.
fn mistaken(pod: &ObservedPod, identity: Identity) -> Option<String> {
    match (identity.says, identity.recorded) {
        (None, _) if pod.is_ready => Some(format!("pod {} does not say which broker it is", pod.name)),
        (Some((id, _)), _) if id != pod.ordinal => Some(format!("pod {} is broker {id}, not {}", pod.name, pod.ordinal)),
        (_, Some((id, _))) if id != pod.ordinal => Some(format!("status says that pod {} is broker {id}, not {}", pod.name, pod.ordinal)),
        (Some((_, incarnation)), Some((_, recorded))) if incarnation < recorded => {
            Some(format!("pod {} is incarnation {incarnation} of its broker, and {recorded} has been seen", pod.name))
        }
        _ => None,
    }
}

/// Decides about the pods of a Pipeline that shall have the hash `wanted`: each that is outdated is replaced, and each that nobody answers
/// for is taken away by force, so that another may take over. That is safe: what it left open is fenced by the log. One that still answers the
/// operator is left to its work: after an outage of the API server no node has reported, and all pods go on.
#[must_use]
pub fn pipelines(now: Timestamp, pods: &[ObservedPod], wanted: &str) -> Vec<Intention> {
    let decide = |pod: &ObservedPod| {
        let overdue = pod.deleted_by.is_some_and(|deadline| now.as_second() > deadline.as_second() + OVERDUE_SECONDS);
        let (name, uid) = (pod.name.clone(), pod.uid.clone());
        let force = |why: &str| Some(Intention::ForceDelete { name: name.clone(), uid: uid.clone(), why: why.into() });
        match pod.node {
            NodeState::NotReady if pod.is_silent => force("its node does not answer; the log fences what it left open"),
            NodeState::Gone => force("its node is gone"),
            _ if overdue => force("it should have been gone; the log fences what it left open"),
            _ if pod.deleted_by.is_some() || pod.roll_hash.as_deref() == Some(wanted) => None,
            _ => Some(Intention::Delete { name, uid, why: "its pod or version has changed".into() }),
        }
    };
    pods.iter().filter_map(decide).collect()
}
