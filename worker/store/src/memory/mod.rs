//! Objects in memory, with faults on demand: what simulations and tests run against.
//!
//! The same calls in the same order give the same answers, whatever the machine does: faults come from a script
//! ([`MemoryStore::inject`]) or from a seed ([`MemoryStore::plan`]), and "late" is counted in calls. There is no fault that
//! hides an answered put from a later read, since no store that we accept does that.

mod fault;
mod requests;

pub use fault::{Fault, Injection, Operation, Plan};
pub use requests::Requests;

use crate::{Body, Head, Key, Listed, Object, ObjectStore, Prefix, PutError, StoreError, Version, WriteId};
use bytes::Bytes;
use fault::Faults;
use std::{collections::BTreeMap, fmt, ops::Range, sync::Mutex, sync::MutexGuard, time::Duration};

/// An [`ObjectStore`] in memory. Every call is one atomic step.
#[derive(Default)]
pub struct MemoryStore {
    state: Mutex<State>,
    pause: Option<Box<dyn Fn(Duration) + Send + Sync>>,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<Key, Stored>,
    generation: u64,
    faults: Faults,
    late: Vec<(u64, Write)>,
    calls: u64,
    requests: Requests,
}

#[derive(Clone)]
struct Stored {
    bytes: Bytes,
    version: Version,
    write_id: WriteId,
}

/// A call that changes something, which may arrive later than its caller thinks.
#[derive(Clone)]
enum Write {
    Put { key: Key, body: Body, expected: Expected, write_id: WriteId },
    Delete { key: Key },
}

#[derive(Clone)]
enum Expected {
    Absent,
    Match(Version),
}

/// What a call meets before it is performed.
enum Weather {
    Fair,
    Foul(Fault),
}

impl MemoryStore {
    /// An empty store without faults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Calls `pause` for [`Fault::Slow`], before the call it strikes is performed; without one, slowness is only counted.
    #[must_use]
    pub fn with_pause(mut self, pause: impl Fn(Duration) + Send + Sync + 'static) -> Self {
        self.pause = Some(Box::new(pause));
        self
    }

    /// Lets one later call meet a fault. Of several injections that fit a call, the earliest strikes.
    pub fn inject(&self, injection: Injection) {
        self.state().faults.inject(injection);
    }

    /// Draws faults from a seed from now on; `None` stops that. Injections come first.
    pub fn plan(&self, plan: Option<Plan>) {
        self.state().faults.plan(plan);
    }

    /// Ends all faults: drops plan and injections, and lets every late call arrive.
    pub fn calm(&self) {
        let mut state = self.state();
        state.faults = Faults::default();
        state.land_due(u64::MAX);
    }

    /// Lets every call that is still on its way arrive now, in the order in which they were made.
    pub fn land_late(&self) {
        self.state().land_due(u64::MAX);
    }

    /// How many calls that change something are still on their way.
    #[must_use]
    pub fn late_count(&self) -> usize {
        self.state().late.len()
    }

    /// What was asked of the store so far.
    #[must_use]
    pub fn requests(&self) -> Requests {
        self.state().requests.clone()
    }

    /// Every key that has an object, in order; meets no fault and is not counted.
    #[must_use]
    pub fn keys(&self) -> Vec<Key> {
        self.state().objects.keys().cloned().collect()
    }

    /// Flips one bit of an object as a failing disk would; false where there is no such bit.
    pub fn flip_bit(&self, key: &Key, bit: u64) -> bool {
        let mut state = self.state();
        let Some(stored) = state.objects.get_mut(key) else { return false };
        let mut bytes = stored.bytes.to_vec();
        let Some(byte) = usize::try_from(bit / 8).ok().and_then(|index| bytes.get_mut(index)) else { return false };
        *byte ^= 1 << (bit % 8);
        stored.bytes = bytes.into();
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Begins a call: late calls arrive whose time has come, and the call's own fault is drawn.
    fn begin(&self, operation: Operation, key: &str) -> (MutexGuard<'_, State>, Weather) {
        let mut state = self.state();
        state.calls += 1;
        state.requests.count(operation);
        let now = state.calls;
        state.land_due(now);
        match state.faults.draw(operation, key) {
            Some(Fault::Slow(time)) => {
                state.requests.slowed += time;
                drop(state);
                if let Some(pause) = &self.pause {
                    pause(time);
                }
                (self.state(), Weather::Fair)
            }
            Some(fault) => (state, Weather::Foul(fault)),
            None => (state, Weather::Fair),
        }
    }

    /// Begins a call that reads: every fault but a slow one keeps it from being performed.
    fn begin_read(&self, operation: Operation, key: &str) -> Result<MutexGuard<'_, State>, StoreError> {
        match self.begin(operation, key) {
            (state, Weather::Fair) => Ok(state),
            (_, Weather::Foul(_)) => Err(unavailable()),
        }
    }

    fn put(&self, key: &Key, body: Body, expected: Expected, write_id: WriteId) -> Result<Version, PutError> {
        let (mut state, weather) = self.begin(Operation::Put, key.as_str());
        state.requests.bytes_put += body.len();
        let write = Write::Put { key: key.clone(), body, expected, write_id };
        match weather {
            Weather::Fair => state.perform(write).map(|version| version.expect("a put that is performed gives a version")),
            Weather::Foul(Fault::AnswerLost) => {
                let _ = state.perform(write); // what came of it is what the caller does not learn
                Err(PutError::Unknown)
            }
            Weather::Foul(Fault::RequestLost) => Err(PutError::Unknown),
            Weather::Foul(Fault::Late { calls }) => {
                state.delay(write, calls);
                Err(PutError::Unknown)
            }
            Weather::Foul(Fault::Rival { body, write_id: rival }) => {
                state.store(key.clone(), body.to_bytes(), rival);
                state.perform(write).map(|version| version.expect("a put that is performed gives a version"))
            }
            Weather::Foul(Fault::Full) => Err(StoreError::Full { key: key.clone() }.into()),
            Weather::Foul(Fault::Unavailable | Fault::Slow(_)) => Err(unavailable().into()),
        }
    }
}

impl State {
    fn land_due(&mut self, now: u64) {
        let (due, waiting) = std::mem::take(&mut self.late).into_iter().partition(|(due, _)| *due <= now);
        self.late = waiting;
        for (_, write) in due {
            let _ = self.perform(write); // its caller was told long ago that the answer is lost
        }
    }

    fn delay(&mut self, write: Write, calls: u32) {
        self.late.push((self.calls + u64::from(calls), write));
    }

    /// Changes what is stored; gives the version of what was put.
    fn perform(&mut self, write: Write) -> Result<Option<Version>, PutError> {
        match write {
            Write::Delete { key } => {
                self.objects.remove(&key);
                Ok(None)
            }
            Write::Put { key, body, expected, write_id } => {
                let current = self.objects.get(&key);
                let holds = match (&expected, current) {
                    (Expected::Absent, current) => current.is_none(),
                    (Expected::Match(version), current) => current.is_some_and(|stored| stored.version == *version),
                };
                if !holds {
                    let (current, write_id) = current.map(|stored| (stored.version.clone(), stored.write_id)).unzip();
                    return Err(PutError::Lost { current, write_id });
                }
                Ok(Some(self.store(key, body.to_bytes(), write_id)))
            }
        }
    }

    fn store(&mut self, key: Key, bytes: Bytes, write_id: WriteId) -> Version {
        self.generation += 1;
        let version = Version::new(self.generation.to_string());
        self.objects.insert(key, Stored { bytes, version: version.clone(), write_id });
        version
    }

    fn stored(&self, key: &Key) -> Result<&Stored, StoreError> {
        self.objects.get(key).ok_or_else(|| StoreError::NotFound { key: key.clone() })
    }
}

impl ObjectStore for MemoryStore {
    fn get(&self, key: &Key) -> Result<Object, StoreError> {
        let mut state = self.begin_read(Operation::Get, key.as_str())?;
        let Stored { bytes, version, .. } = state.stored(key)?.clone();
        state.requests.bytes_got += bytes.len() as u64;
        Ok(Object { bytes, version })
    }

    fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        let mut state = self.begin_read(Operation::Get, key.as_str())?;
        let bytes = &state.stored(key)?.bytes;
        let size = bytes.len() as u64;
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        if range.end > size {
            return Err(StoreError::Truncated { key: key.clone(), size, wanted: range.end });
        }
        let bytes = bytes.slice(range.start as usize..range.end as usize);
        state.requests.bytes_got += bytes.len() as u64;
        Ok(bytes)
    }

    fn head(&self, key: &Key) -> Result<Option<Head>, StoreError> {
        let state = self.begin_read(Operation::Head, key.as_str())?;
        Ok(state.objects.get(key).map(|stored| Head {
            size: stored.bytes.len() as u64,
            version: stored.version.clone(),
            write_id: Some(stored.write_id),
        }))
    }

    fn put_if_absent(&self, key: &Key, body: Body, write_id: WriteId) -> Result<Version, PutError> {
        self.put(key, body, Expected::Absent, write_id)
    }

    fn put_if_match(&self, key: &Key, body: Body, expected: &Version, write_id: WriteId) -> Result<Version, PutError> {
        self.put(key, body, Expected::Match(expected.clone()), write_id)
    }

    fn list(&self, prefix: &Prefix, after: Option<&Key>, limit: usize) -> Result<Vec<Listed>, StoreError> {
        let state = self.begin_read(Operation::List, prefix.as_str())?;
        let wanted = state.objects.iter().filter(|(key, _)| prefix.matches(key) && after.is_none_or(|after| *key > after));
        Ok(wanted.take(limit).map(|(key, stored)| Listed { key: key.clone(), size: stored.bytes.len() as u64 }).collect())
    }

    fn delete(&self, key: &Key) -> Result<(), StoreError> {
        let (mut state, weather) = self.begin(Operation::Delete, key.as_str());
        let write = Write::Delete { key: key.clone() };
        match weather {
            Weather::Fair => {
                state.objects.remove(key);
                return Ok(());
            }
            Weather::Foul(Fault::AnswerLost) => {
                state.objects.remove(key);
            }
            Weather::Foul(Fault::Late { calls }) => state.delay(write, calls),
            Weather::Foul(_) => {}
        }
        Err(unavailable())
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        let objects = state.objects.iter().map(|(key, stored)| (key.as_str(), stored.bytes.len()));
        f.debug_map().entries(objects).finish()
    }
}

fn unavailable() -> StoreError {
    StoreError::Unavailable { reason: "a fault was asked for".into() }
}

#[cfg(test)]
mod tests;
