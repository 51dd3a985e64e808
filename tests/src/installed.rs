//! Streamwright as a platform team has it: an image on two real nodes, installed by Helm, used by kubectl and kcat.

use serde_json::Value;
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
    time::Duration,
};

use crate::{
    cluster::{Cluster, Tier, script},
    patience::until,
    results::Results,
    server::built,
};

/// How long anything may take on a machine that is busy.
pub const PATIENCE: Duration = Duration::from_secs(180);
/// The operator's namespace, and the release's name.
pub const NAMESPACE: &str = "streamwright-system";
const RELEASE: &str = "streamwright";
const IMAGE: &str = "ghcr.io/streamwright/streamwright";
/// What the examples have where users put their own endpoint.
const ENDPOINT: &str = "http://s3.example.com:9000";

/// A cluster with nodes on which Streamwright is installed.
pub struct Installed {
    /// The cluster.
    pub cluster: Arc<Cluster>,
    folder: tempfile::TempDir,
}

impl Installed {
    /// Starts nodes, gives them the image, and installs the chart; `None`, said loudly, where this machine cannot run nodes.
    ///
    /// # Panics
    /// Where it could, and something fails.
    #[must_use]
    pub fn start() -> Option<Self> {
        let cluster = Arc::new(Cluster::start(Tier::Nodes)?);
        let installed = Self { cluster, folder: tempfile::tempdir().expect("a temporary folder") };
        installed.give_image(env!("CARGO_PKG_VERSION"));
        installed.image("localhost/kcat:1", &[&which("kcat")]);
        installed.helm(&["install", RELEASE, CHART, "--create-namespace", "--wait", "--timeout", "3m"]);
        Some(installed)
    }

    /// Gives the nodes the image of both programs under a tag.
    ///
    /// # Panics
    /// Where that fails.
    pub fn give_image(&self, tag: &str) {
        self.image(&format!("{IMAGE}:{tag}"), &[&built("streamwright"), &built("streamwright-operator")]);
    }

    fn image(&self, name: &str, programs: &[&Path]) {
        let file = self.folder.path().join("image.tar");
        succeed(Command::new(script("image")).arg(&file).arg(name).args(programs));
        self.cluster.load(&file);
    }

    /// Helm, in the operator's namespace.
    ///
    /// # Panics
    /// Where it fails.
    pub fn helm(&self, arguments: &[&str]) -> String {
        succeed(self.cluster.script("helm").args(arguments).args(["-n", NAMESPACE]))
    }

    /// `helm upgrade` of the release, with other values.
    pub fn upgrade(&self, values: &[&str]) {
        let _ = self.helm(&[&["upgrade", RELEASE, CHART, "--wait", "--timeout", "3m"], values].concat());
    }

    /// The Secret `s3` that the examples name, in a namespace.
    pub fn put_credentials(&self, namespace: &str) {
        let of = |key: &str, fact: &str| format!("--from-literal={key}={}", self.fact(fact));
        let (id, secret) = (of("AWS_ACCESS_KEY_ID", "s3_key"), of("AWS_SECRET_ACCESS_KEY", "s3_secret"));
        let _ = self.cluster.kubectl(&["-n", namespace, "create", "secret", "generic", "s3", &id, &secret]);
    }

    /// Puts a file into the bucket.
    ///
    /// # Panics
    /// Where that fails.
    pub fn put_object(&self, file: &Path, key: &str) {
        let cache = env::var_os("STREAMWRIGHT_CACHE").map_or_else(|| home().join(".cache/streamwright"), PathBuf::from);
        let mut put = Command::new(cache.join("s3/venv/bin/python3"));
        put.arg(Path::new(CHART).join("../../tests/install/put")).arg(file).args([self.fact("s3_bucket"), key, self.fact("s3_here")]);
        put.env("AWS_ACCESS_KEY_ID", self.fact("s3_key")).env("AWS_SECRET_ACCESS_KEY", self.fact("s3_secret"));
        succeed(put.env("AWS_DEFAULT_REGION", self.fact("s3_region")));
    }

    /// Keys in the bucket below a prefix.
    #[must_use]
    pub fn objects(&self, prefix: &str) -> Vec<String> {
        let root = Path::new(self.fact("s3_folder"));
        let (mut found, mut folders) = (Vec::new(), vec![root.join(prefix)]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else {
                    found.push(entry.path().strip_prefix(root).expect("it lies there").display().to_string());
                }
            }
        }
        found
    }

    fn fact(&self, name: &str) -> &str {
        self.cluster.fact(name).expect("the harness says so")
    }

    /// `kubectl apply` of an example's manifests, with the harness' S3 server where users put theirs; in a namespace, unless they name their own.
    ///
    /// # Panics
    /// Where one is refused.
    pub fn apply(&self, example: &Path, namespace: Option<&str>) {
        let mut files: Vec<_> =
            fs::read_dir(example).expect("an example is a folder").map(|entry| entry.expect("it can be read").path()).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
        files.sort();
        for file in files {
            let text = fs::read_to_string(&file).expect("a manifest can be read").replace(ENDPOINT, self.fact("s3_inside"));
            let place = namespace.map_or_else(Vec::new, |namespace| vec!["-n", namespace]);
            let applied = self.cluster.try_kubectl(&[&place[..], &["apply", "-f", "-"]].concat(), &text);
            applied.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        }
    }

    /// Returns when every custom resource there is is Ready.
    ///
    /// # Panics
    /// Where one does not become so: with what is said of it, and what its pods say.
    pub fn wait_until_ready(&self) {
        let kinds = "clusters.streamwright.dev,topics.streamwright.dev,pipelines.streamwright.dev";
        let timeout = format!("--timeout={}s", PATIENCE.as_secs());
        let waited = self.cluster.try_kubectl(&["wait", kinds, "--all", "-A", "--for=condition=Ready", &timeout], "");
        if let Err(error) = waited {
            let show = |arguments: &[&str]| eprintln!("{}", self.cluster.try_kubectl(arguments, "").unwrap_or_else(|error| error));
            let message = ".status.conditions[?(@.type==\"Ready\")].message";
            show(&["get", kinds, "-A", "-o", &format!("custom-columns=KIND:.kind,NAME:.metadata.name,READY:{message}")]);
            show(&["get", "pods", "-A", "-o", "wide"]);
            for (pod, _) in self.data_pods() {
                let (namespace, name) = pod.split_once('/').expect("a pod has a namespace");
                eprintln!("{pod}:");
                show(&["-n", namespace, "logs", name, "--tail=40"]);
            }
            panic!("{error}");
        }
    }

    /// `uid` of each pod of brokers and pipelines, by namespace and name.
    #[must_use]
    pub fn data_pods(&self) -> Vec<(String, String)> {
        let pods = self.cluster.get(&["pods", "-A", "-l", "app.kubernetes.io/component in (broker, pipeline)"]);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let one = |pod: &Value| {
            let metadata = &pod["metadata"];
            (format!("{}/{}", text(&metadata["namespace"]), text(&metadata["name"])), text(&metadata["uid"]))
        };
        pods["items"].as_array().into_iter().flatten().map(one).collect()
    }

    /// A field of an object, as kubectl prints it.
    #[must_use]
    pub fn field(&self, namespace: &str, object: &str, path: &str) -> String {
        self.cluster.kubectl(&["-n", namespace, "get", object, "-o", &format!("jsonpath={{{path}}}")])
    }

    /// Kafka clients of a Cluster: from a pod beside it, and from outside by its listener `outside`, whose certificates they trust.
    #[must_use]
    pub fn clients<'a>(&'a self, namespace: &'a str, cluster: &str) -> Clients<'a> {
        let object = format!("cluster.streamwright.dev/{cluster}");
        let of = |name: &str| self.field(namespace, &object, &format!(".status.listeners[?(@.name==\"{name}\")].bootstrapServers"));
        let authorities = self
            .cluster
            .try_kubectl(&["-n", namespace, "get", "configmap", &format!("{cluster}-ca"), "-o", "jsonpath={.data.ca\\.crt}"], "");
        let ca = authorities.ok().map(|text| {
            let file = self.folder.path().join(format!("{namespace}-{cluster}.crt"));
            fs::write(&file, text).expect("a file can be written");
            file
        });
        Clients {
            installed: self,
            namespace,
            inside: self.field(namespace, &object, ".status.bootstrapServers"),
            outside: of("outside"),
            ca,
        }
    }
}

/// kcat, on both sides of a Cluster's listeners.
pub struct Clients<'a> {
    installed: &'a Installed,
    namespace: &'a str,
    inside: String,
    outside: String,
    ca: Option<PathBuf>,
}

impl Clients<'_> {
    /// kcat outside the nodes, its arguments still to be given.
    #[must_use]
    pub fn outside(&self) -> Command {
        let mut command = self.installed.cluster.outside("kcat");
        command.args(["-b", &self.outside]);
        if let Some(ca) = &self.ca {
            command.args(["-X", "security.protocol=ssl", "-X"]).arg(format!("ssl.ca.location={}", ca.display()));
        }
        command
    }

    /// Makes such commands wherever it is called, for a thread of its own.
    pub fn outside_for_good(&self) -> impl Fn() -> Command + Send + use<> {
        let template = self.outside();
        let (program, arguments) = (template.get_program().to_owned(), template.get_args().map(ToOwned::to_owned).collect::<Vec<_>>());
        move || {
            let mut command = Command::new(&program);
            command.args(&arguments);
            command
        }
    }

    /// kcat in a pod of its own, with `input` on its standard input.
    ///
    /// # Panics
    /// Where it fails.
    pub fn send_inside(&self, arguments: &[&str], input: &str) {
        let run = ["-n", self.namespace, "run", "kcat", "--rm", "-i", "-q", "--restart=Never"];
        let sent = self.installed.cluster.try_kubectl(&[&run, &IN_POD[..], &["-b", &self.inside], arguments].concat(), input);
        drop(sent.unwrap_or_else(|error| panic!("kcat {arguments:?}: {error}")));
    }

    /// What kcat prints in a pod of its own.
    ///
    /// # Panics
    /// Where it fails.
    #[must_use]
    pub fn inside(&self, arguments: &[&str]) -> String {
        let cluster = &self.installed.cluster;
        let run = ["-n", self.namespace, "run", "kcat", "--restart=Never"];
        let _ = cluster.kubectl(&[&run, &IN_POD[..], &["-b", &self.inside], arguments].concat());
        let ended = |pod: &Value| matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
        let pod = cluster.watch_until(&["-n", self.namespace, "pod", "kcat"], PATIENCE, ended);
        let printed = cluster.kubectl(&["-n", self.namespace, "logs", "kcat"]);
        assert_eq!(pod["status"]["phase"], "Succeeded", "kcat {arguments:?}: {printed}");
        let _ = cluster.kubectl(&["-n", self.namespace, "delete", "pod", "kcat"]);
        printed
    }

    /// A topic's values, read from inside, sorted.
    #[must_use]
    pub fn committed_inside(&self, topic: &str) -> Vec<String> {
        sorted(&self.inside(&[&["-t", topic], &COMMITTED[..]].concat()))
    }
}

impl Results for Clients<'_> {
    fn committed(&self, topic: &str) -> Vec<String> {
        match self.outside.is_empty() {
            true => self.committed_inside(topic),
            false => sorted(&succeed(self.outside().args(["-t", topic]).args(COMMITTED))),
        }
    }

    fn watermark(&self, pipeline: &str) -> String {
        let pipelines = self.installed.cluster.get(&["pipelines.streamwright.dev", "-A"]);
        let found = pipelines["items"].as_array().into_iter().flatten().find(|one| one["metadata"]["name"] == pipeline);
        found.and_then(|one| one["status"]["watermark"].as_str()).unwrap_or_default().to_owned()
    }
}

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/streamwright");
const IN_POD: [&str; 3] = ["--image=localhost/kcat:1", "--image-pull-policy=Never", "--"];
const COMMITTED: [&str; 7] = ["-C", "-e", "-q", "-o", "beginning", "-X", "isolation.level=read_committed"];

fn sorted(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(String::from).collect();
    lines.sort();
    lines
}

fn home() -> PathBuf {
    env::home_dir().expect("somebody runs this")
}

fn which(program: &str) -> PathBuf {
    let found = env::var_os("PATH").and_then(|path| env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file()));
    found.unwrap_or_else(|| panic!("{program} is not on this machine: tests/clients/setup brings it"))
}

/// What a program prints.
///
/// # Panics
/// Where it fails.
pub fn succeed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stdout = String::from_utf8_lossy(&stdout).into_owned();
    assert!(status.success(), "{command:?}: {stdout}{}", String::from_utf8_lossy(&stderr));
    stdout
}

/// Returns when a field of an object is as wanted.
pub fn until_field(installed: &Installed, (namespace, object, path): (&str, &str, &str), wanted: impl Fn(&str) -> bool) {
    until(&format!("{path} of {namespace}/{object}"), PATIENCE, || wanted(&installed.field(namespace, object, path)).then_some(()));
}
