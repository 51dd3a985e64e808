//! A client whose answers begin within a time: a request that is never answered is an error, and is tried again.

use http::{Request, Response};
use kube::{Client, client::Body};
use std::time::Duration;
use tower::service_fn;

/// How long the head of an answer may take. A list of ten thousand objects comes in pages; a watch's head comes at once.
const PATIENCE: Duration = Duration::from_secs(30);

/// The same client, bounded.
#[must_use]
pub fn bounded(client: Client) -> Client {
    let namespace = client.default_namespace().to_owned();
    let service = service_fn(move |request: Request<Body>| {
        let client = client.clone();
        async move {
            let answer: Result<Response<Body>, tower::BoxError> = match tokio::time::timeout(PATIENCE, client.send(request)).await {
                Ok(answer) => answer.map_err(Into::into),
                Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs()).into()),
            };
            answer
        }
    });
    Client::new(service, namespace)
}
