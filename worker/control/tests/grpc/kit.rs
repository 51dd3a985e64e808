//! A worker that keeps what it is told, a CA, and folders of certificates.

use std::{
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use streamwright_control::{
    Actual, ActualBroker, Desired, DesiredBroker, ObjectRef,
    grpc::{Client, ClientTls, ConnectError, PushError, ServerTls, Worker, serve},
};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use units::{BrokerId, Incarnation};

pub fn cluster() -> ObjectRef {
    ObjectRef { namespace: "streaming".into(), name: "main".into() }
}

pub fn desired(generation: u64) -> Desired {
    Desired::Broker(DesiredBroker::new(generation, cluster()))
}

/// Keeps what it is told.
pub struct Stub {
    desired: Mutex<DesiredBroker>,
    fails: AtomicBool,
}

impl Stub {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { desired: Mutex::new(DesiredBroker::new(0, cluster())), fails: AtomicBool::new(false) })
    }

    pub fn last(&self) -> DesiredBroker {
        self.desired.lock().unwrap().clone()
    }

    pub fn generation(&self) -> u64 {
        self.last().generation
    }

    pub fn fail(&self, fails: bool) {
        self.fails.store(fails, Ordering::Relaxed);
    }
}

impl Worker for Stub {
    async fn push(&self, desired: Desired) -> Result<(), PushError> {
        let Desired::Broker(desired) = desired else { return Err(PushError::NotOurs("this is a broker".into())) };
        if desired.cluster != cluster() {
            return Err(PushError::NotOurs(format!("this is a broker of Cluster {}, not of {}", cluster(), desired.cluster)));
        }
        if self.fails.load(Ordering::Relaxed) {
            return Err(PushError::Failed("the volume is full".into()));
        }
        let mut current = self.desired.lock().unwrap();
        if desired.generation >= current.generation {
            *current = desired;
        }
        Ok(())
    }

    async fn actual(&self) -> Actual {
        Actual::Broker(ActualBroker { generation: self.generation(), ..ActualBroker::new(BrokerId(0), Incarnation(1)) })
    }

    fn revision(&self) -> u64 {
        self.generation()
    }
}

struct Ca(Issuer<'static, KeyPair>, String);

impl Ca {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let text = params.self_signed(&key).unwrap().pem();
        Self(Issuer::new(params, key), text)
    }

    fn issue(&self, folder: &Path, name: &str, trusted: &str) {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        fs::write(folder.join("ca.crt"), trusted).unwrap();
        fs::write(folder.join("tls.crt"), certificate.pem()).unwrap();
        fs::write(folder.join("tls.key"), key.serialize_pem()).unwrap();
    }
}

/// A CA, and the folders of a worker and the operator.
pub struct Home {
    ca: Ca,
    server: TempDir,
    client: TempDir,
}

impl Home {
    pub const SERVER: &str = "main-broker-0.main-brokers.streaming.svc";

    pub fn new() -> Self {
        let home = Self { ca: Ca::new(), server: tempfile::tempdir().unwrap(), client: tempfile::tempdir().unwrap() };
        home.issue();
        home
    }

    fn issue(&self) {
        self.ca.issue(self.server.path(), Self::SERVER, &self.ca.1);
        self.ca.issue(self.client.path(), "streamwright-operator", &self.ca.1);
    }

    /// A new CA, and certificates of it on both sides.
    pub fn rotate(&mut self) {
        self.ca = Ca::new();
        self.issue();
    }

    /// A client's folder, with a certificate for `name` by our CA or another; it trusts ours.
    pub fn client_folder(&self, by_another: bool, name: &str) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let another = by_another.then(Ca::new);
        another.as_ref().unwrap_or(&self.ca).issue(folder.path(), name, &self.ca.1);
        folder
    }

    pub fn client_tls(&self) -> ClientTls {
        ClientTls::open(self.client.path()).unwrap()
    }

    pub async fn serve(&self) -> Served {
        self.serve_at(Stub::new(), "127.0.0.1:0").await
    }

    pub async fn serve_at(&self, stub: Arc<Stub>, address: &str) -> Served {
        let mut bound = TcpListener::bind(address).await;
        // A port that was just given back may be busy for a moment.
        let until = Instant::now() + PATIENCE;
        while bound.is_err() && Instant::now() < until {
            tokio::task::yield_now().await;
            bound = TcpListener::bind(address).await;
        }
        let listener = bound.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let task = tokio::spawn(serve(listener, ServerTls::open(self.server.path()).unwrap(), Arc::clone(&stub)));
        Served { stub, address, task }
    }
}

pub struct Served {
    pub stub: Arc<Stub>,
    pub address: String,
    task: JoinHandle<()>,
}

impl Served {
    pub async fn connect(&self, home: &Home) -> Result<Client, ConnectError> {
        Client::connect(&self.address, Home::SERVER, &home.client_tls()).await
    }

    /// Ends it, and gives its address.
    pub fn stop(self) -> String {
        self.task.abort();
        self.address.clone()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub const PATIENCE: Duration = Duration::from_secs(20);

/// Tries until it is so.
pub async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let from = Instant::now();
    while !is_so().await {
        assert!(from.elapsed() < PATIENCE, "{what}: it does not come about");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
