//! Names that clients ask for and nobody declared: said once in a while in the broker's log, with what to do about it.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A name is said again after this long.
const QUIET_FOR: Duration = Duration::from_secs(60);
/// Names remembered; a client that asks for ever new ones does not fill memory.
const NAMES_MAX: usize = 1000;

/// When each unknown name was last said.
#[derive(Debug, Default)]
pub(crate) struct UnknownTopics {
    said: Mutex<HashMap<String, Instant>>,
}

impl UnknownTopics {
    /// Notes that a client asked for `name`.
    pub(crate) fn asked(&self, name: &str) {
        if self.is_due(name, Instant::now()) {
            tracing::warn!(topic = name, "a client asks for topic {name:?}, which does not exist; {}", declaration(name));
        }
    }

    fn is_due(&self, name: &str, now: Instant) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() >= NAMES_MAX {
            said.retain(|_, at| now.duration_since(*at) < QUIET_FOR);
        }
        let is_full = said.len() >= NAMES_MAX;
        match said.get_mut(name) {
            Some(at) if now.duration_since(*at) < QUIET_FOR => false,
            Some(at) => {
                *at = now;
                true
            }
            None if is_full => false,
            None => said.insert(name.chars().take(units::TopicName::MAX_BYTES).collect(), now).is_none(),
        }
    }
}

/// How to declare a topic of this name, in words. Kubernetes takes fewer names than Kafka.
fn declaration(name: &str) -> String {
    if units::TopicName::new(name).is_err() {
        return "and no topic can have that name".into();
    }
    let taken: String = name.chars().map(|letter| if letter == '_' { '-' } else { letter.to_ascii_lowercase() }).collect();
    let is_edge = |letter: char| !letter.is_ascii_alphanumeric();
    let parts: Vec<&str> = taken.split('.').map(|part| part.trim_matches(is_edge)).filter(|part| !part.is_empty()).collect();
    let object = parts.join(".");
    match object.as_str() {
        "" => format!("declare it: kind Topic, spec.topicName {name}, metadata.name as you like"),
        same if same == name => format!("declare it: kind Topic, metadata.name {name}"),
        other => format!("declare it: kind Topic, metadata.name {other}, spec.topicName {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_that_is_suggested_is_one_that_kubernetes_takes() {
        for (topic, words) in [
            ("orders", "metadata.name orders"),
            ("shop.orders-2", "metadata.name shop.orders-2"),
            ("My_Orders", "metadata.name my-orders, spec.topicName My_Orders"),
            ("_private.", "metadata.name private, spec.topicName _private."),
            ("a.-b..c", "metadata.name a.b.c, spec.topicName a.-b..c"),
            ("__", "spec.topicName __, metadata.name as you like"),
            ("no/name", "no topic can have that name"),
        ] {
            assert!(declaration(topic).ends_with(words), "{topic}: {}", declaration(topic));
        }
    }

    #[test]
    fn a_name_is_said_once_a_minute() {
        let (unknown, now) = (UnknownTopics::default(), Instant::now());
        assert!(unknown.is_due("orders", now));
        assert!(!unknown.is_due("orders", now + QUIET_FOR / 2));
        assert!(unknown.is_due("payments", now));
        assert!(unknown.is_due("orders", now + QUIET_FOR));
    }

    #[test]
    fn ever_new_names_do_not_fill_memory() {
        let (unknown, now) = (UnknownTopics::default(), Instant::now());
        for index in 0..5 * NAMES_MAX {
            unknown.is_due(&index.to_string(), now);
        }
        assert!(unknown.said.lock().unwrap().len() <= NAMES_MAX);
    }
}
