//! What one pipeline has under way on the lanes: when it is nothing, the lanes are drained and a cut can be made.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use tokio::sync::Notify;

/// Counts messages that were sent and not yet handled, with their bytes.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    messages: AtomicUsize,
    bytes: AtomicUsize,
    /// Bytes that the lanes hold for the next cut.
    pending_bytes: AtomicU64,
    /// Something is there to commit that no dispatch announced: a timer fired.
    is_changed: AtomicBool,
    /// Messages were handled.
    moved: Notify,
}

/// A message under way. Counted until it is delivered or dropped; what its delivery sends is counted before.
pub(crate) struct Load<T> {
    message: Option<T>,
    bytes: usize,
    flight: Arc<Flight>,
}

impl Flight {
    pub(crate) fn load<T>(self: &Arc<Self>, message: T, bytes: usize) -> Load<T> {
        self.messages.fetch_add(1, Ordering::SeqCst);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Load { message: Some(message), bytes, flight: Arc::clone(self) }
    }

    /// Whether every message was handled, with all that came of it.
    pub(crate) fn is_drained(&self) -> bool {
        self.messages.load(Ordering::SeqCst) == 0
    }

    /// Bytes of messages under way.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Bytes that a cut made now would hold, about.
    pub(crate) fn pending_bytes(&self) -> u64 {
        self.pending_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn add_pending(&self, bytes: u64) {
        self.pending_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn clear_pending(&self) {
        self.pending_bytes.store(0, Ordering::Relaxed);
    }

    pub(crate) fn set_changed(&self) {
        self.is_changed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn take_changed(&self) -> bool {
        self.is_changed.swap(false, Ordering::Relaxed)
    }

    /// Waits until messages were handled since the last wait.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub(crate) async fn moved(&self) {
        self.moved.notified().await;
    }
}

impl<T> Load<T> {
    pub(crate) fn deliver(mut self, to: impl FnOnce(T)) {
        let message = self.message.take().expect("a load is delivered once");
        to(message);
    }
}

impl<T> Drop for Load<T> {
    fn drop(&mut self) {
        self.flight.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.flight.messages.fetch_sub(1, Ordering::SeqCst);
        self.flight.moved.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_delivery_sends_keeps_the_lanes_from_being_drained() {
        let flight = Arc::new(Flight::default());
        let first = flight.load(1, 10);
        let mut second = None;
        first.deliver(|_| second = Some(flight.load(2, 5)));
        assert!(!flight.is_drained());
        assert_eq!(flight.bytes(), 5);
        drop(second);
        assert!(flight.is_drained());
    }
}
