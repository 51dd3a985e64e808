//! Why a write was not done, as far as what follows differs.

/// What kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// What it rested on has changed: look again.
    Conflict,
    /// There is no such object any more.
    NotFound,
    /// The server understood and says no: quota, permission, an invalid object. Said in status; tried again, seldom.
    Refused,
    /// Too much at once, a fault, or no answer: tried again.
    Unavailable,
    /// We do not lead; nothing was sent.
    NotLeading,
}

/// Why a write was not done, or may not have been.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What kind.
    pub cause: Cause,
    /// What the server says.
    pub message: String,
}

impl Failure {
    pub(crate) fn new(cause: Cause, message: impl Into<String>) -> Self {
        Self { cause, message: message.into() }
    }

    pub(crate) fn of(error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => {
                let cause = match status.code {
                    409 => Cause::Conflict,
                    404 | 410 => Cause::NotFound,
                    429 | 500..=599 => Cause::Unavailable,
                    _ => Cause::Refused,
                };
                let message: String = status.message.chars().take(500).collect();
                Self::new(cause, if message.is_empty() { format!("{} {}", status.code, status.reason) } else { message })
            }
            error => Self::new(Cause::Unavailable, error.to_string()),
        }
    }

    /// Whether a person may have to do something: said in status.
    #[must_use]
    pub fn is_for_people(&self) -> bool {
        self.cause == Cause::Refused
    }
}
