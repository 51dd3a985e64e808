//! What can go wrong between operator and worker.

use tonic::{Code, Status};

/// Why a worker does not take a desired state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// It is another worker's: another Cluster, another Pipeline, another kind. Nothing changed, and sending it again does not help.
    #[error("{0}")]
    NotOurs(String),
    /// It could not be brought about as a whole, for example because the volume is full. Sending it again is safe and may help.
    #[error("{0}")]
    Failed(String),
}

impl From<PushError> for Status {
    fn from(error: PushError) -> Self {
        match error {
            PushError::NotOurs(message) => Self::failed_precondition(message),
            PushError::Failed(message) => Self::unavailable(message),
        }
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address or the name of the server is none.
    #[error("{0} is no address of a worker: {1}")]
    Address(String, String),
    /// Nobody answers there, or not with a certificate that counts.
    #[error("connect to {address}: {reason}")]
    Connect {
        /// `host:port`.
        address: String,
        /// Why, from the outermost cause to the innermost.
        reason: String,
    },
}

/// Why a call did not bring what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The worker refuses: it is another's, or does not understand. Repeating does not help.
    #[error("the worker refuses: {0}")]
    Refused(String),
    /// The worker could not, or is not reached, or does not let us in. The call may have happened; repeating is safe.
    #[error("the worker is not available: {0}")]
    Unavailable(String),
}

impl CallError {
    pub(super) fn of(status: &Status) -> Self {
        let message = sentence(status);
        match status.code() {
            Code::FailedPrecondition | Code::InvalidArgument | Code::Unimplemented | Code::OutOfRange => Self::Refused(message),
            _ => Self::Unavailable(message),
        }
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

fn sentence(status: &Status) -> String {
    let reasons = causes(status);
    if reasons.is_empty() { status.message().to_owned() } else { format!("{}: {reasons}", status.message()) }
}

/// What lies below an error, outermost first; what only repeats the one above is left out.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut reasons: Vec<String> = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if reasons.last() != Some(&text) {
            reasons.push(text);
        }
        cause = error.source();
    }
    reasons.join(": ")
}
