//! What was asked of a server: requests cost money, so tests count them.

use crate::Operation;
use std::collections::BTreeMap;

/// One request, as it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What was asked for.
    pub operation: Operation,
    /// Of which key, or under which prefix.
    pub key: String,
    /// The status it was answered with; 0 where the connection was closed instead.
    pub status: u16,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
}

/// Counts since the server was started, of every request that arrived whole, or since it [forgot](crate::Server::forget_requests).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    counts: BTreeMap<Operation, u64>,
    /// Bytes of all objects and parts that were sent, of requests that failed too.
    pub bytes_put: u64,
    /// Bytes of objects that reads were answered with.
    pub bytes_got: u64,
    /// Most requests that were under way at once.
    pub at_once_max: u64,
    /// Connections that were opened.
    pub connections: u64,
}

impl Requests {
    /// Requests for this operation, whatever came of them.
    #[must_use]
    pub fn of(&self, operation: Operation) -> u64 {
        self.counts.get(&operation).copied().unwrap_or(0)
    }

    /// Requests that Amazon bills as a PUT: puts, parts, the other steps of multipart uploads, and lists.
    #[must_use]
    pub fn billed_puts(&self) -> u64 {
        use Operation::{CompleteMultipartUpload, CreateMultipartUpload, ListMultipartUploads, ListObjectsV2, PutObject, UploadPart};
        [PutObject, UploadPart, CreateMultipartUpload, CompleteMultipartUpload, ListObjectsV2, ListMultipartUploads]
            .map(|operation| self.of(operation))
            .iter()
            .sum()
    }

    /// Requests that Amazon bills as a GET.
    #[must_use]
    pub fn billed_gets(&self) -> u64 {
        self.of(Operation::GetObject) + self.of(Operation::HeadObject)
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.counts.values().sum()
    }

    pub(crate) fn arrived(&mut self, operation: Operation, bytes_in: u64) {
        *self.counts.entry(operation).or_default() += 1;
        if matches!(operation, Operation::PutObject | Operation::UploadPart) {
            self.bytes_put += bytes_in;
        }
    }

    pub(crate) fn answered(&mut self, operation: Operation, bytes_out: u64) {
        if operation == Operation::GetObject {
            self.bytes_got += bytes_out;
        }
    }
}
