//! [`Patience`]: how long, and how often, something is tried again.

use std::time::Duration;

use tokio::time::Instant;

const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// Pauses that double from 20 ms to half a second, until a deadline.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    deadline: Instant,
    pause: Duration,
}

impl Patience {
    pub(crate) fn new(total: Duration) -> Self {
        Self { deadline: Instant::now() + total, pause: PAUSE_FIRST }
    }

    /// Sleeps before the next try; false, at once, where the deadline would pass meanwhile.
    ///
    /// # Cancel safety
    /// Dropping the future costs the rest of one pause.
    pub(crate) async fn pause(&mut self) -> bool {
        let pause = self.pause;
        self.pause = (pause * 2).min(PAUSE_MAX);
        self.pause_for(pause).await
    }

    /// Sleeps for `pause`; false, at once, where the deadline would pass meanwhile.
    pub(crate) async fn pause_for(&mut self, pause: Duration) -> bool {
        if Instant::now() + pause >= self.deadline {
            return false;
        }
        tokio::time::sleep(pause).await;
        true
    }
}
