//! Pods without Kubernetes: processes with configuration files and certificates, and an operator that is this test.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use client::{Admin, Batch, ClientOptions, Cluster, FetchOptions, Fetcher, Isolation, OffsetAt, Position, TransactionalProducer};
use control::{
    Actual, ActualBroker, Desired, DesiredBroker, DesiredListener, DesiredTopic, ObjectRef, Owner, OwnerKind, Retention,
    grpc::{CallError, Client, ClientTls},
};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use records::{BatchBuilder, Compression, Records};
use tempfile::TempDir;
use units::{LeaderEpoch, Offset, PartitionId, TimestampMs, TopicName, TopicPartition, TransactionalId};

use crate::kit::{PATIENCE, streamwright};

/// The name in the pods' certificates.
const POD: &str = "pod.streaming.svc";

pub(crate) fn cluster() -> ObjectRef {
    ObjectRef { namespace: "streaming".into(), name: "main".into() }
}

/// A port that nobody has now, below those that the system gives out.
pub(crate) fn free_port() -> u16 {
    static NEXT: Mutex<u16> = Mutex::new(0);
    let mut next = NEXT.lock().unwrap();
    loop {
        *next += 1;
        let port = 12_000 + (u16::try_from(std::process::id() % 16_000).unwrap() + *next) % 20_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A CA, folders of certificates, and whatever processes keep.
pub(crate) struct Namespace {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
    authority: String,
}

impl Namespace {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // OpenSSL takes a certificate that is named as its issuer for one that signed itself.
        params.distinguished_name.push(DnType::CommonName, "an authority");
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap().pem();
        let namespace = Self { folder: tempfile::tempdir().unwrap(), issuer: Issuer::new(params, key), authority };
        namespace.issue("control", POD);
        namespace.issue("operator", "streamwright-operator");
        namespace.issue("tls/outside", "localhost");
        namespace
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A folder with a certificate for `name`.
    pub(crate) fn issue(&self, folder: &str, name: &str) {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let folder = self.path(folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("ca.crt"), &self.authority).unwrap();
        fs::write(folder.join("tls.crt"), certificate.pem()).unwrap();
        fs::write(folder.join("tls.key"), key.serialize_pem()).unwrap();
    }

    /// A broker's configuration, with more lines.
    pub(crate) fn broker(&self, more: &str) -> PodConfig {
        let (control, health) = (free_port(), free_port());
        let home = self.folder.path().display();
        let text = format!(
            "cluster: {{namespace: streaming, name: main}}\ndataDir: {home}/volume\n\
             control: {{bind: '127.0.0.1:{control}', tlsDir: {home}/control}}\ntlsDir: {home}/tls\nlistenHost: 127.0.0.1\n\
             health: {{bind: '127.0.0.1:{health}'}}\n{more}"
        );
        self.config("broker", &text, control, health)
    }

    /// A pipeline's configuration, with more lines.
    pub(crate) fn pipeline(&self, name: &str, kafka: &str, more: &str) -> PodConfig {
        let (control, health) = (free_port(), free_port());
        let home = self.folder.path().display();
        let text = format!(
            "pipeline: {{namespace: shop, name: {name}}}\nkafka: {kafka}\n\
             control: {{bind: '127.0.0.1:{control}', tlsDir: {home}/control}}\nhealth: {{bind: '127.0.0.1:{health}'}}\n\
             desired: {home}/desired.json\n{more}"
        );
        self.config("pipeline", &text, control, health)
    }

    fn config(&self, command: &'static str, text: &str, control: u16, health: u16) -> PodConfig {
        let file = self.path(&format!("{command}.yaml"));
        fs::write(&file, text).unwrap();
        PodConfig { command, file, control: format!("127.0.0.1:{control}"), health }
    }

    /// The operator, once the pod lets it in.
    pub(crate) async fn operator(&self, pod: &PodConfig) -> Client {
        let tls = ClientTls::open(&self.path("operator")).unwrap();
        let from = Instant::now();
        loop {
            match Client::connect(&pod.control, POD, &tls).await {
                Ok(client) => return client,
                Err(error) if from.elapsed() > PATIENCE => panic!("the pod does not answer the operator: {error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// Pushes until the worker takes it: it may still be recovering.
    pub(crate) async fn push(&self, pod: &PodConfig, desired: Desired) -> Actual {
        let client = self.operator(pod).await;
        let from = Instant::now();
        loop {
            match client.push(desired.clone()).await {
                Ok(actual) => return actual,
                Err(CallError::Unavailable(_)) if from.elapsed() < PATIENCE => tokio::time::sleep(Duration::from_millis(50)).await,
                Err(error) => panic!("the push is refused: {error}"),
            }
        }
    }

    pub(crate) async fn push_broker(&self, pod: &PodConfig, desired: DesiredBroker) -> ActualBroker {
        match self.push(pod, Desired::Broker(desired)).await {
            Actual::Broker(actual) => actual,
            Actual::Pipeline(_) => panic!("a pipeline answers"),
        }
    }
}

/// What a pod is started with.
pub(crate) struct PodConfig {
    command: &'static str,
    pub(crate) file: PathBuf,
    pub(crate) control: String,
    health: u16,
}

impl PodConfig {
    /// Starts it, as pod number 0.
    pub(crate) fn start(&self) -> Pod {
        let mut command = streamwright(&[self.command, "--config"]);
        command.arg(&self.file).env("POD_NAME", "main-0").stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (log, lines) = (BufReader::new(child.stderr.take().unwrap()), Arc::clone(&said));
        thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                let mut said = lines.lock().unwrap();
                said.push_str(&line);
                said.push('\n');
            }
        });
        Pod { child, said }
    }

    /// Status and body of a GET, by hand; `None` where nobody answers.
    pub(crate) fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut socket = TcpStream::connect(("127.0.0.1", self.health)).ok()?;
        socket.set_read_timeout(Some(PATIENCE)).ok()?;
        write!(socket, "GET {path} HTTP/1.1\r\nHost: pod\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split_whitespace().nth(1)?.parse().ok()?, body.to_owned()))
    }

    /// Waits until a GET answers as wanted.
    pub(crate) fn wait_for(&self, path: &str, wanted: impl Fn(u16, &str) -> bool) -> String {
        let from = Instant::now();
        loop {
            match self.get(path) {
                Some((status, body)) if wanted(status, &body) => return body,
                other => assert!(from.elapsed() < PATIENCE, "{path} does not get there: {other:?}"),
            }
            thread::park_timeout(Duration::from_millis(20));
        }
    }

    pub(crate) fn wait_until_ready(&self) {
        self.wait_for("/readyz", |status, _| status == 200);
    }
}

/// A running pod; killed when dropped.
pub(crate) struct Pod {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Pod {
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and how it ends.
    pub(crate) fn terminate(mut self) -> (ExitStatus, String) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        (self.wait(), self.said())
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        let from = Instant::now();
        loop {
            match self.child.try_wait().unwrap() {
                Some(status) => return status,
                None => assert!(from.elapsed() < PATIENCE, "it does not end: {}", self.said()),
            }
            thread::park_timeout(Duration::from_millis(20));
        }
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("{}", self.said());
        }
    }
}

pub(crate) fn listener(name: &str, port: u16, tls: Option<&str>) -> DesiredListener {
    DesiredListener { name: name.into(), port, advertised_host: "localhost".into(), advertised_port: port, tls: tls.map(String::from) }
}

pub(crate) fn topic(name: &str, partitions: i32) -> DesiredTopic {
    DesiredTopic {
        name: TopicName::new(name).unwrap(),
        topic_id: None,
        partitions,
        retention: Retention::default(),
        config: Vec::new(),
        owner: Owner { kind: OwnerKind::Topic, object: ObjectRef { namespace: "streaming".into(), name: "any".into() } },
        internal: name.starts_with("_sw."),
    }
}

/// A Kafka client of the broker on a port of this machine.
pub(crate) async fn kafka(port: u16, authority: Option<&Path>) -> Cluster {
    let options = ClientOptions::new([format!("localhost:{port}")], "test");
    let tls = authority.map(|folder| tls::Client::open(folder).unwrap());
    Cluster::connect(ClientOptions { tls, ..options }).await.unwrap()
}

fn at(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition { topic: TopicName::new(topic).unwrap(), partition: PartitionId(partition) }
}

/// Writes one batch, committed on return.
pub(crate) async fn produce(cluster: &Cluster, topic: &str, values: impl IntoIterator<Item = String>) {
    let mut batch = BatchBuilder::new(Compression::None);
    for value in values {
        batch.push_plain(TimestampMs(1_700_000_000_000), None, Some(value.as_bytes()));
    }
    let id = TransactionalId::from(format!("test-{topic}").as_str());
    let mut producer = TransactionalProducer::register(cluster.clone(), id, Duration::from_secs(10)).await.unwrap();
    producer.send(&mut [Batch { partition: at(topic, 0), bytes: batch.finish().into() }]).await.unwrap();
    producer.end(true).await.unwrap();
}

/// Everything committed in partition 0 of a topic.
pub(crate) async fn read(cluster: &Cluster, topic: &str) -> Vec<String> {
    let place = at(topic, 0);
    let ends =
        Admin::new(cluster.clone()).list_offsets(std::slice::from_ref(&place), OffsetAt::Latest, Isolation::ReadCommitted).await.unwrap();
    let end = ends[0].1.offset.unwrap_or(Offset::ZERO);
    let mut values = Vec::new();
    if end == Offset::ZERO {
        return values;
    }
    let mut fetcher = Fetcher::new(cluster.clone(), FetchOptions::default());
    fetcher.assign([Position { partition: place, offset: Offset::ZERO, leader_epoch: LeaderEpoch(-1) }]);
    loop {
        let fetched = fetcher.next().await.unwrap();
        for (_, bytes) in &fetched.batches {
            let records = Records::decode(bytes, 64 << 20).unwrap();
            values.extend(records.iter().map(|record| String::from_utf8_lossy(record.unwrap().value.unwrap_or_default()).into_owned()));
        }
        if fetched.next_offset >= end {
            return values;
        }
    }
}
