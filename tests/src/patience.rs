//! Waiting for what comes about.

use std::time::{Duration, Instant};

/// What `look` finds, as soon as it finds something.
///
/// # Panics
/// Where it finds nothing within `patience`: then `what` is said.
pub fn until<T>(what: &str, patience: Duration, look: impl Fn() -> Option<T>) -> T {
    let end = Instant::now() + patience;
    loop {
        match look() {
            Some(found) => return found,
            None if Instant::now() > end => panic!("{what}: not within {patience:?}"),
            None => std::thread::park_timeout(Duration::from_millis(100)),
        }
    }
}
