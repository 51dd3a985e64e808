//! Conditions and the fixed vocabulary of their reasons.

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

use crate::Kind;

/// One aspect of an object's state: a full metav1 Condition.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What it speaks of.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 316))]
    pub condition_type: String,
    /// True, False or Unknown.
    pub status: ConditionStatus,
    /// Why, in one word of a fixed vocabulary.
    #[schemars(length(min = 1, max = 1024))]
    pub reason: String,
    /// Why, in a sentence.
    #[schemars(length(max = 32768))]
    pub message: String,
    /// When `status` changed last.
    pub last_transition_time: Time,
    /// The `metadata.generation` that this condition speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// Whether a condition holds.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Nobody knows.
    Unknown,
}

macro_rules! vocabulary {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$word_doc])* $word),* }

        impl $name {
            /// Every word.
            pub const ALL: &'static [Self] = &[$(Self::$word),*];

            /// The word as it is written in status.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$word => stringify!($word)),* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

vocabulary! {
    /// The types of conditions that we write.
    ConditionType {
        /// The spec of `observedGeneration` is in force and serves.
        Ready,
        /// A change is on its way (kstatus).
        Reconciling,
        /// A person has to act (kstatus).
        Stalled,
        /// Serves, but worse than asked.
        Degraded,
        /// The object store answers and arbitrates.
        ObjectStoreReady,
        /// The clusterRef is usable.
        ClusterResolved,
        /// The retention wished for is the one in force.
        RetentionResolved,
        /// The query was planned against today's schemas.
        QueryValid,
        /// Topics and Cluster are there.
        DependenciesReady,
        /// Checkpoints keep up.
        CheckpointHealthy,
    }
}

vocabulary! {
    /// The reasons that we give.
    Reason {
        /// The API server has it, the operator has not looked yet.
        NotReconciled,
        /// In force and serving.
        Available,
        /// Looked at, not touched (managementPolicy Observe).
        Observed,
        /// No Topic names it.
        Unused,
        /// `suspend: true`.
        Suspended,
        /// `replicas: 0`.
        Idle,
        /// Every source is bounded and was read to its end.
        Finished,
        /// On its way.
        Progressing,
        /// The broker does not serve.
        BrokerNotReady,
        /// The object store does not answer.
        StoreUnavailable,
        /// Pods are replaced one at a time.
        RollingUpdate,
        /// A volume grows.
        VolumeResizing,
        /// The store does not arbitrate conditional writes.
        StoreRefused,
        /// A volume is gone.
        VolumeLost,
        /// The external Kafka is too old or lacks transaction.version 2.
        UnsupportedKafka,
        /// Two objects want the same thing.
        Conflict,
        /// No such Cluster.
        ClusterNotFound,
        /// The Cluster does not let this namespace in.
        NotAllowed,
        /// The Cluster does not serve.
        ClusterNotReady,
        /// The broker could not do it; it is tried again.
        BrokerUnavailable,
        /// Being made.
        Creating,
        /// Being changed.
        Altering,
        /// Being deleted.
        Deleting,
        /// The topic of this name is another one than ours.
        TopicIdMismatch,
        /// The topic has more partitions than the spec says.
        PartitionsAboveSpec,
        /// A setting is unknown or impossible.
        InvalidConfig,
        /// On its way to the topics.
        Applying,
        /// It contradicts itself.
        Invalid,
        /// A topic, a schema or the Cluster is missing.
        DependencyMissing,
        /// The query cannot be planned.
        PlanError,
        /// Checkpoints fail.
        CheckpointFailing,
        /// Hash partitions move between pods.
        Rescaling,
        /// A new plan takes over.
        Upgrading,
        /// State is read back.
        Restoring,
        /// A last commit.
        Draining,
        /// The new query would give up state, without consent.
        StateLossNotAllowed,
        /// Log and state disagree.
        DataLoss,
        /// There is no such snapshot.
        SnapshotNotFound,
        /// No progress for too long.
        ProgressDeadlineExceeded,
        /// Found, allowed, usable.
        Resolved,
        /// Nothing was asked for; the default is in force.
        Default,
        /// No such RetentionPolicy; the retention before stays.
        PolicyNotFound,
        /// The RetentionPolicy contradicts itself; the retention before stays.
        PolicyInvalid,
        /// It would delete data, without consent; the retention before stays.
        ShrinkNotAllowed,
        /// The store answers.
        Reachable,
        /// There is none; a folder on the volume stands for it.
        NotConfigured,
        /// The store does not answer.
        Unreachable,
        /// The store does not honour conditional writes.
        RefusedNoConditionalWrites,
        /// The store refuses our credentials.
        AccessDenied,
        /// The query was planned.
        Planned,
        /// The ConfigMap or its key is missing.
        QuerySourceNotFound,
        /// No such Topic on the Cluster.
        TopicNotFound,
        /// The Topic has no schema.
        SchemaMissing,
        /// A query with state needs an object store.
        ObjectStoreRequired,
        /// Checkpoints keep up.
        Healthy,
        /// There is no state.
        NotNeeded,
        /// Checkpoints are behind.
        FallingBehind,
        /// Uploads have failed for minutes.
        UploadFailing,
        /// Much is on the volume alone.
        BytesAtRiskHigh,
        /// The object store is away; shipping waits.
        StoreAway,
        /// What the object store has of some partitions is damaged; they are not shipped.
        StoreDamaged,
        /// Rows went to the dead-letter topic.
        RecordsDeadLettered,
        /// A listener is reached from outside the cluster and is not encrypted.
        PlaintextListener,
        /// An open transaction holds readers back.
        LsoBlocked,
        /// Rows wait and none is processed.
        ZeroRateWithLag,
        /// allowShrink or allowStateLoss is still true a day after it was needed.
        ConsentLeftOn,
    }
}

impl Condition {
    /// A condition as of now. [`settle`] keeps the time of a condition whose status did not change.
    #[must_use]
    pub fn new(condition: ConditionType, status: ConditionStatus, reason: Reason, message: impl Into<String>, now: Timestamp) -> Self {
        Self {
            condition_type: condition.as_str().into(),
            status,
            reason: reason.as_str().into(),
            message: message.into(),
            last_transition_time: Time(now),
            observed_generation: None,
        }
    }

    /// Whether it is of this type.
    #[must_use]
    pub fn is(&self, condition: ConditionType) -> bool {
        self.condition_type == condition.as_str()
    }
}

/// `now` with the transition times of `before` wherever a status did not change: `lastTransitionTime` moves only with `status`.
#[must_use]
pub fn settle(mut now: Vec<Condition>, before: &[Condition]) -> Vec<Condition> {
    for condition in &mut now {
        let same = before.iter().find(|old| old.condition_type == condition.condition_type && old.status == condition.status);
        if let Some(old) = same {
            condition.last_transition_time = old.last_transition_time.clone();
        }
    }
    arrange(&mut now);
    now
}

/// Puts conditions in order: `Ready` first, the others by type. The API server keeps a list map in whatever order its writers came.
pub fn arrange(conditions: &mut [Condition]) {
    conditions.sort_by(|left, right| {
        let order = |one: &Condition| !one.is(ConditionType::Ready);
        (order(left), &left.condition_type).cmp(&(order(right), &right.condition_type))
    });
}

/// The reasons that a condition of this type may have on this kind, whatever its status; empty where the kind does not have the condition.
#[must_use]
pub fn reasons(kind: Kind, condition: ConditionType) -> &'static [Reason] {
    use {ConditionType as Type, Reason::*};
    match (condition, kind) {
        (Type::Ready, Kind::Cluster) => {
            &[Available, NotReconciled, BrokerNotReady, StoreUnavailable, Progressing, StoreRefused, VolumeLost, UnsupportedKafka, Conflict]
        }
        (Type::Ready, Kind::Topic) => &[
            Available,
            Observed,
            NotReconciled,
            ClusterNotFound,
            NotAllowed,
            ClusterNotReady,
            BrokerUnavailable,
            Creating,
            Altering,
            Deleting,
            Conflict,
            TopicIdMismatch,
            PartitionsAboveSpec,
            InvalidConfig,
        ],
        (Type::Ready, Kind::RetentionPolicy) => &[Available, Unused, NotReconciled, Applying, Invalid],
        (Type::Ready, Kind::Pipeline) => &[
            Available,
            Suspended,
            Idle,
            Finished,
            NotReconciled,
            DependencyMissing,
            PlanError,
            CheckpointFailing,
            Progressing,
            StateLossNotAllowed,
            DataLoss,
            SnapshotNotFound,
            ProgressDeadlineExceeded,
        ],
        (Type::Reconciling, Kind::Cluster) => &[RollingUpdate, VolumeResizing],
        (Type::Reconciling, Kind::Topic) => &[Creating, Altering, Deleting],
        (Type::Reconciling, Kind::RetentionPolicy) => &[Applying],
        (Type::Reconciling, Kind::Pipeline) => &[Progressing, RollingUpdate, Rescaling, Upgrading, Restoring, Draining],
        (Type::Stalled, Kind::Cluster) => &[StoreRefused, VolumeLost, UnsupportedKafka, Conflict],
        (Type::Stalled, Kind::Topic) => &[Conflict, TopicIdMismatch, PartitionsAboveSpec, InvalidConfig],
        (Type::Stalled, Kind::RetentionPolicy) => &[Invalid],
        (Type::Stalled, Kind::Pipeline) => &[PlanError, StateLossNotAllowed, DataLoss, SnapshotNotFound, ProgressDeadlineExceeded],
        (Type::Degraded, Kind::Cluster) => &[BytesAtRiskHigh, StoreAway, StoreDamaged, PlaintextListener, LsoBlocked],
        (Type::Degraded, Kind::Pipeline) => &[RecordsDeadLettered, LsoBlocked, ZeroRateWithLag, ConsentLeftOn],
        (Type::ObjectStoreReady, Kind::Cluster) => &[Reachable, NotConfigured, Unreachable, RefusedNoConditionalWrites, AccessDenied],
        (Type::ClusterResolved, Kind::Topic) => &[Resolved, ClusterNotFound, NotAllowed],
        (Type::RetentionResolved, Kind::Topic) => &[Resolved, Default, PolicyNotFound, PolicyInvalid, ShrinkNotAllowed],
        (Type::QueryValid, Kind::Pipeline) => &[Planned, PlanError, QuerySourceNotFound],
        (Type::DependenciesReady, Kind::Pipeline) => &[Resolved, TopicNotFound, SchemaMissing, ClusterNotReady, ObjectStoreRequired],
        (Type::CheckpointHealthy, Kind::Pipeline) => &[Healthy, NotNeeded, FallingBehind, UploadFailing],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn transition_time_moves_only_with_the_status() {
        let before = vec![Condition::new(ConditionType::Ready, ConditionStatus::True, Reason::Available, "", at(1))];
        let same = Condition::new(ConditionType::Ready, ConditionStatus::True, Reason::Idle, "new words", at(2));
        let other = Condition::new(ConditionType::Ready, ConditionStatus::False, Reason::PlanError, "", at(2));
        assert_eq!(settle(vec![same], &before)[0].last_transition_time, Time(at(1)));
        assert_eq!(settle(vec![other], &before)[0].last_transition_time, Time(at(2)));
    }

    #[test]
    fn every_reason_belongs_to_some_condition() {
        for reason in Reason::ALL {
            let used = Kind::ALL.iter().any(|kind| ConditionType::ALL.iter().any(|condition| reasons(*kind, *condition).contains(reason)));
            assert!(used, "{reason} belongs to no condition");
        }
    }
}
