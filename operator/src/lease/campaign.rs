//! The shell around the lease: looks, takes, renews, gives back.

use http::{Method, Request};
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

use super::{Decision, HOLDS, Leadership, LeaseState, PERIOD, Seen, decision::body};
use crate::resource::{Key, Resource};

/// How long one request may take: short, since a renewal that comes late is none.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Leadership is over, or may be.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// It could not be renewed in time.
    #[error("the lease could not be renewed for {} s: {last}", HOLDS.as_secs())]
    NotRenewed {
        /// What went wrong last.
        last: String,
    },
    /// Somebody else has it.
    #[error("the lease was taken by {holder}")]
    Taken {
        /// Who.
        holder: String,
    },
}

/// One candidate.
pub struct Campaign {
    client: kube::Client,
    key: Key,
    state: LeaseState,
    leadership: Leadership,
}

impl Campaign {
    /// A candidate for the lease `name` in `namespace`; `identity` is the pod's name and must be unlike any other's.
    #[must_use]
    pub fn new(client: kube::Client, namespace: &str, name: &str, identity: String) -> Self {
        let key = Key::new(Resource::Lease, namespace, name);
        Self { client, key, state: LeaseState::new(identity), leadership: Leadership::default() }
    }

    /// Whether it leads, for those who write.
    #[must_use]
    pub fn leadership(&self) -> Leadership {
        self.leadership.clone()
    }

    /// Waits until it leads.
    ///
    /// # Cancel safety
    /// A lease that was taken as this was dropped is found to be its own the next time.
    pub async fn win(&mut self) {
        let mut told = String::new();
        loop {
            let trouble = match self.round().await {
                Ok(true) => return,
                Ok(false) => format!("{} leads", self.state.holder().unwrap_or("another operator")),
                Err(error) => format!("the lease cannot be had: {error}"),
            };
            if trouble != told {
                tracing::info!("standing by: {trouble}");
                told = trouble;
            }
            tokio::time::sleep(PERIOD).await;
        }
    }

    /// Keeps it; comes back when it is lost.
    ///
    /// # Errors
    /// Always: why it is lost. Nothing is written any more when this says so.
    pub async fn keep(&mut self) -> LeaseError {
        let mut last = String::from("no answer");
        loop {
            let until = self.leadership.until().unwrap_or_else(Instant::now);
            let round = tokio::time::timeout_at(until, self.round()).await;
            match round {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => {
                    self.leadership.end();
                    return LeaseError::Taken { holder: self.state.holder().unwrap_or_default().into() };
                }
                Ok(Err(error)) => last = error,
                Err(_) => {}
            }
            if !self.leadership.holds() {
                self.leadership.end();
                return LeaseError::NotRenewed { last };
            }
            tokio::time::sleep(PERIOD.min(until.saturating_duration_since(Instant::now()))).await;
        }
    }

    /// Gives it back, so that the next need not wait.
    pub async fn give_back(&mut self) {
        self.leadership.end();
        let Ok(Some(found)) = self.look().await else { return };
        if found.holder == self.state.identity() {
            let body = body(&self.key.namespace, &self.key.name, "", Some(&found.version), found.transitions, crds::Timestamp::now());
            let _ = self.send(Method::PUT, self.key.path(None), Some(body)).await;
        }
    }

    /// One look and what follows; whether it leads now.
    async fn round(&mut self) -> Result<bool, String> {
        let seen = self.look().await?;
        let (namespace, name, identity) = (&self.key.namespace, &self.key.name, self.state.identity().to_owned());
        let (started, now) = (Instant::now(), crds::Timestamp::now());
        let sent = match self.state.decide(seen, started) {
            Decision::Wait => return Ok(false),
            Decision::Create => {
                let body = body(namespace, name, &identity, None, 0, now);
                self.send(Method::POST, self.key.resource.path(namespace), Some(body)).await
            }
            Decision::Replace { version, transitions, is_new } => {
                let body = body(namespace, name, &identity, Some(&version), transitions, now);
                let sent = self.send(Method::PUT, self.key.path(None), Some(body)).await;
                if is_new && sent.is_ok() {
                    tracing::info!("leading, as {identity}");
                }
                sent
            }
        };
        sent?;
        self.leadership.extend(started + HOLDS);
        Ok(true)
    }

    async fn look(&self) -> Result<Option<Seen>, String> {
        Ok(self.send(Method::GET, self.key.path(None), None).await?.map(|body| Seen::read(&body)))
    }

    /// `None` where there is no such object.
    async fn send(&self, method: Method, path: String, body: Option<Value>) -> Result<Option<Value>, String> {
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let request = Request::builder().method(&method).uri(path).header(http::header::CONTENT_TYPE, "application/json").body(body);
        let request = request.map_err(|error| error.to_string())?;
        match tokio::time::timeout(TIMEOUT, self.client.request::<Value>(request)).await {
            Err(_) => Err(format!("no answer within {} s", TIMEOUT.as_secs())),
            Ok(Ok(body)) => Ok(Some(body)),
            Ok(Err(kube::Error::Api(status))) if status.code == 404 && method == Method::GET => Ok(None),
            Ok(Err(error)) => Err(error.to_string()),
        }
    }
}
