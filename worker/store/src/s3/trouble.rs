//! What went wrong with one request, by what it means for the call it belongs to.

use crate::{Key, StoreError};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::{
    error::{ProvideErrorMetadata, SdkError},
    operation::RequestId,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use std::{error::Error, fmt};

/// What a failure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// There is no such object (404).
    Absent,
    /// There is no such bucket.
    NoBucket,
    /// There is no such multipart upload.
    NoUpload,
    /// The condition did not hold (412).
    ConditionFailed,
    /// Another conditional write was under way (409). Not done.
    Conflict,
    /// The store asks for patience (503 `SlowDown`, 429). Not done.
    Busy,
    /// No connection came about. Not done.
    Unreachable,
    /// The answer was lost, or says nothing (a timeout, a broken connection, 500). Done, or not, or yet to be.
    Doubtful,
    /// Our credentials are stale, or could not be had. Not done.
    Credentials,
    /// We may not (403). Not done.
    Denied,
    /// The range begins behind the object's last byte (416).
    PastTheEnd,
    /// The store does not know how (501). Not done.
    Unsupported,
    /// The store does not like the request. Not done.
    Refused,
}

impl Kind {
    /// Whether the same request may fare better.
    pub(super) fn is_worth_another_try(self) -> bool {
        matches!(self, Self::Conflict | Self::Busy | Self::Unreachable | Self::Doubtful | Self::Credentials | Self::NoUpload)
    }
}

/// One request that failed.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) kind: Kind,
    /// The object's size, where a range lies past its end and the store says it.
    pub(super) size: Option<u64>,
    /// Operation, status, code, request id and what the store or the network said.
    text: String,
}

/// What a request that failed left behind, before it is judged.
struct Evidence<'a> {
    status: Option<u16>,
    code: Option<&'a str>,
}

impl Trouble {
    /// Judges an SDK error of `operation` (its S3 name).
    pub(super) fn of<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let response = error.raw_response();
        let evidence = Evidence { status: response.map(|response| response.status().as_u16()), code: error.code() };
        let kind = match error {
            SdkError::ServiceError(_) => evidence.kind(),
            SdkError::ResponseError(_) if evidence.status.is_some_and(|status| status >= 300) => evidence.kind(),
            SdkError::ConstructionFailure(_) | SdkError::DispatchFailure(_) if source::<CredentialsError>(error).is_some() => {
                Kind::Credentials
            }
            SdkError::ConstructionFailure(_) => Kind::Refused,
            SdkError::DispatchFailure(_) if is_connect(error) => Kind::Unreachable,
            _ => Kind::Doubtful,
        };
        let size = response
            .and_then(|response| response.headers().get("content-range"))
            .and_then(|range| range.rsplit_once('/'))
            .and_then(|(_, size)| size.parse().ok());
        let mut text = operation.to_owned();
        match (evidence.status, evidence.code) {
            (Some(status), Some(code)) => text.push_str(&format!(": {status} {code}")),
            (Some(status), None) => text.push_str(&format!(": {status}")),
            (None, _) => {}
        }
        if let Some(id) = error.request_id() {
            text.push_str(&format!(" (request {id})"));
        }
        match (error.message(), evidence.status) {
            (Some(message), _) => text.push_str(&format!(": {}", cut(message))),
            (None, None) => text.push_str(&format!(": {}", cut(&chain(error)))),
            (None, Some(_)) => {}
        }
        if let Some(region) = response.and_then(|response| response.headers().get("x-amz-bucket-region"))
            && evidence.status.is_some_and(|status| status == 301 || status == 400)
        {
            text.push_str(&format!("; the bucket is in region {region}"));
        }
        Self { kind, size, text }
    }

    /// No progress for longer than the attempt's bound.
    pub(super) fn stalled(operation: &'static str, after: std::time::Duration) -> Self {
        Self { kind: Kind::Doubtful, size: None, text: format!("{operation}: no progress for {} ms", after.as_millis()) }
    }

    /// The body of an answer broke off, or is not what the answer's head says.
    pub(super) fn broken_body(operation: &'static str, what: impl fmt::Display) -> Self {
        Self { kind: Kind::Doubtful, size: None, text: format!("{operation}: the answer broke off: {}", cut(&what.to_string())) }
    }

    /// The store answered as no S3 does.
    pub(super) fn strange(operation: &'static str, what: &str) -> Self {
        Self { kind: Kind::Refused, size: None, text: format!("{operation}: {what}") }
    }

    /// One of several objects in a request met a refusal of its own, told by its `code`.
    pub(super) fn of_one_in_many(operation: &'static str, code: &str, key: &str) -> Self {
        let status = match code {
            "AccessDenied" => 403,
            "InternalError" | "ServiceUnavailable" => 500,
            _ => 400,
        };
        let kind = Evidence { status: Some(status), code: Some(code) }.kind();
        Self { kind, size: None, text: format!("{operation}: {code} for {}", cut(key)) }
    }

    /// The same trouble for a step before the one that takes effect: what is doubtful there was certainly not done here.
    pub(super) fn before_the_effect(mut self) -> Self {
        if self.kind == Kind::Doubtful {
            self.kind = Kind::Busy;
        }
        self
    }

    /// What the caller is told, of `place` (the bucket) and `key`.
    pub(super) fn into_error(self, place: &str, key: &str) -> StoreError {
        let reason = format!("{} of {key:?} in {place}", self.text);
        match self.kind {
            Kind::Denied | Kind::Credentials => StoreError::Denied { reason },
            Kind::NoBucket => StoreError::Unavailable { reason: format!("there is no such bucket: {reason}") },
            Kind::Conflict | Kind::Busy | Kind::Unreachable | Kind::Doubtful | Kind::NoUpload => StoreError::Unavailable { reason },
            Kind::Unsupported => StoreError::Unsupported { reason },
            Kind::Absent => match Key::new(key) {
                Ok(key) => StoreError::NotFound { key },
                Err(error) => StoreError::Failed { action: reason, source: error.into() },
            },
            Kind::ConditionFailed | Kind::PastTheEnd | Kind::Refused => {
                StoreError::Failed { action: format!("ask {place} for {key:?}"), source: self.text.into() }
            }
        }
    }
}

impl Evidence<'_> {
    fn kind(&self) -> Kind {
        const STALE: [&str; 7] = [
            "ExpiredToken",
            "InvalidToken",
            "TokenRefreshRequired",
            "InvalidAccessKeyId",
            "SignatureDoesNotMatch",
            "RequestExpired",
            "ExpiredTokenException",
        ];
        const NOT_NOW: [&str; 6] =
            ["SlowDown", "ThrottlingException", "Throttling", "RequestLimitExceeded", "TooManyRequests", "RequestTimeout"];
        let code = self.code.unwrap_or_default();
        match self.status.unwrap_or_default() {
            _ if STALE.contains(&code) => Kind::Credentials,
            _ if NOT_NOW.contains(&code) => Kind::Busy,
            // The last step of a multipart upload is answered with 200 before it is known how it ends.
            200..300 if code == "PreconditionFailed" => Kind::ConditionFailed,
            200..300 if code == "ConditionalRequestConflict" => Kind::Conflict,
            200..300 => Kind::Doubtful,
            404 if code == "NoSuchBucket" => Kind::NoBucket,
            404 if code == "NoSuchUpload" => Kind::NoUpload,
            404 => Kind::Absent,
            412 => Kind::ConditionFailed,
            409 if ["ConditionalRequestConflict", "OperationAborted", ""].contains(&code) => Kind::Conflict,
            416 => Kind::PastTheEnd,
            429 => Kind::Busy,
            401 | 403 => Kind::Denied,
            // The answer to a HEAD has no body to say why: only stale credentials make a good HEAD a bad request.
            400 if code.is_empty() || code == "BadRequest" => Kind::Credentials,
            501 => Kind::Unsupported,
            500.. => Kind::Doubtful,
            _ if code == "NotImplemented" => Kind::Unsupported,
            _ => Kind::Refused,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether the request never left, since there was no connection.
fn is_connect(error: &(dyn Error + 'static)) -> bool {
    source::<hyper_util::client::legacy::Error>(error).is_some_and(hyper_util::client::legacy::Error::is_connect)
}

fn source<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    std::iter::successors(Some(error), |&error| error.source()).find_map(|error| error.downcast_ref())
}

/// What the error and its sources say, each once.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut said: Vec<String> = std::iter::successors(Some(error), |&error| error.source()).map(ToString::to_string).collect();
    said.dedup();
    said.join(": ")
}

fn cut(text: &str) -> String {
    const CHARACTERS_MAX: usize = 400;
    text.chars().take(CHARACTERS_MAX).map(|character| if character.is_control() { ' ' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status: u16, code: &str) -> Kind {
        Evidence { status: Some(status), code: (!code.is_empty()).then_some(code) }.kind()
    }

    #[test]
    fn answers_of_the_store_mean_what_amazon_says_they_mean() {
        for (status, code, expected) in [
            (404, "NoSuchKey", Kind::Absent),
            (404, "", Kind::Absent),
            (404, "NoSuchBucket", Kind::NoBucket),
            (404, "NoSuchUpload", Kind::NoUpload),
            (412, "PreconditionFailed", Kind::ConditionFailed),
            (409, "ConditionalRequestConflict", Kind::Conflict),
            (409, "OperationAborted", Kind::Conflict),
            (409, "ObjectParentIsFile", Kind::Refused),
            (503, "SlowDown", Kind::Busy),
            (400, "RequestTimeout", Kind::Busy),
            (429, "", Kind::Busy),
            (503, "ServiceUnavailable", Kind::Doubtful),
            (500, "InternalError", Kind::Doubtful),
            (502, "", Kind::Doubtful),
            (403, "AccessDenied", Kind::Denied),
            (403, "", Kind::Denied),
            (400, "ExpiredToken", Kind::Credentials),
            (403, "InvalidAccessKeyId", Kind::Credentials),
            (400, "", Kind::Credentials),
            (416, "InvalidRange", Kind::PastTheEnd),
            (501, "NotImplemented", Kind::Unsupported),
            (400, "NotImplemented", Kind::Unsupported),
            (400, "EntityTooSmall", Kind::Refused),
            (301, "PermanentRedirect", Kind::Refused),
            (200, "InternalError", Kind::Doubtful),
            (200, "PreconditionFailed", Kind::ConditionFailed),
        ] {
            assert_eq!(kind(status, code), expected, "{status} {code}");
        }
    }

    #[test]
    fn the_caller_is_told_what_was_asked_of_whom() {
        let trouble = Trouble { kind: Kind::Denied, size: None, text: "PutObject: 403 AccessDenied (request 7)".into() };
        let said = trouble.into_error("s3://streams/main", "a/b").to_string();
        for part in ["PutObject", "403", "AccessDenied", "request 7", "a/b", "s3://streams/main"] {
            assert!(said.contains(part), "{said} lacks {part}");
        }
    }
}
