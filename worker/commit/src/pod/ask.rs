//! One request that is wanted, on its way, or to be repeated after a wait.

use crate::{Ticket, Time};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ask {
    /// To be sent as soon as it makes sense.
    #[default]
    Now,
    /// Sent; the answer carries this ticket.
    Sent(Ticket),
    /// To be sent, but not before.
    After(Time),
}

impl Ask {
    pub(crate) fn is_due(self, now: Time) -> bool {
        match self {
            Self::Now => true,
            Self::Sent(_) => false,
            Self::After(at) => now >= at,
        }
    }

    pub(crate) fn is_sent(self) -> bool {
        matches!(self, Self::Sent(_))
    }

    /// Whether `ticket` is the one that is waited for.
    pub(crate) fn expects(self, ticket: Ticket) -> bool {
        self == Self::Sent(ticket)
    }

    pub(crate) fn deadline(self) -> Option<Time> {
        match self {
            Self::After(at) => Some(at),
            Self::Now | Self::Sent(_) => None,
        }
    }
}

/// Waits that double from `first_ms` to 64 times that, until something succeeds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    pub(crate) fn next(&mut self, now: Time, first_ms: u64) -> Ask {
        let wait = first_ms << self.failures.min(6);
        self.failures = self.failures.saturating_add(1);
        Ask::After(now.plus(wait))
    }

    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
    }
}
