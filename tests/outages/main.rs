//! Everything that a platform team is paged for, on two real nodes, while producers write and pipelines compute: afterwards nothing that was
//! acknowledged is lost, every result is there exactly once, and status says what is.
//!
//! `SW_OUTAGE_SECONDS` is how long API server and S3 stay away: 40 by default. `SW_OPERATOR_KILLS` bounds how often the operator is killed: 8 by
//! default, as many as one change takes writes.

mod feed;
mod operator;
mod small;

use serde_json::Value;
use std::{collections::BTreeMap, path::Path, time::Duration};
use streamwright_tests::{
    installed::{Clients, Installed, PATIENCE, until_field},
    ledger::Ledger,
    patience::until,
    results::Results,
};

use feed::Feed;

const CLUSTER: (&str, &str) = ("outages", "cluster.streamwright.dev/main");
const BROKER: &str = "main-broker-0";
const PIPELINES: [&str; 2] = ["copy-pipeline-0", "count-pipeline-0"];

struct Night<'a> {
    installed: &'a Installed,
    home: &'a str,
    away: &'a str,
    feed: Feed,
    outage: Duration,
}

#[test]
fn on_two_nodes_whatever_fails_nothing_is_lost_or_counted_twice_and_status_is_true() {
    let Some(installed) = Installed::start() else { return };
    let _ = installed.cluster.kubectl(&["create", "namespace", "outages"]);
    installed.put_credentials("outages");
    // Where names are resolved, broker and operator are at home; pipelines begin away.
    let home = installed.field("kube-system", "pods", ".items[?(@.metadata.labels.k8s-app==\"kube-dns\")].spec.nodeName");
    let away = if home == "node1" { "node2" } else { "node1" };
    let _ = installed.cluster.kubectl(&["label", "node", &home, "outages=home"]);
    installed.upgrade(&["--set", "nodeSelector.outages=home"]);
    let _ = installed.cluster.kubectl(&["taint", "node", &home, "outages=begin:NoSchedule"]);
    installed.apply(&Path::new(env!("CARGO_MANIFEST_DIR")).join("outages/manifests"), Some("outages"));
    installed.wait_until_ready();
    let _ = installed.cluster.kubectl(&["taint", "node", &home, "outages=begin:NoSchedule-"]);

    let clients = installed.clients("outages", "main");
    let bootstrap = installed.field("outages", CLUSTER.1, ".status.listeners[?(@.name==\"outside\")].bootstrapServers");
    let mut ledger = installed.cluster.outside(Ledger::program().to_str().expect("its path is text"));
    let ledger = Ledger::start_as(ledger.arg(&bootstrap).arg("400ms"));
    let outside = clients.outside_for_good();
    let seconds = std::env::var("SW_OUTAGE_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(40);
    let night = Night { installed: &installed, home: &home, away, feed: Feed::start(outside), outage: Duration::from_secs(seconds) };
    night.flows("before anything fails");

    night.killed("kill", &[BROKER]);
    night.killed("kill", &PIPELINES);
    night.killed("kill", &[BROKER, PIPELINES[0], PIPELINES[1]]);
    night.killed("oom", &[PIPELINES[1]]);
    night.killed("oom", &[BROKER]);
    operator::dies_at_its_writes(&installed);
    night.flows("operator killed at its writes");
    night.api_server_is_away();
    night.kubelet_of_pipelines_hangs();
    night.store_is_away();
    small::volume_fills_up_while_the_store_is_away(&installed);
    night.flows("a volume that fills up while S3 is away");
    night.node_of_pipelines_is_cut();
    night.node_of_the_broker_is_cut();
    night.node_is_drained();

    installed.wait_until_ready();
    let batches = night.feed.finish();
    let verdict = ledger.finish();
    assert!(verdict.is_kept, "{}", verdict.text);
    eprintln!("{batches} batches; {}", verdict.text);
    compare(&clients, batches);
}

impl Night<'_> {
    /// Returns when more was acknowledged, and both pipelines have committed what was there by now.
    fn flows(&self, when: &str) {
        let before = self.feed.batches();
        until(&format!("{when}: producers go on"), PATIENCE, || (self.feed.batches() > before + 3).then_some(()));
        self.installed.wait_until_ready();
        eprintln!("- {when}: it flows");
    }

    fn pod(&self, name: &str) -> Value {
        self.installed.cluster.get(&["-n", "outages", "pod", name])
    }

    fn restarts(&self, name: &str) -> i64 {
        self.pod(name)["status"]["containerStatuses"][0]["restartCount"].as_i64().unwrap_or_default()
    }

    fn killed(&self, how: &str, pods: &[&str]) {
        let before: Vec<_> = pods.iter().map(|pod| self.restarts(pod)).collect();
        for pod in pods {
            self.installed.cluster.fault(&[how, &format!("outages/{pod}")]);
        }
        for (pod, before) in pods.iter().zip(before) {
            until(&format!("{pod} starts again"), PATIENCE, || (self.restarts(pod) > before).then_some(()));
            let last = self.pod(pod)["status"]["containerStatuses"][0]["lastState"]["terminated"]["reason"].clone();
            assert!(how != "oom" || last == "OOMKilled", "{pod} ended by {last}");
        }
        self.flows(&format!("{how} {pods:?}"));
    }

    fn api_server_is_away(&self) {
        let (before, pods) = (self.feed.batches(), self.installed.data_pods());
        self.installed.cluster.fault(&["api-away"]);
        std::thread::park_timeout(self.outage);
        let meanwhile = self.feed.batches();
        self.installed.cluster.fault(&["api-back"]);
        assert!(meanwhile > before + 20, "brokers and pipelines need no API server: {before} to {meanwhile} batches");
        self.flows("API server away");
        assert_eq!(self.installed.data_pods(), pods, "no pod is replaced because nobody could be asked");
    }

    /// Its node is not ready, and its pods answer: nobody takes their place.
    fn kubelet_of_pipelines_hangs(&self) {
        let (pods, node) = (self.installed.data_pods(), self.node_of(PIPELINES[0]));
        self.installed.cluster.fault(&["kubelet-hangs", &node]);
        self.installed.cluster.wait(&[&format!("node/{node}")], "condition=Ready=Unknown", PATIENCE);
        let before = self.feed.batches();
        until("producers go on without a kubelet", PATIENCE, || (self.feed.batches() > before + 20).then_some(()));
        assert_eq!(self.installed.data_pods(), pods, "no pod is replaced that works");
        self.installed.cluster.fault(&["kubelet-back", &node]);
        self.installed.cluster.wait(&[&format!("node/{node}")], "condition=Ready", PATIENCE);
        self.flows("kubelet of the pipelines hung");
        assert_eq!(self.installed.data_pods(), pods, "no pod was replaced that worked");
    }

    /// A broker with its volume goes on, also when it starts again meanwhile.
    fn store_is_away(&self) {
        self.installed.cluster.fault(&["s3-away"]);
        let degraded = ".status.conditions[?(@.type==\"Degraded\")].reason";
        until_field(self.installed, (CLUSTER.0, CLUSTER.1, degraded), |reason| reason == "StoreAway");
        let before = self.feed.batches();
        std::thread::park_timeout(self.outage / 2);
        assert!(self.feed.batches() > before + 10, "producers go on without the store");
        let restarts = self.restarts(BROKER);
        self.installed.cluster.fault(&["kill", &format!("outages/{BROKER}")]);
        until("the broker starts again without the store", PATIENCE, || (self.restarts(BROKER) > restarts).then_some(()));
        let before = self.feed.batches();
        until("producers go on without the store after a restart", PATIENCE, || (self.feed.batches() > before + 10).then_some(()));
        std::thread::park_timeout(self.outage / 2);
        assert_eq!(self.installed.field(CLUSTER.0, CLUSTER.1, degraded), "StoreAway");
        let at_risk = self.installed.field(CLUSTER.0, CLUSTER.1, ".status.objectStore.bytesAtRisk");
        assert!(at_risk.parse::<u64>().is_ok_and(|bytes| bytes > 0), "status says what is on the volume alone: {at_risk}");
        self.installed.cluster.fault(&["s3-back"]);
        until_field(self.installed, (CLUSTER.0, CLUSTER.1, degraded), |reason| reason != "StoreAway");
        self.flows("S3 away");
    }

    fn node_of(&self, pod: &str) -> String {
        self.pod(pod)["spec"]["nodeName"].as_str().unwrap_or_default().to_owned()
    }

    /// Its pods cannot be asked: the operator lets others take their place, and what they still do is fenced.
    fn node_of_pipelines_is_cut(&self) {
        assert_eq!(PIPELINES.map(|pod| self.node_of(pod)), [self.away, self.away], "they begin there");
        self.installed.cluster.fault(&["cut", self.away]);
        until("pipelines run on the other node", PATIENCE, || {
            let nodes = PIPELINES.map(|pod| {
                self.installed.cluster.try_kubectl(&["-n", "outages", "get", "pod", pod, "-o", "jsonpath={.spec.nodeName}"], "")
            });
            nodes.iter().all(|node| node.as_ref().is_ok_and(|node| node == self.home)).then_some(())
        });
        self.flows("node of the pipelines cut off");
        self.installed.cluster.fault(&["restore", self.away]);
        self.installed.cluster.wait(&[&format!("node/{}", self.away)], "condition=Ready", PATIENCE);
        self.flows("and back");
    }

    /// Its volume is there: nobody takes its place.
    fn node_of_the_broker_is_cut(&self) {
        // Somebody must be there to say so.
        self.installed.upgrade(&["--set", &format!(r"nodeSelector.kubernetes\.io/hostname={}", self.away)]);
        let uid = self.pod(BROKER)["metadata"]["uid"].clone();
        self.installed.cluster.fault(&["cut", self.home]);
        until_field(self.installed, (CLUSTER.0, CLUSTER.1, ".status.conditions[?(@.type==\"Ready\")].status"), |ready| ready == "False");
        self.installed.cluster.fault(&["restore", self.home]);
        self.installed.cluster.wait(&[&format!("node/{}", self.home)], "condition=Ready", PATIENCE);
        self.flows("node of the broker cut off and back");
        assert_eq!(self.pod(BROKER)["metadata"]["uid"], uid, "a broker's pod is never given up");
    }

    fn node_is_drained(&self) {
        self.installed.upgrade(&["--set", "nodeSelector=null"]);
        let drain = ["drain", self.home, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s"];
        let _ = self.installed.cluster.kubectl(&drain);
        until_field(self.installed, (CLUSTER.0, CLUSTER.1, ".status.conditions[?(@.type==\"Ready\")].status"), |ready| ready == "False");
        let _ = self.installed.cluster.kubectl(&["uncordon", self.home]);
        self.flows("node drained and back");
    }
}

/// Results are those of the batches, each once.
fn compare(clients: &Clients<'_>, batches: u64) {
    let row = |line: &String| serde_json::from_str::<Value>(line).expect("a row is JSON");
    let wanted = feed::expected_ids(batches);
    until("every reading is copied", PATIENCE, || (clients.committed("copies").len() >= wanted.len()).then_some(()));
    let mut ids: Vec<_> = clients.committed("copies").iter().map(|line| row(line)["id"].as_i64().expect("a number")).collect();
    ids.sort_unstable();
    assert!(ids == wanted, "copies: {} rows where {} readings were acknowledged", ids.len(), wanted.len());

    let wanted = feed::expected_counts(batches);
    until("every minute is counted", PATIENCE, || (clients.committed("counts").len() >= wanted.len()).then_some(()));
    let lines = clients.committed("counts");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let one = |line: &String| {
        let row = row(line);
        ((text(&row["sensor"]), text(&row["minute"])), row["readings"].as_u64().expect("a number"))
    };
    let counts: BTreeMap<_, _> = lines.iter().map(one).collect();
    assert_eq!(counts.len(), lines.len(), "a minute is there twice");
    assert_eq!(counts, wanted);
}
