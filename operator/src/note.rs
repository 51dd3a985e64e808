//! Events: what happened to an object and why, for people.

use crds::{Condition, ConditionStatus, ConditionType, Reason};
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
    let is_quiet = matches!(after, Status::Topic(_)) && old.is_none_or(is_passing) && new.is_none_or(is_passing);
    let is_other = |new: &&Condition| old.is_none_or(|old| (old.status, &old.reason) != (new.status, &new.reason));
    if let Some(new) = new.filter(|new| !is_quiet && is_other(new)) {
        let is_bad =
            new.status == ConditionStatus::False && (is_stalled(after) || old.is_some_and(|old| old.status == ConditionStatus::True));
        notes.push(note(is_bad, &new.reason, "Observed", format!("{}{}", was(old), new.message)));
    }
    for condition in [ConditionType::Degraded, ConditionType::RetentionResolved, ConditionType::CheckpointHealthy] {
        let (old, new) = (before.condition(condition), after.condition(condition));
        // That something is not known is no news, nor that it is known to be well again: what made it unknown is said elsewhere.
        let is_known = |one: &&Condition| one.status != ConditionStatus::Unknown;
        let (old, new) = (old.filter(is_known), new.filter(is_known));
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

/// What a Topic goes through without anybody having to hear of it: it is made, it serves, its Cluster comes and goes. Ten thousand Topics would
/// each say again what their Cluster has said once; what was changed of a Topic has Events of its own.
fn is_passing(ready: &Condition) -> bool {
    use Reason::{Altering, Available, BrokerUnavailable, ClusterNotReady, Creating, NotReconciled};
    [NotReconciled, Creating, Altering, ClusterNotReady, BrokerUnavailable, Available].iter().any(|reason| ready.reason == reason.as_str())
}

fn was(old: Option<&Condition>) -> String {
    old.filter(|old| old.reason != "NotReconciled").map(|old| format!("was {}: ", old.reason)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crds::{TopicStatus, conditions};

    fn topic(said: &[(ConditionType, ConditionStatus, Reason)]) -> Status {
        let now = crds::Timestamp::UNIX_EPOCH;
        let conditions = said.iter().map(|(of, status, reason)| Condition::new(*of, *status, *reason, "a sentence", now)).collect();
        Status::Topic(TopicStatus { conditions: conditions::settle(conditions, &[]), ..TopicStatus::default() })
    }

    fn reasons(before: &Status, after: &Status) -> Vec<(bool, String)> {
        let key = Key::new(Resource::Topic, "a", "t");
        news(&key, "uid", before, after).into_iter().map(|note| (note.is_warning, note.reason)).collect()
    }

    #[test]
    fn a_topic_that_is_made_and_serves_is_no_news_and_neither_is_its_cluster() {
        use ConditionStatus::{False, True, Unknown};
        use ConditionType::{Ready, RetentionResolved};
        let newborn = topic(&[(Ready, Unknown, Reason::NotReconciled)]);
        let waits = topic(&[(Ready, False, Reason::ClusterNotReady), (RetentionResolved, Unknown, Reason::Default)]);
        let serves = topic(&[(Ready, True, Reason::Available), (RetentionResolved, True, Reason::Resolved)]);
        for (before, after) in [(&newborn, &waits), (&waits, &serves), (&newborn, &serves), (&serves, &waits)] {
            assert_eq!(reasons(before, after), [], "{before:?} {after:?}");
        }
    }

    #[test]
    fn what_a_person_must_see_to_is_news_and_so_is_its_end() {
        use ConditionStatus::{False, True};
        use ConditionType::{Ready, RetentionResolved, Stalled};
        let serves = topic(&[(Ready, True, Reason::Available), (RetentionResolved, True, Reason::Resolved)]);
        let conflict = topic(&[(Ready, False, Reason::Conflict), (Stalled, True, Reason::Conflict)]);
        let held = topic(&[(Ready, True, Reason::Available), (RetentionResolved, False, Reason::ShrinkNotAllowed)]);
        assert_eq!(reasons(&serves, &conflict), [(true, "Conflict".into())]);
        assert_eq!(reasons(&conflict, &serves), [(false, "Available".into())]);
        assert_eq!(reasons(&serves, &held), [(true, "ShrinkNotAllowed".into())]);
        assert_eq!(reasons(&held, &serves), [(false, "Resolved".into())]);
    }
}
