//! Threads that step back behind those that producers and readers of new data wait for.

/// How far: of a processor that all of them want, such a thread gets about a third of what another gets.
const NICENESS: i32 = 5;

/// Lets the calling thread step back. A system that does not let it changes nothing but how long others wait.
pub(crate) fn step_back() {
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "a thread in the background keeps its priority");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_thread_that_asks_steps_back() {
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let before = niceness();
        let behind = std::thread::spawn(move || {
            step_back();
            niceness()
        });
        assert_eq!(behind.join().unwrap(), (before + NICENESS).min(19));
        assert_eq!(niceness(), before);
    }
}
