//! Two real nodes: pods, volumes, DNS, load balancers, S3, and what can be broken of them.

use serde_json::Value;
use std::{
    path::Path,
    process::Command,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
    time::Duration,
};
use streamwright_tests::{
    cluster::{Cluster, script},
    server::built,
};

use crate::{PATIENCE, until};

/// Tests that need the nodes whole share them; one that breaks a node is alone.
static WHOLE: RwLock<()> = RwLock::new(());

/// The process' nodes, where this machine can have some and they are ours to break; whole for as long as the guard lives.
fn nodes() -> Option<(Arc<Cluster>, RwLockReadGuard<'static, ()>)> {
    let whole = WHOLE.read().unwrap_or_else(PoisonError::into_inner);
    Cluster::nodes().filter(|cluster| cluster.home().is_some()).map(|cluster| (cluster, whole))
}

/// A pod that runs `probe` to its end in a namespace, and what it printed.
fn probe(cluster: &Cluster, namespace: &str, name: &str, arguments: &[&str]) -> (String, String) {
    let run = ["-n", namespace, "run", name, "--image=localhost/probe:1", "--image-pull-policy=Never", "--restart=Never", "--"];
    let _ = cluster.kubectl(&[&run, arguments].concat());
    let ended = cluster.watch_until(&["-n", namespace, "pod", name], PATIENCE, |pod| matches!(phase(pod), "Succeeded" | "Failed"));
    (phase(&ended).to_owned(), cluster.kubectl(&["-n", namespace, "logs", name]))
}

fn phase(pod: &Value) -> &str {
    pod["status"]["phase"].as_str().unwrap_or_default()
}

fn is_ready(object: &Value) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// One pod with a volume that only one pod may have, behind a Service; it writes its name to `starts` and serves the volume.
const STORE: &str = r"
apiVersion: v1
kind: Service
metadata: {name: store}
spec: {selector: {app: store}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: store}
spec:
  serviceName: store
  replicas: 1
  selector: {matchLabels: {app: store}}
  template:
    metadata: {labels: {app: store}}
    spec:
      terminationGracePeriodSeconds: 1
      securityContext: {runAsNonRoot: true, runAsUser: 65532, fsGroup: 65532, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: probe
        image: localhost/probe:1
        imagePullPolicy: Never
        args: [serve, ':8080', /data]
        readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
        volumeMounts: [{name: data, mountPath: /data}]
        securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOncePod], resources: {requests: {storage: 1Gi}}}
";

/// Runs it in a namespace, and returns when it serves.
fn run_store(cluster: &Cluster, namespace: &str) {
    cluster.try_kubectl(&["-n", namespace, "apply", "-f", "-"], STORE).unwrap_or_else(|error| panic!("{error}"));
    let _ = cluster.watch_until(&["-n", namespace, "pod"], PATIENCE, is_ready);
}

fn starts(cluster: &Cluster, namespace: &str) -> Vec<String> {
    let text = cluster.kubectl(&["-n", namespace, "exec", "store-0", "--", "/usr/local/bin/probe", "cat", "/data/starts"]);
    text.lines().map(String::from).collect()
}

/// Deletes the pod and waits for the one after it.
fn replace_store(cluster: &Cluster, namespace: &str) {
    let before = cluster.get(&["-n", namespace, "pod", "store-0"])["metadata"]["uid"].clone();
    let _ = cluster.kubectl(&["-n", namespace, "delete", "pod", "store-0", "--wait=false"]);
    let _ = cluster.watch_until(&["-n", namespace, "pod"], PATIENCE, |pod| pod["metadata"]["uid"] != before && is_ready(pod));
}

#[test]
fn a_pod_finds_its_data_again_until_its_claim_is_deleted() {
    let Some((cluster, _whole)) = nodes() else { return };
    let namespace = cluster.namespace("data");
    let name = namespace.name.as_str();
    run_store(&cluster, name);
    replace_store(&cluster, name);
    assert_eq!(starts(&cluster, name), ["store-0", "store-0"]);

    let _ =
        cluster.kubectl(&["-n", name, "patch", "pvc", "data-store-0", "-p", r#"{"spec":{"resources":{"requests":{"storage":"2Gi"}}}}"#]);
    cluster.wait(&["-n", name, "pvc/data-store-0"], "jsonpath={.status.capacity.storage}=2Gi", PATIENCE);

    // SIGKILL from outside: the kubelet starts the container again, on the same volume.
    cluster.fault(&["kill", &format!("{name}/store-0")]);
    let _ = cluster
        .watch_until(&["-n", name, "pod"], PATIENCE, |pod| pod["status"]["containerStatuses"][0]["restartCount"] == 1 && is_ready(pod));
    assert_eq!(starts(&cluster, name).len(), 3);

    let volume = cluster.get(&["-n", name, "pvc", "data-store-0"])["spec"]["volumeName"].clone();
    let _ = cluster.kubectl(&["-n", name, "delete", "pvc", "data-store-0", "--wait=false"]);
    replace_store(&cluster, name);
    cluster.wait(&["pv", volume.as_str().expect("a bound claim names its volume")], "delete", PATIENCE);
    if starts(&cluster, name).len() > 1 {
        // The set made the pod anew before the claim was gone: the one after it gets the new claim.
        replace_store(&cluster, name);
    }
    assert_eq!(starts(&cluster, name), ["store-0"], "the new volume is empty");
}

#[test]
fn names_and_services_lead_to_pods_from_inside_and_from_outside() {
    let Some((cluster, _whole)) = nodes() else { return };
    let namespace = cluster.namespace("services");
    let name = namespace.name.as_str();
    run_store(&cluster, name);
    let url = format!("http://store.{name}.svc.cluster.local/starts");
    // The rules of the service proxies follow a moment after the pod is ready.
    let mut tries = 0..;
    let inside = until(|| {
        let (phase, text) = probe(&cluster, name, &format!("inside-{}", tries.next()?), &["get", &url]);
        (phase == "Succeeded").then_some(text)
    });
    assert_eq!(inside, "store-0\n");
    assert_eq!(probe(&cluster, name, "nowhere", &["lookup", "nobody.example.com"]).0, "Failed");

    let patch = r#"{"spec": {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}}"#;
    let _ = cluster.kubectl(&["-n", name, "patch", "service", "store", "-p", patch]);
    let service =
        cluster.watch_until(&["-n", name, "service", "store"], PATIENCE, |service| !service["status"]["loadBalancer"]["ingress"].is_null());
    let address = service["status"]["loadBalancer"]["ingress"][0]["ip"].as_str().expect("an address").to_owned();
    let node_port = service["spec"]["ports"][0]["nodePort"].clone();
    let get = |url: String| {
        let output = cluster.outside("curl").args(["-s", "-f", "--max-time", "2", &url]).output().expect("curl can be run");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    // And after the address.
    assert_eq!(until(|| get(format!("http://{address}/starts"))), "store-0\n");
    let host = cluster.get(&["-n", name, "pod", "store-0"])["status"]["hostIP"].clone();
    assert_eq!(until(|| get(format!("http://{}:{node_port}/starts", host.as_str().unwrap_or_default()))), "store-0\n");
}

#[test]
fn a_node_whose_cable_is_cut_is_not_ready_and_comes_back() {
    let _alone = WHOLE.write().unwrap_or_else(PoisonError::into_inner);
    let Some(cluster) = Cluster::nodes().filter(|cluster| cluster.home().is_some()) else { return };
    let _ = cluster.watch_until(&["node", "node1"], PATIENCE, is_ready);
    cluster.fault(&["cut", "node2"]);
    let is_lost = |node: &Value| !is_ready(node) && node["spec"]["taints"].to_string().contains("node.kubernetes.io/unreachable");
    let _ = cluster.watch_until(&["node", "node2"], PATIENCE, is_lost);
    cluster.fault(&["restore", "node2"]);
    let _ = cluster.watch_until(&["node", "node2"], PATIENCE, is_ready);
}

#[test]
fn an_api_server_that_does_not_answer_comes_back() {
    let Some(cluster) = Cluster::start(streamwright_tests::cluster::Tier::Api) else { return };
    cluster.fault(&["api-away"]);
    let refused = cluster.try_kubectl(&["get", "namespaces", "--request-timeout=1s"], "").expect_err("nobody answers");
    assert!(refused.to_lowercase().contains("timeout") || refused.contains("deadline"), "{refused}");
    cluster.fault(&["api-back"]);
    assert!(cluster.kubectl(&["get", "namespaces"]).contains("kube-system"));
}

#[test]
fn the_object_store_is_reached_from_pods_and_from_here_and_survives_its_absence() {
    let Some((cluster, _whole)) = nodes() else { return };
    let namespace = cluster.namespace("store");
    let fact = |name: &str| cluster.fact(name).expect("a cluster of ours has an S3 server").to_owned();
    let ask = |arguments: &[&str]| {
        let url = format!("{}/{}/folder/object", fact("s3_here"), fact("s3_bucket"));
        let mut curl = Command::new("curl");
        curl.args(["-s", "-f", "--max-time", "2", "--aws-sigv4", "aws:amz:us-east-1:s3", "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"]);
        curl.arg("-u").arg(format!("{}:{}", fact("s3_key"), fact("s3_secret"))).args(arguments).arg(&url);
        let output = curl.output().expect("curl can be run");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert_eq!(ask(&["-X", "PUT", "-H", "Content-Type: text/plain", "-d", "bytes"]), Some(String::new()));
    assert!(Path::new(&fact("s3_folder")).join("folder/object").is_file());
    let (_, text) =
        probe(&cluster, &namespace.name, "reader", &["get", &format!("{}/{}/folder/object", fact("s3_inside"), fact("s3_bucket"))]);
    assert!(text.contains("AccessDenied"), "a pod without credentials is refused by the store itself: {text}");
    for away in ["s3-away", "s3-hangs"] {
        cluster.fault(&[away]);
        assert_eq!(ask(&[]), None, "{away}");
        cluster.fault(&["s3-back"]);
        assert_eq!(until(|| ask(&[])), "bytes", "{away}");
    }
}

#[test]
fn a_pod_above_its_memory_is_killed_by_the_kernel() {
    let Some((cluster, _whole)) = nodes() else { return };
    let namespace = cluster.namespace("memory");
    let pod = r"
apiVersion: v1
kind: Pod
metadata: {name: hungry}
spec:
  restartPolicy: Never
  containers:
  - {name: probe, image: 'localhost/probe:1', imagePullPolicy: Never, args: [eat, '200'], resources: {limits: {memory: 64Mi}}}
";
    cluster.try_kubectl(&["-n", &namespace.name, "apply", "-f", "-"], pod).unwrap_or_else(|error| panic!("{error}"));
    let ended = cluster.watch_until(&["-n", &namespace.name, "pod", "hungry"], PATIENCE, |pod| phase(pod) == "Failed");
    assert_eq!(ended["status"]["containerStatuses"][0]["state"]["terminated"]["reason"], "OOMKilled");
}

#[test]
fn our_own_program_starts_in_an_image_made_without_an_engine() {
    let Some((cluster, _whole)) = nodes() else { return };
    let namespace = cluster.namespace("image");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let image = folder.path().join("streamwright.tar");
    let mut command = Command::new(script("image"));
    let made =
        command.arg(&image).arg("localhost/streamwright:test").arg(built("streamwright")).status().expect("tests/cluster/image can be run");
    assert!(made.success());
    cluster.load(&image);
    let job = [
        "-n",
        &namespace.name,
        "create",
        "job",
        "version",
        "--image=localhost/streamwright:test",
        "--",
        "/usr/local/bin/streamwright",
        "--version",
    ];
    let _ = cluster.kubectl(&job);
    cluster.wait(&["-n", &namespace.name, "job/version"], "condition=Complete", Duration::from_secs(60));
    assert_eq!(
        cluster.kubectl(&["-n", &namespace.name, "logs", "job/version"]).trim(),
        format!("streamwright {}", env!("CARGO_PKG_VERSION"))
    );
}
