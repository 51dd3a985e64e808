//! Lanes of work that blocks: each has threads of its own, so that what waits for an object store holds up nobody who reads the volume.

use std::io;

use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
};

/// So many threads, and a queue before them: first come, first served.
pub(crate) struct Lane {
    /// Always there, but while the lane is dropped.
    threads: Option<Runtime>,
}

/// The lane has lost the work: it panicked, or the lane is gone.
#[derive(Debug, thiserror::Error)]
#[error("a task failed inside")]
pub(crate) struct Lost;

impl Lane {
    /// A lane of `threads` threads, which begin when they are needed and end when they have long had nothing to do. Each begins with
    /// `prepare`.
    ///
    /// # Errors
    /// Where the system does not give it what a runtime needs.
    pub(crate) fn open(name: &'static str, threads: usize, prepare: fn()) -> io::Result<Self> {
        let threads = Builder::new_current_thread().max_blocking_threads(threads).thread_name(name).on_thread_start(prepare).build()?;
        Ok(Self { threads: Some(threads) })
    }

    /// Runs `work` in its turn, with a question that says whether anybody still waits for it.
    ///
    /// # Cancel safety
    /// Work whose future is dropped before its turn is never run; from then on it may ask.
    ///
    /// # Errors
    /// [`Lost`].
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl FnOnce(&dyn Fn() -> bool) -> T + Send + 'static) -> Result<T, Lost> {
        let (tell, told) = oneshot::channel();
        let threads = self.threads.as_ref().expect("the threads live as long as the lane");
        drop(threads.spawn_blocking(move || {
            if !tell.is_closed() {
                let outcome = work(&|| !tell.is_closed());
                drop(tell.send(outcome));
            }
        }));
        told.await.map_err(|_| Lost)
    }
}

/// Nothing: the threads are like all others.
pub(crate) fn equal() {}

/// The thread steps back behind those that producers and readers of new data wait for. A system that does not let it changes nothing but how
/// long others wait.
pub(crate) fn behind() {
    const NICENESS: i32 = 5;
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "a thread in the background keeps its priority");
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        // Without waiting: a runtime that waits for its threads may not be dropped in a thread of another.
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    };

    use super::*;

    #[tokio::test]
    async fn a_lane_that_is_full_holds_up_no_other() {
        let (cold, volume) = (Lane::open("cold", 1, behind).unwrap(), Lane::open("volume", 1, equal).unwrap());
        let (let_go, gate) = mpsc::channel::<()>();
        let mut stuck = Box::pin(cold.run(move |_| gate.recv().is_ok()));
        assert!(futures::poll!(&mut stuck).is_pending());
        let mut behind = Box::pin(cold.run(|_| 7));
        assert!(futures::poll!(&mut behind).is_pending());
        assert_eq!(volume.run(|_| 8).await.unwrap(), 8);
        let_go.send(()).unwrap();
        assert!(stuck.await.unwrap());
        assert_eq!(behind.await.unwrap(), 7);
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_is_not_begun_and_what_has_begun_is_told() {
        let lane = Lane::open("cold", 1, behind).unwrap();
        let (begun, has_begun) = mpsc::channel();
        let (let_go, gate) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel();
        let mut first = Box::pin(lane.run(move |is_wanted| {
            begun.send(is_wanted()).unwrap();
            gate.recv().unwrap();
            tell.send(is_wanted()).unwrap();
        }));
        assert!(futures::poll!(&mut first).is_pending());
        assert!(has_begun.recv().unwrap(), "somebody waits");
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&runs);
        let mut second = Box::pin(lane.run(move |_| counted.fetch_add(1, Ordering::Relaxed)));
        assert!(futures::poll!(&mut second).is_pending());
        drop((first, second));
        let_go.send(()).unwrap();
        assert!(!told.recv().unwrap(), "nobody waits any more");
        lane.run(|_| ()).await.unwrap();
        assert_eq!(runs.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn only_threads_of_a_lane_behind_step_back() {
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let (cold, volume) = (Lane::open("cold", 1, behind).unwrap(), Lane::open("volume", 1, equal).unwrap());
        let own = niceness();
        assert_eq!(volume.run(move |_| niceness()).await.unwrap(), own);
        assert_eq!(cold.run(move |_| niceness()).await.unwrap(), (own + 5).min(19));
        assert_eq!(niceness(), own);
    }

    #[tokio::test]
    async fn work_that_panics_is_lost_and_the_lane_goes_on() {
        let lane = Lane::open("cold", 1, behind).unwrap();
        assert!(lane.run(|_| assert_eq!(1, 2)).await.is_err());
        assert_eq!(lane.run(|_| 3).await.unwrap(), 3);
    }
}
