//! When a watch says something: the decision, without a clock of its own.

use std::time::{Duration, Instant};

use super::{CHANGE_INTERVAL, HEARTBEAT};

/// What one watch has said.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Watching {
    said: Option<(u64, Instant)>,
}

impl Watching {
    /// `None` where it is time to say what is; else how long to wait before looking again.
    pub(super) fn wait(&self, revision: u64, now: Instant) -> Option<Duration> {
        let (said, at) = self.said?;
        let since = now.saturating_duration_since(at);
        let is_due = since >= HEARTBEAT || (revision != said && since >= CHANGE_INTERVAL);
        (!is_due).then(|| if since < CHANGE_INTERVAL { CHANGE_INTERVAL - since } else { CHANGE_INTERVAL.min(HEARTBEAT - since) })
    }

    /// What is was said, as of `revision` or later.
    pub(super) fn say(&mut self, revision: u64, now: Instant) {
        self.said = Some((revision, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_is_at_once_then_changes_but_not_too_often_and_nothing_new_as_a_heartbeat() {
        let (mut watching, start) = (Watching::default(), Instant::now());
        assert_eq!(watching.wait(7, start), None);
        watching.say(7, start);
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(watching.wait(8, at(100)), Some(Duration::from_millis(400)), "a change waits for its turn");
        assert_eq!(watching.wait(7, at(500)), Some(CHANGE_INTERVAL), "no change, nothing to say");
        assert_eq!(watching.wait(8, at(500)), None);
        assert_eq!(watching.wait(7, at(9_900)), Some(Duration::from_millis(100)));
        assert_eq!(watching.wait(7, at(10_000)), None, "a heartbeat");
    }
}
