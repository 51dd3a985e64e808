//! `/livez`, `/readyz`, `/metrics`.
//!
//! An operator that may not see what it needs is alive and not ready, and says what: a start anew would not help, and a rollout of one whose
//! rights are missing must not count as done.

use axum::{Router, extract::State, http::StatusCode, routing::get};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::metrics::Metrics;

/// A loop that has not turned for so long hangs.
const HANGS_AFTER: Duration = Duration::from_secs(120);

/// How the operator is.
pub struct Health {
    /// What it counts.
    pub metrics: Metrics,
    started: Instant,
    /// Milliseconds after `started` at which the loop turned last.
    turned: AtomicU64,
    /// What it may not watch.
    refused: Mutex<Vec<String>>,
}

impl Default for Health {
    fn default() -> Self {
        Self { metrics: Metrics::default(), started: Instant::now(), turned: AtomicU64::new(0), refused: Mutex::default() }
    }
}

impl Health {
    /// The loop turns, or waits to lead.
    pub fn turn(&self) {
        self.turned.store(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// What it may not watch now, in sentences; gives those that are new.
    pub fn refuse(&self, refused: Vec<String>) -> Vec<String> {
        self.metrics.watches_refused.set(i64::try_from(refused.len()).unwrap_or(i64::MAX));
        let mut known = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let new = refused.iter().filter(|one| !known.contains(one)).cloned().collect();
        *known = refused;
        new
    }

    /// Why it is not ready; empty where it is.
    #[must_use]
    pub fn refused(&self) -> Vec<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_alive(&self) -> bool {
        let turned = Duration::from_millis(self.turned.load(Ordering::Relaxed));
        self.started.elapsed().saturating_sub(turned) < HANGS_AFTER
    }
}

/// Answers until the listener fails.
///
/// # Errors
/// Where the listener does.
pub async fn serve(listener: TcpListener, health: Arc<Health>) -> std::io::Result<()> {
    let alive = |State(health): State<Arc<Health>>| async move {
        if health.is_alive() { (StatusCode::OK, "ok\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "the loop does not turn\n") }
    };
    // One that stands by is ready: it answers, and would lead.
    let ready = |State(health): State<Arc<Health>>| async move {
        let refused = health.refused();
        if refused.is_empty() { (StatusCode::OK, "ok\n".to_owned()) } else { (StatusCode::SERVICE_UNAVAILABLE, refused.join("\n") + "\n") }
    };
    let app = Router::new()
        .route("/livez", get(alive))
        .route("/readyz", get(ready))
        .route("/metrics", get(|State(health): State<Arc<Health>>| async move { health.metrics.text() }))
        .with_state(health);
    axum::serve(listener, app).await
}
