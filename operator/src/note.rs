//! Events: what happened to an object and why, for people.

use crds::{Condition, ConditionStatus, ConditionType};
use desired::Status;
use serde_json::{Value, json};

use crate::resource::{Key, Resource};

/// One Event to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The object that it is about.
    pub about: Key,
    /// Its `metadata.uid`.
    pub uid: String,
    /// Whether a person should look.
    pub is_warning: bool,
    /// Why, in one word.
    pub reason: String,
    /// What was done, in one word.
    pub action: &'static str,
    /// Cause and effect, in a sentence.
    pub message: String,
}

/// Letters that an Event's note may have.
const MESSAGE_MAX: usize = 1024;

impl Note {
    /// The Event object. `instance` is the operator's pod, `nonce` makes the name unique.
    #[must_use]
    pub fn body(&self, instance: &str, now: crds::Timestamp, nonce: u64) -> (Key, Value) {
        let namespace = if self.about.namespace.is_empty() { "default" } else { &self.about.namespace };
        let stem: String = self.about.name.chars().take(200).collect();
        let key = Key::new(Resource::Event, namespace, format!("{stem}.{nonce:016x}"));
        let message: String = self.message.chars().take(MESSAGE_MAX).collect();
        let body = json!({
            "apiVersion": Resource::Event.api_version(),
            "kind": "Event",
            "metadata": {"name": key.name, "namespace": key.namespace},
            "eventTime": format!("{}", now.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")),
            "reportingController": "streamwright.dev/operator",
            "reportingInstance": instance,
            "action": self.action,
            "reason": self.reason,
            "type": if self.is_warning { "Warning" } else { "Normal" },
            "note": message,
            "regarding": {
                "apiVersion": self.about.resource.api_version(),
                "kind": self.about.resource.kind(),
                "namespace": self.about.namespace,
                "name": self.about.name,
                "uid": self.uid,
            },
        });
        (key, body)
    }
}

/// What of a new status people should hear: readiness that came, went or has another cause; what is in force and was not.
#[must_use]
pub fn news(about: &Key, uid: &str, before: &Status, after: &Status) -> Vec<Note> {
    let note = |is_warning: bool, reason: &str, action: &'static str, message: String| Note {
        about: about.clone(),
        uid: uid.into(),
        is_warning,
        reason: reason.into(),
        action,
        message,
    };
    let mut notes = Vec::new();
    let (old, new) = (before.condition(ConditionType::Ready), after.condition(ConditionType::Ready));
    if let Some(new) = new.filter(|new| old.is_none_or(|old| (old.status, &old.reason) != (new.status, &new.reason))) {
        let is_bad =
            new.status == ConditionStatus::False && (is_stalled(after) || old.is_some_and(|old| old.status == ConditionStatus::True));
        notes.push(note(is_bad, &new.reason, "Observed", format!("{}{}", was(old), new.message)));
    }
    for condition in [ConditionType::Degraded, ConditionType::RetentionResolved, ConditionType::CheckpointHealthy] {
        let (old, new) = (before.condition(condition), after.condition(condition));
        let Some(new) = new.filter(|new| old.is_some_and(|old| old.reason != new.reason) || (old.is_none() && is_bad(condition, new)))
        else {
            continue;
        };
        notes.push(note(is_bad(condition, new), &new.reason, "Observed", format!("{condition}: {}", new.message)));
    }
    if let (Status::Topic(before), Status::Topic(after)) = (before, after) {
        if let (Some(old), Some(new)) = (&before.retention, &after.retention)
            && old.summary != new.summary
        {
            let message = format!("retention {} -> {}: {}", old.summary, new.summary, new.source);
            notes.push(note(false, "RetentionChanged", "Alter", message));
        }
        if let (Some(old), Some(new)) = (before.partitions, after.partitions)
            && old != new
        {
            notes.push(note(false, "PartitionsChanged", "Alter", format!("partitions {old} -> {new}: spec.partitions")));
        }
    }
    if let (Status::Pipeline(before), Status::Pipeline(after)) = (before, after)
        && let (Some(old), Some(new)) = (&before.layout, &after.layout)
        && old != new
    {
        let message = format!("layout {old} -> {new}: the new query does not fit the state, and upgrade.allowStateLoss consents");
        notes.push(note(true, "StateDropped", "Upgrade", message));
    }
    notes
}

fn is_stalled(status: &Status) -> bool {
    status.condition(ConditionType::Stalled).is_some()
}

/// What is not known yet is no news, good or bad.
fn is_bad(condition: ConditionType, now: &Condition) -> bool {
    now.status == if condition == ConditionType::Degraded { ConditionStatus::True } else { ConditionStatus::False }
}

fn was(old: Option<&Condition>) -> String {
    old.filter(|old| old.reason != "NotReconciled").map(|old| format!("was {}: ", old.reason)).unwrap_or_default()
}
