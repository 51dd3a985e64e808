//! Lanes: threads that compute, shared by all pipelines of the process. A lane never waits for anything but its mailbox.

mod flight;

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
};

pub(crate) use flight::{Flight, Load};

use crate::worker::{Message, Worker};

/// What a lane is told.
enum Mail {
    /// A pipeline begins here.
    Install(u64, Box<Worker>),
    /// A pipeline ends here; what is still in the mailbox for it is dropped.
    Remove(u64),
    /// Work for a pipeline.
    Work(u64, Load<Message>),
    /// The lane ends; what is still in its mailbox is dropped.
    End,
}

/// All lanes of the process. Cheap to clone; the threads end when the last clone is dropped, whoever still has a way to their mailboxes.
#[derive(Clone)]
pub struct Lanes(Arc<Shared>);

struct Shared {
    mailboxes: Vec<mpsc::Sender<Mail>>,
    next_pipeline: AtomicU64,
    threads: Mutex<Vec<thread::JoinHandle<()>>>,
}

impl std::fmt::Debug for Lanes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lanes").field("count", &self.0.mailboxes.len()).finish_non_exhaustive()
    }
}

impl Default for Lanes {
    /// A lane for each core that the process may use.
    fn default() -> Self {
        Self::new(thread::available_parallelism().map_or(1, NonZeroUsize::get))
    }
}

impl Lanes {
    /// This many lanes, at least one.
    ///
    /// # Panics
    /// Where the system gives no thread.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self::start((0..count.max(1)).map(|number| (number, None)))
    }

    /// A lane for each core that the process may use, each pinned to its core: for a process that has its cores to itself. Where the
    /// system does not let threads be pinned, they are not.
    ///
    /// # Panics
    /// Where the system gives no thread.
    #[must_use]
    pub fn pinned() -> Self {
        match rustix::thread::sched_getaffinity(None) {
            Ok(allowed) => {
                let cores = (0..rustix::thread::CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
                Self::start(cores.enumerate().map(|(number, core)| (number, Some(core))))
            }
            Err(_) => Self::default(),
        }
    }

    fn start(lanes: impl Iterator<Item = (usize, Option<usize>)>) -> Self {
        let (mailboxes, threads) = lanes.map(|(number, core)| start_lane(number, core)).unzip();
        Self(Arc::new(Shared { mailboxes, next_pipeline: AtomicU64::new(0), threads: Mutex::new(threads) }))
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.mailboxes.len()
    }

    /// A place for one pipeline on every lane; its workers come with [`Mailboxes::install`].
    pub(crate) fn prepare(&self) -> Mailboxes {
        let pipeline = self.0.next_pipeline.fetch_add(1, Ordering::Relaxed);
        Mailboxes { lanes: self.0.mailboxes.clone(), pipeline, flight: Arc::new(Flight::default()) }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // A lane is told, since its mailbox may never be without a sender: a pipeline that panicked has workers on the lanes, and each of
        // them has a way to every lane, its own too.
        self.mailboxes.iter().for_each(|mailbox| drop(mailbox.send(Mail::End)));
        let threads = self.threads.get_mut().map(std::mem::take).unwrap_or_default();
        // The last clone may be dropped on a lane: a thread cannot wait for itself.
        let own = thread::current().id();
        threads.into_iter().filter(|lane| lane.thread().id() != own).for_each(|lane| drop(lane.join()));
    }
}

fn start_lane(number: usize, core: Option<usize>) -> (mpsc::Sender<Mail>, thread::JoinHandle<()>) {
    let (sender, mailbox) = mpsc::channel();
    let lane = move || {
        if let Some(core) = core {
            let mut only = rustix::thread::CpuSet::new();
            only.set(core);
            if let Err(error) = rustix::thread::sched_setaffinity(None, &only) {
                tracing::debug!(number, core, %error, "a lane cannot be pinned");
            }
        }
        run(&mailbox);
    };
    let lane = thread::Builder::new().name(format!("lane-{number}")).spawn(lane).expect("the system gives a thread");
    (sender, lane)
}

fn run(mailbox: &mpsc::Receiver<Mail>) {
    let mut workers: HashMap<u64, Box<Worker>> = HashMap::new();
    while let Ok(mail) = mailbox.recv() {
        match mail {
            Mail::Install(pipeline, worker) => drop(workers.insert(pipeline, worker)),
            Mail::Remove(pipeline) => drop(workers.remove(&pipeline)),
            Mail::Work(pipeline, load) => {
                let Some(worker) = workers.get_mut(&pipeline) else { continue };
                // A bug in one pipeline's operators must not stop the others'.
                if catch_unwind(AssertUnwindSafe(|| load.deliver(|message| worker.handle(message)))).is_err() {
                    workers.remove(&pipeline).iter().for_each(|worker| worker.fail("a lane panicked: this is a bug, see the log"));
                }
            }
            Mail::End => return,
        }
    }
}

/// One pipeline's way to its workers. Dropping all clones does not end the workers: see [`Mailboxes::remove`].
#[derive(Clone)]
pub(crate) struct Mailboxes {
    lanes: Vec<mpsc::Sender<Mail>>,
    pipeline: u64,
    flight: Arc<Flight>,
}

impl Mailboxes {
    pub(crate) fn count(&self) -> usize {
        self.lanes.len()
    }

    /// Gives each lane its worker, in order.
    pub(crate) fn install(&self, workers: Vec<Worker>) {
        for (mailbox, worker) in self.lanes.iter().zip(workers) {
            // A lane that has ended drops what it is sent: the process is on its way out.
            let _ = mailbox.send(Mail::Install(self.pipeline, Box::new(worker)));
        }
    }

    /// What is under way on the lanes.
    pub(crate) fn flight(&self) -> &Arc<Flight> {
        &self.flight
    }

    /// Sends to one lane; messages of one sender arrive in order. `bytes` count as under way until the message is handled.
    pub(crate) fn send(&self, lane: usize, message: Message, bytes: usize) {
        let load = self.flight.load(message, bytes);
        let _ = self.lanes[lane].send(Mail::Work(self.pipeline, load));
    }

    /// Ends the pipeline's workers.
    pub(crate) fn remove(&self) {
        self.lanes.iter().for_each(|lane| drop(lane.send(Mail::Remove(self.pipeline))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_lane_for_each_core_and_at_least_one() {
        assert_eq!(Lanes::new(0).count(), 1);
        assert_eq!(Lanes::new(3).count(), 3);
        assert_eq!(Lanes::pinned().count(), Lanes::default().count());
    }

    #[test]
    fn lanes_end_although_a_pipeline_that_died_still_has_a_way_to_them() {
        let lanes = Lanes::new(2);
        let left_behind = lanes.prepare();
        left_behind.send(0, Message::Tick, 10);
        let (ended, has_ended) = mpsc::channel();
        thread::spawn(move || {
            drop(lanes);
            let _ = ended.send(());
        });
        // Waits as long as a person would; a lane that waits for its last sender never ends.
        has_ended.recv_timeout(std::time::Duration::from_secs(30)).expect("the lanes end");
        left_behind.send(1, Message::Tick, 10);
        assert!(left_behind.flight().is_drained(), "what no lane takes any more is not waited for");
    }
}
