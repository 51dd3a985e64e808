//! `/livez`, `/readyz`, `/metrics`.

use axum::{Router, extract::State, http::StatusCode, routing::get};
use std::{
    sync::{
        Arc,
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
}

impl Default for Health {
    fn default() -> Self {
        Self { metrics: Metrics::default(), started: Instant::now(), turned: AtomicU64::new(0) }
    }
}

impl Health {
    /// The loop turns, or waits to lead.
    pub fn turn(&self) {
        self.turned.store(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
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
    let app = Router::new()
        .route("/livez", get(alive))
        .route("/readyz", get(|| async { "ok\n" }))
        .route("/metrics", get(|State(health): State<Arc<Health>>| async move { health.metrics.text() }))
        .with_state(health);
    axum::serve(listener, app).await
}
