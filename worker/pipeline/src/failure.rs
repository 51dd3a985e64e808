//! What the client says of a request, in the words of the pod core.

use client::{ClientError, TransactionError};
use commit::{Failure, Fence};

pub(crate) fn of_transaction(error: TransactionError) -> Failure {
    match error {
        TransactionError::Retriable(error) => Failure::Retry(error.to_string()),
        TransactionError::UnknownOutcome(error) => Failure::Unknown(error.to_string()),
        TransactionError::Generation => Failure::Generation,
        TransactionError::Fenced(client::Fence::Producer) => Failure::Fenced(Fence::Producer),
        TransactionError::Fenced(client::Fence::Member) => Failure::Fenced(Fence::Member),
        TransactionError::Fenced(client::Fence::Instance) => Failure::Fenced(Fence::Instance),
        TransactionError::Refused(error) => Failure::Refused(error.to_string()),
        error @ TransactionError::TransactionVersion { .. } => Failure::Refused(error.to_string()),
    }
}

/// Of a request that only reads: asking again does no harm.
pub(crate) fn of_read(error: &ClientError) -> Failure {
    if error.is_passing() { Failure::Retry(error.to_string()) } else { Failure::Refused(error.to_string()) }
}
