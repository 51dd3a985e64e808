//! A real Kubernetes cluster for a test (`tests/cluster`): up when the first test of the process wants it, down when the last lets go, and also
//! when the process is killed. With `KUBECONFIG` set it is that cluster, of which nothing is started or ended here.
//!
//! Tests speak to it as users do, by kubectl, and by plain requests where an answer matters to the letter. So this adds no dependency, and works
//! with whatever credentials a `KUBECONFIG` has.

mod request;
mod watch;

use serde_json::Value;
use std::{
    collections::BTreeMap,
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{
        Arc, Mutex, OnceLock, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
};

pub use request::Answer;
use request::Proxy;

/// What a cluster is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// etcd, API server and controllers, on loopback: no pod ever runs.
    Api,
    /// Two nodes besides, with DNS, volumes, load balancers and an S3 server.
    Nodes,
}

/// A cluster that is up.
pub struct Cluster {
    /// Its folder; `None` where it is that of `KUBECONFIG`.
    home: Option<PathBuf>,
    facts: BTreeMap<String, String>,
    proxy: OnceLock<Proxy>,
}

static API: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
static NODES: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());

impl Cluster {
    /// The process' cluster of the API tier.
    ///
    /// # Panics
    /// Where it does not come up.
    #[must_use]
    pub fn api() -> Arc<Self> {
        Self::shared(&API, Tier::Api).expect("the API tier needs nothing of the machine")
    }

    /// The process' cluster with nodes; `None`, said loudly, where this machine cannot run one.
    ///
    /// # Panics
    /// Where it could and does not come up.
    #[must_use]
    pub fn nodes() -> Option<Arc<Self>> {
        Self::shared(&NODES, Tier::Nodes)
    }

    fn shared(slot: &Mutex<Weak<Self>>, tier: Tier) -> Option<Arc<Self>> {
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cluster) = slot.upgrade() {
            return Some(cluster);
        }
        let cluster = Arc::new(if env::var_os("KUBECONFIG").is_some() { Self::of_environment() } else { Self::start(tier)? });
        *slot = Arc::downgrade(&cluster);
        Some(cluster)
    }

    fn of_environment() -> Self {
        Self { home: None, facts: BTreeMap::new(), proxy: OnceLock::new() }
    }

    /// Starts one that is nobody else's, whatever `KUBECONFIG` says; `None`, said loudly, where this machine cannot.
    ///
    /// # Panics
    /// Where it could and does not come up.
    #[must_use]
    pub fn start(tier: Tier) -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let owner = std::process::id().to_string();
        let home = env::temp_dir().join(format!("streamwright-cluster-{owner}-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        let mut up = Command::new(script("up"));
        up.args(["--owner", &owner]).args((tier == Tier::Api).then_some("--api")).arg(&home).stdin(Stdio::null());
        let output = up.output().expect("tests/cluster/up can be run");
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.code() == Some(CANNOT) {
            // Past the capture of the test harness: nobody should think that this was tested.
            let _ = writeln!(std::io::stderr(), "\n{said}");
            return None;
        }
        assert!(output.status.success(), "tests/cluster/up failed: {said}");
        let facts = fs::read_to_string(home.join("env")).expect("a cluster that is up has its facts");
        let facts = facts.lines().filter_map(|line| line.split_once('=')).map(|(name, value)| (name.into(), value.into())).collect();
        Some(Self { home: Some(home), facts, proxy: OnceLock::new() })
    }

    /// What `up` wrote down of it, such as `kubeconfig`, `server`, `audit`, `s3_inside`, `s3_bucket` (tests/cluster/README.md has the list);
    /// `None` for a cluster of `KUBECONFIG`.
    #[must_use]
    pub fn fact(&self, name: &str) -> Option<&str> {
        self.facts.get(name).map(String::as_str)
    }

    /// Its folder, for the scripts of `tests/cluster`; `None` for a cluster of `KUBECONFIG`.
    #[must_use]
    pub fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// kubectl, with these arguments still to be run.
    #[must_use]
    pub fn kubectl_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(script("kubectl"));
        command.arg(self.home.as_deref().unwrap_or(Path::new("-"))).args(arguments).stdin(Stdio::null());
        command
    }

    /// What kubectl prints.
    ///
    /// # Panics
    /// Where it fails.
    #[must_use]
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        self.try_kubectl(arguments, "").unwrap_or_else(|error| panic!("kubectl {arguments:?}: {error}"))
    }

    /// What kubectl prints, with `input` on its standard input.
    ///
    /// # Errors
    /// What it says on standard error, where it fails.
    ///
    /// # Panics
    /// Where it cannot be run.
    pub fn try_kubectl(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        let output = run(&mut self.kubectl_command(arguments), input);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// `kubectl apply` of a manifest, as a user writes it.
    ///
    /// # Panics
    /// Where it is refused.
    pub fn apply(&self, manifest: &str) {
        self.try_kubectl(&["apply", "-f", "-"], manifest).unwrap_or_else(|error| panic!("{manifest}: {error}"));
    }

    /// `kubectl get … -o json`.
    ///
    /// # Panics
    /// Where it fails.
    #[must_use]
    pub fn get(&self, arguments: &[&str]) -> Value {
        let text = self.kubectl(&[&["get", "-o", "json"], arguments].concat());
        serde_json::from_str(&text).expect("kubectl prints JSON when asked to")
    }

    /// A namespace of the test's own; everything in it goes when the value does.
    ///
    /// # Panics
    /// Where it cannot be made.
    #[must_use]
    pub fn namespace(self: &Arc<Self>, prefix: &str) -> Namespace {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{prefix}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let _ = self.kubectl(&["create", "namespace", &name]);
        Namespace { cluster: Arc::clone(self), name }
    }

    /// `tests/cluster/fault`: breaks something of it, or mends it.
    ///
    /// # Panics
    /// Where that fails, or the cluster is not ours to break.
    pub fn fault(&self, arguments: &[&str]) {
        self.script("fault").args(arguments).output().map(expect_success).expect("tests/cluster/fault can be run");
    }

    /// The processes of a pod's containers, `namespace/name`, as this machine numbers them.
    ///
    /// # Panics
    /// Where they cannot be found, or the cluster is not ours to break.
    #[must_use]
    pub fn processes(&self, pod: &str) -> Vec<String> {
        let found = self.script("fault").args(["pids", pod]).output().expect("tests/cluster/fault can be run");
        let lines = String::from_utf8_lossy(&found.stdout).lines().map(str::to_owned).collect();
        expect_success(found);
        lines
    }

    /// `tests/cluster/load`: gives an image to every node.
    ///
    /// # Panics
    /// Where that fails, or the cluster is not ours.
    pub fn load(&self, image: &Path) {
        self.script("load").arg(image).output().map(expect_success).expect("tests/cluster/load can be run");
    }

    /// A program outside the nodes, where addresses of nodes and load balancers can be reached; a plain one for a cluster of `KUBECONFIG`.
    #[must_use]
    pub fn outside(&self, program: &str) -> Command {
        let Some(id) = self.fact("id") else { return Command::new(program) };
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/sw{id}-outside")).arg(program);
        command
    }

    /// A script of `tests/cluster` on this cluster, its arguments still to be given.
    ///
    /// # Panics
    /// Where the cluster is that of `KUBECONFIG`.
    #[must_use]
    pub fn script(&self, name: &str) -> Command {
        let mut command = Command::new(script(name));
        command.arg(self.home.as_ref().expect("a cluster of KUBECONFIG is not ours to change")).stdin(Stdio::null());
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.proxy.take());
        let Some(home) = &self.home else { return };
        let failed = std::thread::panicking();
        if failed {
            eprintln!("the cluster's logs stay in {}/logs", home.display());
        }
        let _ = Command::new(script("down")).args(failed.then_some("--keep-logs")).arg(home).status();
    }
}

/// A namespace, deleted when dropped.
pub struct Namespace {
    cluster: Arc<Cluster>,
    /// Its name.
    pub name: String,
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.cluster.try_kubectl(&["delete", "namespace", &self.name, "--wait=false"], "");
    }
}

/// With this code `up` says that the machine cannot run nodes.
const CANNOT: i32 = 3;

/// A script of `tests/cluster`.
#[must_use]
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster").join(name)
}

fn run(command: &mut Command, input: &str) -> Output {
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (mut stdin, input) = (child.stdin.take().expect("stdin is piped"), input.to_owned());
    // On a thread, so that neither side waits for the other to read; one that does not read to the end says so by its status.
    let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().expect("a child can be waited for");
    writer.join().expect("the writer does not panic");
    output
}

fn expect_success(output: Output) {
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
}
