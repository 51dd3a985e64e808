//! The threads: flushers write groups, the keeper does the chores, the shipper talks to the store. All hold the engine in turn.

use std::{
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use units::TimestampMs;

use crate::{
    AdvanceListener, Disk,
    cold::Cold,
    engine::{Engine, Now, Ready, chores::ChorePoll},
    priority,
    shipper::Shipper,
    wal::FlushPoll,
};

/// How long an idle thread sleeps at most.
const IDLE: Duration = Duration::from_secs(1);
/// Recent flushes whose times are kept.
const FLUSH_TIMES: usize = 512;

struct State {
    engine: Engine,
    is_dispatching: bool,
}

/// What the threads and the handles share.
pub(crate) struct Shared {
    state: Mutex<State>,
    flush_wanted: Condvar,
    chore_wanted: Condvar,
    ship_wanted: Condvar,
    /// Told after each flush, chore and shipment: for those who wait for one.
    progress: Condvar,
    is_stopping: AtomicBool,
    listeners: RwLock<Vec<AdvanceListener>>,
    flush_times: Mutex<FlushTimes>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    disk: Arc<dyn Disk>,
    pub(crate) cold: Cold,
    opened: Instant,
}

#[derive(Default)]
struct FlushTimes {
    micros: Vec<u64>,
    next: usize,
}

impl FlushTimes {
    fn add(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        if self.micros.len() < FLUSH_TIMES {
            self.micros.push(micros);
        } else {
            self.micros[self.next] = micros;
        }
        self.next = (self.next + 1) % FLUSH_TIMES;
    }

    fn percentiles(&self) -> (u64, u64) {
        let mut sorted = self.micros.clone();
        sorted.sort_unstable();
        let at = |percent: usize| sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1))).copied().unwrap_or(0);
        (at(50), at(99))
    }
}

impl Shared {
    /// Starts the threads.
    pub(crate) fn start(engine: Engine, shipper: Shipper, cold: Cold, disk: Arc<dyn Disk>) -> Arc<Self> {
        let flushers = engine.config.flushes_in_flight;
        let shared = Arc::new(Self {
            state: Mutex::new(State { engine, is_dispatching: false }),
            flush_wanted: Condvar::new(),
            chore_wanted: Condvar::new(),
            ship_wanted: Condvar::new(),
            progress: Condvar::new(),
            is_stopping: AtomicBool::new(false),
            listeners: RwLock::default(),
            flush_times: Mutex::default(),
            threads: Mutex::default(),
            disk,
            cold,
            opened: Instant::now(),
        });
        let spawn = |name: String, run: Box<dyn FnOnce(Arc<Self>) + Send>| {
            let shared = shared.clone();
            let thread = thread::Builder::new().name(name).spawn(move || run(shared));
            thread.expect("the system gives the log its few threads")
        };
        let mut threads: Vec<_> =
            (0..flushers).map(|index| spawn(format!("log-flush-{index}"), Box::new(|shared| shared.flush_loop()))).collect();
        threads.push(spawn("log-keep".into(), Box::new(|shared| shared.keep_loop())));
        threads.push(spawn("log-ship".into(), Box::new(|shared| shared.ship_loop(shipper))));
        *shared.threads.lock().unwrap_or_else(PoisonError::into_inner) = threads;
        shared
    }

    pub(crate) fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { monotonic: self.opened.elapsed(), wall: TimestampMs(i64::try_from(wall.as_millis()).unwrap_or(i64::MAX)) }
    }

    pub(crate) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("a bug in the log has been reported by the thread that hit it")
    }

    /// Asks or changes the engine without telling anybody.
    pub(crate) fn with<T>(&self, ask: impl FnOnce(&mut Engine) -> T) -> T {
        ask(&mut self.lock().engine)
    }

    /// Changes the engine, wakes whoever has something to do, and tells what there is to tell.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Engine, Now)) {
        let now = self.now();
        let mut state = self.lock();
        change(&mut state.engine, now);
        self.flush_wanted.notify_one();
        if state.engine.wants_keeper() {
            self.chore_wanted.notify_one();
        }
        self.dispatch(state);
    }

    /// Tells what there is to tell, in order: one thread at a time, without the lock.
    fn dispatch<'a>(&'a self, mut state: MutexGuard<'a, State>) {
        if state.is_dispatching {
            return;
        }
        state.is_dispatching = true;
        loop {
            let ready = state.engine.take_ready();
            if ready.is_empty() {
                state.is_dispatching = false;
                return;
            }
            drop(state);
            for ready in ready {
                // A caller's mistake must not end the acknowledgements of all others.
                if panic::catch_unwind(AssertUnwindSafe(|| self.tell(ready))).is_err() {
                    tracing::error!("what was called back by the log has panicked");
                }
            }
            state = self.lock();
        }
    }

    fn tell(&self, ready: Ready) {
        match ready {
            Ready::Appended(done, outcome) => done(outcome),
            Ready::LogStart(done, outcome) => done(outcome),
            Ready::Changed(done, outcome) => done(outcome),
            Ready::Advanced(id, offsets) => {
                for listener in self.listeners.read().unwrap_or_else(PoisonError::into_inner).iter() {
                    listener(id, offsets);
                }
            }
        }
    }

    pub(crate) fn listen(&self, listener: AdvanceListener) {
        self.listeners.write().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    /// Median and 99th percentile of recent flushes, in microseconds.
    pub(crate) fn flush_percentiles(&self) -> (u64, u64) {
        self.flush_times.lock().unwrap_or_else(PoisonError::into_inner).percentiles()
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }

    fn flush_loop(&self) {
        let mut state = self.lock();
        while !self.is_stopping() {
            let now = self.now();
            match state.engine.poll_flush(now) {
                FlushPoll::Write(job) => {
                    drop(state);
                    self.flush(job);
                    state = self.lock();
                }
                FlushPoll::At(time) => state = wait(&self.flush_wanted, state, time.saturating_sub(now.monotonic)),
                FlushPoll::Idle => state = wait(&self.flush_wanted, state, IDLE),
            }
        }
    }

    fn flush(&self, job: crate::wal::FlushJob) {
        let group = job.seal();
        let begun = Instant::now();
        let written = group.write();
        self.flush_times.lock().unwrap_or_else(PoisonError::into_inner).add(begun.elapsed());
        let mut state = self.lock();
        state.engine.on_flushed(group.seq, written.map(|()| group.bytes));
        if state.engine.wants_keeper() {
            self.chore_wanted.notify_one();
        }
        self.progress.notify_all();
        self.dispatch(state);
    }

    fn keep_loop(&self) {
        while !self.is_stopping() {
            let free_bytes = self.disk.free_bytes().unwrap_or(u64::MAX);
            let now = self.now();
            let mut state = self.lock();
            match state.engine.poll_chore(free_bytes, now) {
                ChorePoll::Do(chore) => {
                    drop(state);
                    let done = chore.perform(&*self.disk);
                    state = self.lock();
                    match done {
                        Ok(done) => state.engine.on_chore(done, self.now()),
                        Err(error) => state.engine.fail(format!("keep the volume: {error}")),
                    }
                    self.flush_wanted.notify_all();
                }
                ChorePoll::At(time) => {
                    self.ship_wanted.notify_one();
                    // Retention may just have moved a log start, which is written like anything else.
                    self.flush_wanted.notify_one();
                    state = wait(&self.chore_wanted, state, time.saturating_sub(now.monotonic));
                }
            }
            self.progress.notify_all();
            self.dispatch(state);
        }
    }

    fn ship_loop(&self, mut shipper: Shipper) {
        priority::step_back();
        while !self.is_stopping() {
            let now = self.now();
            let mut state = self.lock();
            let task = match state.engine.poll_ship(now) {
                Ok(task) => task,
                Err(time) => {
                    self.progress.notify_all();
                    drop(wait(&self.ship_wanted, state, time.saturating_sub(now.monotonic)));
                    continue;
                }
            };
            drop(state);
            let done = shipper.perform(&task);
            drop(task);
            state = self.lock();
            let now = self.now();
            match done {
                Ok(done) => state.engine.on_shipped(done, now),
                Err(error) if error.is_fatal() => state.engine.fail(error.to_string()),
                Err(error) => {
                    tracing::warn!(%error, "shipping to the object store failed; it is tried again");
                    state.engine.on_ship_failed(&error, now);
                }
            }
            self.chore_wanted.notify_one();
            self.progress.notify_all();
            self.dispatch(state);
        }
    }

    /// Waits until `is_done`, or the volume has failed, or the log stops.
    pub(crate) fn wait_until(&self, is_done: impl Fn(&mut Engine) -> bool) {
        let mut state = self.lock();
        while !is_done(&mut state.engine) && !state.engine.has_failed() && !self.is_stopping() {
            self.wake();
            state = wait(&self.progress, state, Duration::from_millis(100));
        }
    }

    pub(crate) fn wake(&self) {
        self.flush_wanted.notify_all();
        self.chore_wanted.notify_all();
        self.ship_wanted.notify_all();
    }

    /// Lets the threads end; does not wait for them.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
        drop(self.lock());
        self.wake();
        self.progress.notify_all();
    }

    /// Waits for the threads.
    pub(crate) fn join(&self) {
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            drop(thread.join());
        }
    }
}

fn wait<'a>(condition: &Condvar, state: MutexGuard<'a, State>, time: Duration) -> MutexGuard<'a, State> {
    let waited = condition.wait_timeout(state, time.clamp(Duration::from_micros(20), IDLE));
    waited.expect("a bug in the log has been reported by the thread that hit it").0
}
