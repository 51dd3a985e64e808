//! The retention in force on a topic: the one wished for, unless it is not known to be good or would delete data without consent.

use control::{Cleanup, ObjectRef, Retention};
use crds::{
    ConditionStatus, ConditionType, Kind, Reason, RetentionPolicy, RetentionPolicyStatus, Timestamp, Topic, topic::RetentionInForce,
};
use std::collections::HashMap;
use units::{ByteCount, DurationMs};

use crate::{
    Finding, Report, Status, World,
    report::{Conditions, is_deleted, object_ref},
};

/// Kafka's default, and ours: 168 hours.
const DEFAULT_TIME: DurationMs = DurationMs(168 * 3600 * 1000);
/// `status.retention.source` of a topic that keeps everything because what it names was never found.
const UNRESOLVED: &str = "Unresolved";

/// What governs a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Effective {
    pub(crate) retention: Retention,
    pub(crate) in_force: RetentionInForce,
    /// Whether what is wished for is in force, why, and a sentence.
    pub(crate) is_resolved: bool,
    pub(crate) reason: Reason,
    pub(crate) message: String,
}

/// What the object asks for.
struct Wished {
    retention: Retention,
    source: String,
    generation: Option<i64>,
    allows_shrink: bool,
    reason: Reason,
}

/// The retention to put in force, where `current` is the one now in force on the broker, if the topic exists.
pub(crate) fn effective(policies: &Policies<'_>, topic: &Topic, current: Option<Retention>, has_object_store: bool) -> Effective {
    let in_force = topic.status.as_ref().and_then(|status| status.retention.clone());
    // A topic that only keeps everything for want of its policy was promised nothing.
    let promised = current.filter(|_| in_force.as_ref().is_none_or(|in_force| in_force.source != UNRESOLVED));
    let kept = |reason: Reason, message: String| {
        let retention = current.unwrap_or_default();
        let unresolved = RetentionInForce { source: UNRESOLVED.into(), generation: None, summary: summary(&retention) };
        let in_force = in_force.clone().filter(|_| current.is_some()).unwrap_or(unresolved);
        let tail = if current.is_some() { "what was in force stays" } else { "until then nothing is deleted" };
        Effective { retention, in_force, is_resolved: false, reason, message: format!("{message}; {tail}") }
    };
    let wished = match wished(policies, topic) {
        Ok(wished) => wished,
        Err((reason, message)) => return kept(reason, message),
    };
    if let Some(what) = promised.and_then(|promised| shrinks(&promised, &wished.retention)).filter(|_| !wished.allows_shrink) {
        let consent = match wished.reason {
            Reason::Default => "name a policy with allowShrink: true".to_owned(),
            _ => format!("set allowShrink: true in {}", wished.source),
        };
        return kept(Reason::ShrinkNotAllowed, format!("{what} of {} would delete data: {consent}", wished.source));
    }
    let local_is_idle = !has_object_store && (wished.retention.local_time.is_some() || wished.retention.local_size_per_partition.is_some());
    let note = if local_is_idle { "; local has no effect without an object store" } else { "" };
    let summary = summary(&wished.retention);
    Effective {
        message: format!("{summary}, from {}{note}", wished.source),
        in_force: RetentionInForce { source: wished.source, generation: wished.generation, summary },
        retention: wished.retention,
        is_resolved: true,
        reason: wished.reason,
    }
}

fn wished(policies: &Policies<'_>, topic: &Topic) -> Result<Wished, (Reason, String)> {
    if let Some(inline) = &topic.spec.retention {
        let retention = read(inline).map_err(|message| (Reason::PolicyInvalid, format!("spec.retention: {message}")))?;
        let generation = topic.metadata.generation;
        return Ok(Wished { retention, source: "Topic".into(), generation, allows_shrink: inline.allow_shrink, reason: Reason::Resolved });
    }
    let Some(reference) = &topic.spec.retention_policy_ref else {
        let retention = Retention { total_time: Some(DEFAULT_TIME), ..Retention::default() };
        return Ok(Wished { retention, source: "Default".into(), generation: None, allows_shrink: false, reason: Reason::Default });
    };
    let name = ObjectRef { namespace: object_ref(&topic.metadata).namespace, name: reference.name.clone() };
    let policy = policies.find(&name).ok_or_else(|| (Reason::PolicyNotFound, format!("there is no RetentionPolicy {name}")))?;
    let retention = read(&policy.spec).map_err(|message| (Reason::PolicyInvalid, format!("RetentionPolicy {name}: {message}")))?;
    Ok(Wished {
        retention,
        source: format!("RetentionPolicy/{}", reference.name),
        generation: policy.metadata.generation,
        allows_shrink: policy.spec.allow_shrink,
        reason: Reason::Resolved,
    })
}

/// Reads a policy into numbers. Admission lets nothing through that this refuses, but objects may be older than its rules.
fn read(retention: &crds::Retention) -> Result<Retention, String> {
    let time = |bound: &Option<crds::retention::Bound>| -> Result<Option<DurationMs>, String> {
        let text = bound.as_ref().and_then(|bound| bound.time.as_ref());
        text.map(|text| text.millis().map(DurationMs).map_err(|error| error.to_string())).transpose()
    };
    let size = |bound: &Option<crds::retention::Bound>| -> Result<Option<ByteCount>, String> {
        let text = bound.as_ref().and_then(|bound| bound.size_per_partition.as_ref());
        text.map(|text| text.bytes().map(ByteCount).map_err(|error| error.to_string())).transpose()
    };
    let read = Retention {
        cleanup: match retention.cleanup {
            crds::retention::Cleanup::Delete => Cleanup::Delete,
            crds::retention::Cleanup::Compact => Cleanup::Compact,
            crds::retention::Cleanup::CompactAndDelete => Cleanup::CompactAndDelete,
        },
        total_time: time(&retention.total)?,
        total_size_per_partition: size(&retention.total)?,
        local_time: time(&retention.local)?,
        local_size_per_partition: size(&retention.local)?,
    };
    let is_longer = |local: Option<u64>, total: Option<u64>| local.zip(total).is_some_and(|(local, total)| local > total);
    let millis = |time: Option<DurationMs>| time.and_then(|time| u64::try_from(time.0).ok());
    if is_longer(millis(read.local_time), millis(read.total_time)) {
        return Err("local.time is longer than total.time".into());
    }
    if is_longer(read.local_size_per_partition.map(|size| size.0), read.total_size_per_partition.map(|size| size.0)) {
        return Err("local.sizePerPartition is larger than total.sizePerPartition".into());
    }
    Ok(read)
}

/// What of `wished` deletes data that `promised` keeps; `local` deletes nothing.
fn shrinks(promised: &Retention, wished: &Retention) -> Option<&'static str> {
    let is_less =
        |promised: Option<u64>, wished: Option<u64>| wished.is_some_and(|wished| promised.is_none_or(|promised| wished < promised));
    let millis = |time: Option<DurationMs>| time.map(|time| u64::try_from(time.0).unwrap_or(0));
    let bytes = |size: Option<ByteCount>| size.map(|size| size.0);
    if is_less(millis(promised.total_time), millis(wished.total_time)) {
        Some("the shorter total.time")
    } else if is_less(bytes(promised.total_size_per_partition), bytes(wished.total_size_per_partition)) {
        Some("the smaller total.sizePerPartition")
    } else if promised.cleanup != wished.cleanup && (promised.cleanup, wished.cleanup) != (Cleanup::CompactAndDelete, Cleanup::Compact) {
        Some("the change of cleanup")
    } else {
        None
    }
}

/// In a few words, for a column.
pub(crate) fn summary(retention: &Retention) -> String {
    let time = retention.total_time.map(|time| duration(time.0));
    let size = retention.total_size_per_partition.map(|size| quantity(size.0));
    let bounds: Vec<String> = time.into_iter().chain(size).collect();
    let bounds = if bounds.is_empty() { "for ever".into() } else { bounds.join(", ") };
    match retention.cleanup {
        Cleanup::Delete => bounds,
        Cleanup::Compact => "compact".into(),
        Cleanup::CompactAndDelete => format!("compact, {bounds}"),
    }
}

fn duration(millis: i64) -> String {
    let units = [(3_600_000, "h"), (60_000, "m"), (1000, "s")];
    let (scale, unit) = units.into_iter().find(|(scale, _)| millis >= *scale && millis % scale == 0).unwrap_or((1, "ms"));
    format!("{}{unit}", millis / scale)
}

fn quantity(bytes: u64) -> String {
    let units = [(50, "Pi"), (40, "Ti"), (30, "Gi"), (20, "Mi"), (10, "Ki")];
    let whole = units.into_iter().find(|(bits, _)| bytes >= 1 << bits && bytes.is_multiple_of(1 << bits));
    whole.map_or_else(|| bytes.to_string(), |(bits, unit)| format!("{}{unit}", bytes >> bits))
}

/// The RetentionPolicies of a world, by name, and how many Topics name each.
pub(crate) struct Policies<'a> {
    policies: &'a [RetentionPolicy],
    by_name: HashMap<ObjectRef, &'a RetentionPolicy>,
    bound: HashMap<ObjectRef, usize>,
}

impl<'a> Policies<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        let mut bound = HashMap::new();
        for topic in &world.topics {
            if let Some(reference) = &topic.spec.retention_policy_ref {
                let namespace = object_ref(&topic.metadata).namespace;
                *bound.entry(ObjectRef { namespace, name: reference.name.clone() }).or_default() += 1;
            }
        }
        let by_name = world.policies.iter().map(|policy| (object_ref(&policy.metadata), policy)).collect();
        Self { policies: &world.policies, by_name, bound }
    }

    /// One that is there to stay.
    fn find(&self, name: &ObjectRef) -> Option<&'a RetentionPolicy> {
        self.by_name.get(name).copied().filter(|policy| !is_deleted(&policy.metadata))
    }

    /// What is said of every one.
    pub(crate) fn reports(&self, now: Timestamp) -> Vec<Report> {
        let bound = |policy: &RetentionPolicy| self.bound.get(&object_ref(&policy.metadata)).copied().unwrap_or(0);
        self.policies.iter().map(|policy| policy_report(policy, bound(policy), now)).collect()
    }
}

fn policy_report(policy: &RetentionPolicy, bound: usize, now: Timestamp) -> Report {
    let name = object_ref(&policy.metadata);
    let before = policy.status.clone().unwrap_or_default();
    let mut conditions = Conditions::new(Kind::RetentionPolicy, &policy.metadata, now);
    let mut findings = Vec::new();
    match read(&policy.spec) {
        Err(message) => {
            conditions.add(ConditionType::Ready, ConditionStatus::False, Reason::Invalid, message.clone());
            conditions.add_true(ConditionType::Stalled, Reason::Invalid, message.clone());
            findings.push(Finding::error(crds::FieldPath::root().field("spec"), message));
        }
        Ok(_) if bound == 0 => conditions.add(ConditionType::Ready, ConditionStatus::True, Reason::Unused, "no Topic names it"),
        Ok(_) => conditions.add(ConditionType::Ready, ConditionStatus::True, Reason::Available, "in force on the Topics that name it"),
    }
    let status = RetentionPolicyStatus {
        observed_generation: policy.metadata.generation,
        bound_topics: i32::try_from(bound).ok(),
        conditions: conditions.finish(&before.conditions),
    };
    let is_gone = is_deleted(&policy.metadata);
    Report { kind: Kind::RetentionPolicy, object: name, status: Status::RetentionPolicy(status), findings, is_gone }
}
