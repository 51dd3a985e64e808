//! Does writes: the only place that changes anything in the API server.

mod attempts;
mod failure;

pub use attempts::{Attempts, Outcome};
pub use failure::{Cause, Failure};

use http::{Method, Request};
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::{
    lease::{self, Leadership},
    resource::Key,
    write::Write,
};

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(15);

/// What a write left behind.
#[derive(Debug)]
pub enum Done {
    /// The object as it is now.
    Object(Key, Box<Value>),
    /// The object is gone, or on its way out.
    Gone(Key),
    /// An Event; nobody looks at it again.
    Told,
}

/// The API server, as far as it is written to; while we lead.
pub struct Api {
    client: kube::Client,
    leadership: Leadership,
    instance: String,
    nonce: AtomicU64,
}

impl Api {
    /// Writes as `instance`, the operator's pod, while `leadership` lasts.
    #[must_use]
    pub fn new(client: kube::Client, leadership: Leadership, instance: String) -> Self {
        let nanos = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_nanos());
        // The low half of the time in nanoseconds: Events of one operator differ by counting, those of two by when they started.
        let nonce = AtomicU64::new(u64::try_from(nanos & u128::from(u64::MAX)).unwrap_or(0));
        Self { client, leadership, instance, nonce }
    }

    /// Does one write. Leadership is asked last before the request goes out.
    ///
    /// # Errors
    /// Why it was not done, or may not have been (a timeout): all writes may be done twice.
    pub async fn write(&self, write: &Write, now: crds::Timestamp) -> Result<Done, Failure> {
        let (key, request) = self.request(write, now)?;
        let Some(left) = self.leadership.left() else {
            return Err(Failure::new(Cause::NotLeading, "another operator may lead by now"));
        };
        // Nothing of ours is under way any more when another may begin.
        let timeout = TIMEOUT.min(left + lease::AFTERWARDS);
        let answer = tokio::time::timeout(timeout, self.client.request::<Value>(request)).await;
        let answer = match answer {
            Err(_) => Err(Failure::new(Cause::Unavailable, format!("no answer within {} s", timeout.as_secs()))),
            Ok(answer) => answer.map_err(|error| Failure::of(&error)),
        };
        match (write, answer) {
            (Write::Tell(_), Ok(_)) => Ok(Done::Told),
            (Write::Delete { .. }, Ok(body)) if body["metadata"]["deletionTimestamp"].is_string() => Ok(Done::Object(key, Box::new(body))),
            // Another object has the name, or none.
            (Write::Delete { .. }, Err(failure)) if matches!(failure.cause, Cause::NotFound | Cause::Conflict) => Ok(Done::Gone(key)),
            (Write::Delete { .. }, Ok(_)) => Ok(Done::Gone(key)),
            (_, Ok(body)) => Ok(Done::Object(key, Box::new(body))),
            (_, Err(failure)) => Err(Failure { message: format!("{} {key}: {}", write.verb(), failure.message), ..failure }),
        }
    }

    fn request(&self, write: &Write, now: crds::Timestamp) -> Result<(Key, Request<Vec<u8>>), Failure> {
        let (key, method, path, kind, body) = match write {
            Write::Apply { key, subresource, manager, body } => {
                let path = format!("{}?fieldManager={manager}&force=true", key.path(*subresource));
                (key.clone(), Method::PATCH, path, "application/apply-patch+yaml", body.clone())
            }
            Write::Create { key, manager, body } => {
                let path = format!("{}?fieldManager={manager}", key.resource.path(&key.namespace));
                (key.clone(), Method::POST, path, "application/json", body.clone())
            }
            Write::Replace { key, manager, body } => {
                (key.clone(), Method::PUT, format!("{}?fieldManager={manager}", key.path(None)), "application/json", body.clone())
            }
            Write::Patch { key, manager, body } => {
                let path = format!("{}?fieldManager={manager}", key.path(None));
                (key.clone(), Method::PATCH, path, "application/merge-patch+json", body.clone())
            }
            Write::Delete { key, uid, keeps_children, is_forced } => {
                let mut body = json!({
                    "apiVersion": "v1",
                    "kind": "DeleteOptions",
                    "preconditions": {"uid": uid},
                    "propagationPolicy": if *keeps_children { "Orphan" } else { "Background" },
                });
                if *is_forced {
                    body["gracePeriodSeconds"] = json!(0);
                }
                (key.clone(), Method::DELETE, key.path(None), "application/json", body)
            }
            Write::Tell(note) => {
                let (key, body) = note.body(&self.instance, now, self.nonce.fetch_add(1, Ordering::Relaxed));
                let path = key.resource.path(&key.namespace);
                (key, Method::POST, path, "application/json", body)
            }
        };
        let request =
            Request::builder().method(method).uri(path).header(http::header::CONTENT_TYPE, kind).body(body.to_string().into_bytes());
        request.map(|request| (key, request)).map_err(|error| Failure::new(Cause::Refused, error.to_string()))
    }
}
