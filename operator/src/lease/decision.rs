//! What to do about the lease: pure, by a monotonic clock of one's own.

use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

use super::DURATION;

/// The lease as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Who holds it; empty: nobody.
    pub holder: String,
    /// `resourceVersion`.
    pub version: String,
    /// `leaseTransitions`.
    pub transitions: i64,
    /// How long its holder promised.
    pub promised: Duration,
}

impl Seen {
    /// Reads a Lease object.
    #[must_use]
    pub fn read(body: &Value) -> Self {
        let spec = &body["spec"];
        let seconds = spec["leaseDurationSeconds"].as_u64().unwrap_or(DURATION.as_secs());
        Self {
            holder: spec["holderIdentity"].as_str().unwrap_or_default().into(),
            version: body["metadata"]["resourceVersion"].as_str().unwrap_or_default().into(),
            transitions: spec["leaseTransitions"].as_i64().unwrap_or(0),
            promised: Duration::from_secs(seconds),
        }
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Make it: there is none.
    Create,
    /// Take or renew it, held to this version.
    Replace {
        /// The version that this rests on.
        version: String,
        /// `leaseTransitions` then.
        transitions: i64,
        /// Whether it was somebody else's.
        is_new: bool,
    },
    /// Somebody else has it.
    Wait,
}

/// What one candidate knows of the lease.
#[derive(Debug)]
pub struct LeaseState {
    identity: String,
    /// The version seen last, and when it was first seen.
    last: Option<(Seen, Instant)>,
}

impl LeaseState {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(identity: String) -> Self {
        Self { identity, last: None }
    }

    /// Looks at the lease, `None`: there is none.
    pub fn decide(&mut self, seen: Option<Seen>, now: Instant) -> Decision {
        let Some(seen) = seen else {
            self.last = None;
            return Decision::Create;
        };
        let is_ours = seen.holder == self.identity;
        let since = match &self.last {
            Some((last, since)) if last.version == seen.version => *since,
            _ => now,
        };
        let is_over = seen.holder.is_empty() || now.saturating_duration_since(since) >= seen.promised;
        let decision = if is_ours || is_over {
            Decision::Replace { version: seen.version.clone(), transitions: seen.transitions + i64::from(!is_ours), is_new: !is_ours }
        } else {
            Decision::Wait
        };
        self.last = Some((seen, since));
        decision
    }

    /// Who is asking.
    #[must_use]
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Who held it when it was seen last.
    #[must_use]
    pub fn holder(&self) -> Option<&str> {
        self.last.as_ref().map(|(seen, _)| seen.holder.as_str())
    }
}

/// The Lease object that says that `holder` has it since `now`.
pub(crate) fn body(namespace: &str, name: &str, holder: &str, version: Option<&str>, transitions: i64, now: crds::Timestamp) -> Value {
    let time = now.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
    let mut body = json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "holderIdentity": holder,
            "leaseDurationSeconds": DURATION.as_secs(),
            "leaseTransitions": transitions,
            "renewTime": time,
            "acquireTime": time,
        },
    });
    if let Some(version) = version {
        body["metadata"]["resourceVersion"] = json!(version);
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(holder: &str, version: &str) -> Option<Seen> {
        Some(Seen { holder: holder.into(), version: version.into(), transitions: 3, promised: DURATION })
    }

    #[test]
    fn another_ones_lease_is_taken_only_when_it_did_not_change_for_as_long_as_it_promises() {
        let (mut state, t0) = (LeaseState::new("b".into()), Instant::now());
        assert_eq!(state.decide(seen("a", "1"), t0), Decision::Wait);
        assert_eq!(state.decide(seen("a", "1"), t0 + DURATION - Duration::from_millis(1)), Decision::Wait);
        // It was renewed: counted anew.
        assert_eq!(state.decide(seen("a", "2"), t0 + DURATION), Decision::Wait);
        assert_eq!(state.decide(seen("a", "2"), t0 + DURATION + DURATION / 2), Decision::Wait);
        let taken = Decision::Replace { version: "2".into(), transitions: 4, is_new: true };
        assert_eq!(state.decide(seen("a", "2"), t0 + DURATION * 2), taken);
    }

    #[test]
    fn ones_own_is_renewed_and_one_that_was_given_back_is_taken_at_once() {
        let (mut state, t0) = (LeaseState::new("b".into()), Instant::now());
        assert_eq!(state.decide(None, t0), Decision::Create);
        assert_eq!(state.decide(seen("b", "1"), t0), Decision::Replace { version: "1".into(), transitions: 3, is_new: false });
        assert_eq!(state.decide(seen("", "2"), t0), Decision::Replace { version: "2".into(), transitions: 4, is_new: true });
    }

    #[test]
    fn the_holder_stops_before_anybody_may_begin() {
        // Between its last renewal and the end of its writing lie HOLDS and one request; the others wait DURATION from when they saw it.
        assert!(super::super::HOLDS + super::super::PERIOD < DURATION);
    }
}
