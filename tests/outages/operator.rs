//! The operator dies at its writes: by SIGKILL, as soon as the API server has done the first of those that a change takes; then, at the next
//! change, the second; and so on.

use serde_json::Value;
use std::{
    fs::File,
    io::{BufRead, BufReader, Seek, SeekFrom},
    process::Command,
    time::{Duration, Instant},
};
use streamwright_tests::{
    installed::{Installed, NAMESPACE, PATIENCE},
    patience::until,
};

/// It begins what it has to do much sooner than this after what it did before.
const SILENCE: Duration = Duration::from_secs(20);
/// Kills, by default; each is followed by the 15 seconds after which another may lead.
const KILLS: usize = 8;
const TURN: &str = r"
apiVersion: streamwright.dev/v1alpha1
kind: Topic
metadata: {name: NAME, namespace: outages, labels: {outages: turn}}
spec: {clusterRef: {name: main}, deletionPolicy: Delete, partitions: 2}
";

/// Changes a Pipeline, makes a Topic and deletes the one before, again and again, until it has died at each write of that, or often enough.
pub(crate) fn dies_at_its_writes(installed: &Installed) {
    let kubectl = |arguments: &[&str]| installed.cluster.kubectl(&[&["-n", "outages"], arguments].concat());
    let kills = std::env::var("SW_OPERATOR_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
    let (mut turn, mut is_through) = (0, false);
    while turn < kills && !is_through {
        let operator = Victim::find(installed);
        let mut audit = Audit::from_now(installed);
        installed.cluster.apply(&TURN.replace("NAME", &format!("turn-{turn}")));
        let interval = format!(r#"{{"spec":{{"commitInterval":"{}ms"}}}}"#, 200 + turn * 10);
        let _ = kubectl(&["patch", "pipeline.streamwright.dev", "copy", "--type=merge", "-p", &interval]);
        if turn > 0 {
            let _ = kubectl(&["delete", "topic.streamwright.dev", &format!("turn-{}", turn - 1), "--wait=false"]);
        }
        match audit.write(turn + 1) {
            Some(write) => {
                operator.kill(installed);
                eprintln!("- operator killed at write {}: {write}", turn + 1);
                turn += 1;
            }
            None => is_through = true,
        }
    }
    eprintln!("- operator killed at {turn} writes{}", if is_through { ": it has no more" } else { "" });
    let _ = kubectl(&["delete", "topics.streamwright.dev", "-l", "outages=turn", "--wait=false"]);
    let left = || kubectl(&["get", "topics.streamwright.dev", "-o", "name"]).contains("turn-");
    until("the operator finishes what it began", PATIENCE, || (!left()).then_some(()));
}

/// The operator's pod, known before it is to die: looking for it would give it time for more writes.
struct Victim {
    pod: String,
    processes: Vec<String>,
}

impl Victim {
    fn find(installed: &Installed) -> Self {
        until("the operator runs", PATIENCE, || {
            let pod = installed.field(NAMESPACE, "pods", ".items[?(@.status.phase==\"Running\")].metadata.name");
            let processes = if pod.is_empty() { Vec::new() } else { installed.cluster.processes(&format!("{NAMESPACE}/{pod}")) };
            (!processes.is_empty()).then_some(Self { pod, processes })
        })
    }

    /// SIGKILL; and another pod, rather than this one after the kubelet's ever longer pauses.
    fn kill(self, installed: &Installed) {
        let killed = Command::new("kill").arg("-9").args(&self.processes).status().expect("kill can be run");
        assert!(killed.success(), "the operator had died before: {:?}", self.processes);
        let _ = installed.cluster.kubectl(&["-n", NAMESPACE, "delete", "pod", &self.pod, "--force", "--grace-period=0"]);
    }
}

/// What the API server says that it did, from some time on.
struct Audit {
    lines: BufReader<File>,
    line: String,
}

impl Audit {
    fn from_now(installed: &Installed) -> Self {
        let mut file = File::open(installed.cluster.fact("audit").expect("a cluster of ours has an audit log")).expect("it can be read");
        file.seek(SeekFrom::End(0)).expect("it can be read");
        Self { lines: BufReader::new(file), line: String::new() }
    }

    /// The `number`th write of the operator, from 1, as soon as it is done; `None` where it has done fewer, and is silent.
    fn write(&mut self, number: usize) -> Option<String> {
        // It may have to lead first, and to let a broker have its time.
        let (mut seen, mut silent_by) = (0, Instant::now() + PATIENCE);
        while Instant::now() < silent_by {
            if self.lines.read_line(&mut self.line).expect("it can be read") == 0 || !self.line.ends_with('\n') {
                std::thread::park_timeout(Duration::from_millis(1));
                continue;
            }
            let write = of_operator(&self.line);
            self.line.clear();
            let Some(write) = write else { continue };
            seen += 1;
            silent_by = Instant::now() + SILENCE;
            if seen == number {
                return Some(write);
            }
        }
        assert!(seen > 0, "the operator does nothing");
        None
    }
}

/// What a line says of a write of the operator; `None` of anything else, and of what goes on for ever: its lease, Events, and figures in status.
fn of_operator(line: &str) -> Option<String> {
    let said: Value = serde_json::from_str(line).expect("a line is JSON");
    let text = |pointer: &str| said.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let is_its_own = text("/user/username").starts_with(&format!("system:serviceaccount:{NAMESPACE}:"));
    let resource = text("/objectRef/resource");
    let what = || [text("/verb"), resource, text("/objectRef/subresource"), text("/objectRef/name")].join(" ");
    let is_figures = text("/requestURI").contains("fieldManager=streamwright-status");
    (is_its_own && !is_figures && !["leases", "events"].contains(&resource)).then(what)
}
