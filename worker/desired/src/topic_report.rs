//! What is said of a Topic.

use control::{ActualTopic, TopicReason};
use crds::{
    ConditionStatus, ConditionType, FieldPath, Kind, Reason, Timestamp, TopicStatus,
    topic::{ManagementPolicy, TopicStorage},
};

use crate::{
    Finding, Report, Status, World,
    report::{Conditions, is_deleted, is_paused, paused, status_of},
    rounding::two_digits,
    topics::ResolvedTopic,
};

/// Why it is, or is not, as declared.
struct Verdict {
    is_ready: bool,
    reason: Reason,
    message: String,
    /// Which of Reconciling and Stalled goes with it.
    also: Option<ConditionType>,
    finding: Option<Finding>,
}

pub(crate) fn report(_world: &World, topic: &ResolvedTopic<'_>, now: Timestamp) -> Report {
    let metadata = &topic.topic.metadata;
    let before = topic.topic.status.clone().unwrap_or_default();
    if is_paused(metadata) {
        return paused(Kind::Topic, topic.object.clone(), Status::Topic(before));
    }
    let verdict = verdict(topic);
    let mut conditions = Conditions::new(Kind::Topic, metadata, now);
    conditions.add(ConditionType::Ready, status_of(verdict.is_ready), verdict.reason, verdict.message.clone());
    match verdict.also {
        Some(ConditionType::Stalled) => conditions.add_true(ConditionType::Stalled, verdict.reason, verdict.message),
        Some(ConditionType::Reconciling) => conditions.add_true(ConditionType::Reconciling, verdict.reason, verdict.message),
        _ => {}
    }
    match &topic.cluster {
        Ok(cluster) => {
            conditions.add(ConditionType::ClusterResolved, ConditionStatus::True, Reason::Resolved, format!("Cluster {cluster}"))
        }
        Err(problem) => conditions.add(ConditionType::ClusterResolved, ConditionStatus::False, problem.reason, problem.message.clone()),
    }
    let mut findings: Vec<Finding> = verdict.finding.into_iter().collect();
    if topic.effective.is_none() && !is_deleted(metadata) {
        let (holds, message) = match topic.topic.spec.management_policy {
            ManagementPolicy::Observe => (ConditionStatus::True, "not governed: managementPolicy is Observe"),
            ManagementPolicy::Full => (ConditionStatus::Unknown, "not known: this object does not govern the topic yet"),
        };
        conditions.add(ConditionType::RetentionResolved, holds, Reason::Default, message);
    }
    if let Some(effective) = &topic.effective {
        conditions.add(ConditionType::RetentionResolved, status_of(effective.is_resolved), effective.reason, effective.message.clone());
        if !effective.is_resolved {
            let field = if topic.topic.spec.retention_policy_ref.is_some() { "retentionPolicyRef" } else { "retention" };
            findings.push(Finding::waiting(FieldPath::root().field("spec").field(field), effective.message.clone()));
        }
    }
    let status = TopicStatus {
        observed_generation: metadata.generation,
        topic_name: topic.name.as_ref().ok().map(ToString::to_string),
        conditions: conditions.finish(&before.conditions),
        ..actual_status(topic, before)
    };
    Report { kind: Kind::Topic, object: topic.object.clone(), status: Status::Topic(status), findings, is_gone: topic.is_gone }
}

/// What the broker says of it; what was known before where the broker is away. Nothing of a topic that another object governs.
fn actual_status(topic: &ResolvedTopic<'_>, before: TopicStatus) -> TopicStatus {
    if topic.broker.is_none() {
        return before;
    }
    let is_observed = topic.topic.spec.management_policy == ManagementPolicy::Observe;
    let Some(actual) = topic.actual.filter(|actual| is_observed || actual.owner.as_ref() == Some(&topic.owner())) else {
        // The id stays: it says which topic was meant, so that another one under the name is never touched.
        return TopicStatus { topic_id: before.topic_id, ..TopicStatus::default() };
    };
    TopicStatus {
        topic_id: Some(actual.topic_id.to_string()),
        partitions: Some(actual.partitions),
        retention: topic.effective.as_ref().map(|effective| effective.in_force.clone()),
        storage: storage(actual, before.storage),
        ..TopicStatus::default()
    }
}

/// How much there is of it, once there is something: ten thousand topics are not each written again to say that they are empty.
fn storage(actual: &ActualTopic, before: Option<TopicStorage>) -> Option<TopicStorage> {
    let now = TopicStorage { local_bytes: two_digits(actual.local_bytes.0), object_bytes: two_digits(actual.object_bytes.0) };
    let is_empty = now.local_bytes == 0 && now.object_bytes == 0;
    (!is_empty || before.is_some()).then_some(now)
}

fn verdict(topic: &ResolvedTopic<'_>) -> Verdict {
    let path = FieldPath::root().field("spec");
    let no =
        |reason: Reason, message: String, also: Option<ConditionType>| Verdict { is_ready: false, reason, message, also, finding: None };
    let stalled = |reason: Reason, message: String, path: FieldPath| Verdict {
        finding: Some(Finding::error(path, message.clone())),
        ..no(reason, message, Some(ConditionType::Stalled))
    };
    if is_deleted(&topic.topic.metadata) {
        return no(Reason::Deleting, "the broker is letting go of it".into(), Some(ConditionType::Reconciling));
    }
    if let Err(problem) = &topic.cluster {
        let finding = Some(Finding::waiting(path.field("clusterRef"), problem.message.clone()));
        return Verdict { finding, ..no(problem.reason, problem.message.clone(), None) };
    }
    if let Err(finding) = &topic.name {
        return stalled(Reason::InvalidConfig, finding.message.clone(), finding.path.clone());
    }
    if let Some(older) = &topic.older {
        return stalled(Reason::Conflict, format!("Topic {older} is older and declares the same topic"), path.field("topicName"));
    }
    if let Some(finding) = topic.schema_problem() {
        return stalled(Reason::InvalidConfig, finding.message.clone(), finding.path.clone());
    }
    let Some(broker) = topic.broker else { return no(Reason::ClusterNotReady, "the broker does not serve yet".into(), None) };
    if topic.topic.spec.management_policy == ManagementPolicy::Observe {
        return match topic.actual {
            Some(_) => Verdict { is_ready: true, ..no(Reason::Observed, "looked at, not touched".into(), None) },
            None => no(Reason::NotReconciled, "there is no topic of this name yet".into(), None),
        };
    }
    let problem = topic.name.as_ref().ok().and_then(|name| broker.problems.get(name));
    match (problem, topic.actual.filter(|actual| actual.owner.as_ref() == Some(&topic.owner()))) {
        (Some(problem), _) => match problem.reason {
            TopicReason::Conflict => stalled(Reason::Conflict, problem.message.clone(), path.field("topicName")),
            TopicReason::TopicIdMismatch => stalled(Reason::TopicIdMismatch, problem.message.clone(), path),
            TopicReason::PartitionsAboveSpec => stalled(Reason::PartitionsAboveSpec, problem.message.clone(), path.field("partitions")),
            TopicReason::InvalidConfig => stalled(Reason::InvalidConfig, problem.message.clone(), path.field("config")),
            TopicReason::BrokerUnavailable => no(Reason::BrokerUnavailable, problem.message.clone(), None),
        },
        (None, None) => no(Reason::Creating, "the broker is making it".into(), Some(ConditionType::Reconciling)),
        (None, Some(actual)) if !is_in_force(topic, actual) => {
            no(Reason::Altering, "the broker is changing it".into(), Some(ConditionType::Reconciling))
        }
        (None, Some(_)) => Verdict { is_ready: true, ..no(Reason::Available, "serving".into(), None) },
    }
}

fn is_in_force(topic: &ResolvedTopic<'_>, actual: &ActualTopic) -> bool {
    topic.desired.as_ref().is_none_or(|desired| {
        let has = |entry| actual.config.contains(entry);
        desired.partitions == actual.partitions && desired.retention == actual.retention && desired.config.iter().all(has)
    })
}
