//! A server on loopback, and what its owner can ask of it.

use crate::{
    Conduct, Distance, Entry, Injection, Plan, Requests,
    distance::{Link, Linked},
    fault::Faults,
    objects::{Condition, Objects},
    service::{Keys, Service, Shared},
    wire::Wire,
};
use bytes::Bytes;
use hyper_util::rt::TokioIo;
use s3s::service::S3ServiceBuilder;
use std::{
    collections::{BTreeMap, HashMap},
    io,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Condvar, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};
use tokio::{runtime::Runtime, sync::watch};

/// A running server; dropping it stops it. One bucket, no TLS, path style, any region.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    hooks: Arc<Hooks>,
    away: watch::Sender<bool>,
    runtime: Option<Runtime>,
}

/// What faults and counters hold on to.
#[derive(Default)]
pub(crate) struct Hooks {
    faults: Mutex<Faults>,
    requests: Mutex<Requests>,
    log: Mutex<Vec<Entry>>,
    at_once: AtomicU64,
    late: Mutex<u64>,
    landed: Condvar,
}

const BUCKET: &str = "streams";
const ACCESS_KEY_ID: &str = "AKIATESTTESTTESTTEST";
const SECRET_ACCESS_KEY: &str = "test-secret-test-secret-test-secret";

impl Server {
    /// Starts a server on a free port of loopback, with an empty bucket.
    ///
    /// # Panics
    /// Where there is no port.
    #[must_use]
    pub fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().expect("an address")).expect("loopback has a free port")
    }

    /// Starts a server at `address`.
    ///
    /// # Errors
    /// Where the address cannot be bound.
    pub fn start_at(address: SocketAddr) -> io::Result<Self> {
        Self::start_far(address, None)
    }

    /// The same, as far away as said.
    ///
    /// # Errors
    /// Where the address cannot be bound.
    pub fn start_far(address: SocketAddr, distance: Option<Distance>) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            bucket: BUCKET.into(),
            objects: Mutex::new(Objects::default()),
            conduct: Mutex::new(Conduct::default()),
            keys: Mutex::new(BTreeMap::from([(ACCESS_KEY_ID.into(), SECRET_ACCESS_KEY.into())])),
        });
        let hooks = Arc::new(Hooks::default());
        let mut builder = S3ServiceBuilder::new(Service(Arc::clone(&shared)));
        builder.set_auth(Keys(Arc::clone(&shared)));
        let wire = Wire { service: builder.build(), hooks: Arc::clone(&hooks) };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("s3-server").enable_all().build()?;
        let (away, is_away) = watch::channel(false);
        let entered = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        drop(entered);
        runtime.spawn(accept(listener, wire, is_away, distance.map(|distance| Arc::new(Link::new(distance)))));
        Ok(Self { address, shared, hooks, away, runtime: Some(runtime) })
    }

    /// Its URL.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its only bucket.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.shared.bucket
    }

    /// The id of the key it knows from the start.
    #[must_use]
    pub fn access_key_id(&self) -> &str {
        ACCESS_KEY_ID
    }

    /// The key it knows from the start.
    #[must_use]
    pub fn secret_access_key(&self) -> &str {
        SECRET_ACCESS_KEY
    }

    /// Forgets every key and knows this one from now on; requests with another are answered with 403.
    pub fn rotate_keys(&self, access_key_id: &str, secret_access_key: &str) {
        *lock(&self.shared.keys) = BTreeMap::from([(access_key_id.into(), secret_access_key.into())]);
    }

    /// How it deals with conditions from now on.
    pub fn conduct(&self, conduct: Conduct) {
        *lock(&self.shared.conduct) = conduct;
    }

    /// Lets later requests meet a fault.
    pub fn inject(&self, injection: Injection) {
        self.hooks.faults().inject(injection);
    }

    /// Draws faults from a seed from now on; `None` stops that. Injections come first.
    pub fn plan(&self, plan: Option<Plan>) {
        self.hooks.faults().plan(plan);
    }

    /// Ends all faults, and waits until every late request has arrived.
    pub fn calm(&self) {
        self.hooks.faults().clear();
        let late = lock(&self.hooks.late);
        let _arrived = self.hooks.landed.wait_while(late, |late| *late > 0).unwrap_or_else(|poisoned| poisoned.into_inner());
    }

    /// Goes away, or comes back. While it is away every connection is closed, and so is every new one.
    pub fn away(&self, is_away: bool) {
        self.away.send_replace(is_away);
    }

    /// What was asked of it so far.
    #[must_use]
    pub fn requests(&self) -> Requests {
        self.hooks.requests().clone()
    }

    /// Every request so far, in the order in which they were answered.
    #[must_use]
    pub fn log(&self) -> Vec<Entry> {
        self.hooks.log().clone()
    }

    /// Counts from nothing again.
    pub fn forget_requests(&self) {
        *self.hooks.requests() = Requests::default();
        self.hooks.log().clear();
    }

    /// Every key that has an object, in order; not counted.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.shared.objects().stored.keys().cloned().collect()
    }

    /// The bytes under `key`; not counted.
    #[must_use]
    pub fn object(&self, key: &str) -> Option<Bytes> {
        self.shared.objects().stored.get(key).map(|stored| stored.bytes.clone())
    }

    /// Puts an object as any S3 client would, without metadata; not counted.
    pub fn put(&self, key: &str, bytes: impl Into<Bytes>) {
        let put = self.shared.objects().put(key, bytes.into(), HashMap::new(), &Condition::Anything, SystemTime::now());
        put.expect("a put without a condition is performed");
    }

    /// Removes everything, as the loss of a bucket's objects would; not counted.
    pub fn clear(&self) {
        *self.shared.objects() = Objects::default();
    }

    /// Multipart uploads that were begun and neither completed nor aborted.
    #[must_use]
    pub fn uploads_open(&self) -> usize {
        self.shared.objects().uploads.len()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn accept(listener: tokio::net::TcpListener, wire: Wire, is_away: watch::Receiver<bool>, link: Option<Arc<Link>>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        if *is_away.borrow() {
            continue; // which closes the connection
        }
        let _ = stream.set_nodelay(true); // only latency is at stake
        wire.hooks.requests().connections += 1;
        let (wire, mut is_away, link) = (wire.clone(), is_away.clone(), link.clone());
        tokio::spawn(async move {
            let first_byte = link.as_ref().map(|link| link.first_byte());
            let answer = hyper::service::service_fn(|request| {
                let wire = wire.clone();
                async move {
                    if let Some(first_byte) = first_byte {
                        tokio::time::sleep(first_byte).await;
                    }
                    wire.answer(request).await
                }
            });
            let serving = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(Linked::new(stream, link)), answer);
            tokio::select! {
                _ = serving => {} // however it ended, the client knows
                _ = is_away.wait_for(|is_away| *is_away) => {}
            }
        });
    }
}

impl Hooks {
    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        lock(&self.faults)
    }

    pub(crate) fn requests(&self) -> MutexGuard<'_, Requests> {
        lock(&self.requests)
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, Vec<Entry>> {
        lock(&self.log)
    }

    /// Counts a request as under way until what is given is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> impl Drop + use<> {
        let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        let mut requests = self.requests();
        requests.at_once_max = requests.at_once_max.max(now);
        drop(requests);
        OnDrop(Arc::clone(self), |hooks| {
            hooks.at_once.fetch_sub(1, Ordering::SeqCst);
        })
    }

    /// Counts a request as late until what is given is dropped.
    pub(crate) fn late(self: &Arc<Self>) -> impl Drop + use<> {
        *lock(&self.late) += 1;
        OnDrop(Arc::clone(self), |hooks| {
            *lock(&hooks.late) -= 1;
            hooks.landed.notify_all();
        })
    }
}

struct OnDrop(Arc<Hooks>, fn(&Hooks));

impl Drop for OnDrop {
    fn drop(&mut self) {
        (self.1)(&self.0);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
