//! What has been counted since the broker started: for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use wire::ApiKey;

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Requests of one API.
#[derive(Debug, Default)]
pub(crate) struct OfApi {
    requests: Counter,
    request_bytes: Counter,
}

impl OfApi {
    /// One more, of a frame of so many bytes.
    pub(crate) fn request(&self, frame_bytes: usize) {
        self.requests.add(1);
        self.request_bytes.add(frame_bytes as u64);
    }
}

/// Everything that is counted. One per broker.
#[derive(Debug)]
pub(crate) struct Counters {
    of_apis: Vec<OfApi>,
    pub(crate) response_bytes: Counter,
    pub(crate) fetched_bytes: Counter,
    pub(crate) connections_accepted: Counter,
    pub(crate) connections_refused: Counter,
    pub(crate) handshakes_failed: Counter,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            of_apis: ApiKey::ALL.iter().map(|_| OfApi::default()).collect(),
            response_bytes: Counter::default(),
            fetched_bytes: Counter::default(),
            connections_accepted: Counter::default(),
            connections_refused: Counter::default(),
            handshakes_failed: Counter::default(),
        }
    }
}

impl Counters {
    pub(crate) fn of(&self, api: ApiKey) -> &OfApi {
        &self.of_apis[ApiKey::ALL.binary_search(&api).expect("every API has its place")]
    }

    pub(crate) fn read(&self) -> Counted {
        let of_api = |(api, counted): (&ApiKey, &OfApi)| RequestsCounted {
            api: format!("{api:?}"),
            requests: counted.requests.read(),
            request_bytes: counted.request_bytes.read(),
        };
        Counted {
            requests: ApiKey::ALL.iter().zip(&self.of_apis).map(of_api).filter(|counted| counted.requests > 0).collect(),
            response_bytes: self.response_bytes.read(),
            fetched_bytes: self.fetched_bytes.read(),
            connections_accepted: self.connections_accepted.read(),
            connections_refused: self.connections_refused.read(),
            handshakes_failed: self.handshakes_failed.read(),
            connections_open: 0,
        }
    }
}

/// Requests of one API since the broker started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestsCounted {
    /// Kafka's name of it.
    pub api: String,
    /// How many.
    pub requests: u64,
    /// Bytes of their frames.
    pub request_bytes: u64,
}

/// What was counted since the broker started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// By API, those that were asked at all.
    pub requests: Vec<RequestsCounted>,
    /// Bytes of all answers.
    pub response_bytes: u64,
    /// Bytes of record batches in answers to Fetch.
    pub fetched_bytes: u64,
    /// Connections that were taken.
    pub connections_accepted: u64,
    /// Connections that were turned away, because there were as many as allowed.
    pub connections_refused: u64,
    /// TLS handshakes that failed.
    pub handshakes_failed: u64,
    /// Connections that are open now.
    pub connections_open: u64,
}
