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
            tracing::warn!(
                topic = name,
                "a client asks for topic {name:?}, which does not exist; declare it: kind Topic, metadata.name {name}"
            );
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

#[cfg(test)]
mod tests {
    use super::*;

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
