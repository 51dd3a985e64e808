//! A volume that is full to the last byte since the object store is away: what was acknowledged stays, also across a restart, and all goes on
//! by itself once the store is back.

use serde_json::Value;
use std::{collections::BTreeMap, fmt::Write as _, path::Path, process::Command};
use streamwright_tests::{
    installed::{Clients, Installed, PATIENCE, until_field},
    patience::until,
    results::Results,
};

const CLUSTER: (&str, &str) = ("outages", "cluster.streamwright.dev/small");
const BROKER: &str = "small-broker-0";
const TOPIC: &str = "bulk";
/// Values of a chunk, each of so many bytes: 8 MB, of which the volume of 256 MiB takes some two dozen.
const VALUES: usize = 800;
const VALUE_BYTES: usize = 10_000;
/// Of the volume, so much at least is for records.
const CHUNKS_MIN: usize = 16;
/// More than any volume of the class takes.
const CHUNKS_MAX: usize = 64;

/// Fills it, breaks it, and looks that all is there.
pub(crate) fn volume_fills_up_while_the_store_is_away(installed: &Installed) {
    let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("outages/small");
    installed.apply(&manifests, Some(CLUSTER.0));
    installed.wait_until_ready();
    let clients = installed.clients(CLUSTER.0, "small");
    installed.cluster.fault(&["s3-away"]);
    let mut acknowledged = 0;
    while acknowledged < CHUNKS_MAX && send(&clients, acknowledged, "15000") {
        acknowledged += 1;
    }
    assert!((CHUNKS_MIN..CHUNKS_MAX).contains(&acknowledged), "{acknowledged} chunks were acknowledged before the volume was full");
    let ready = |field: &str| format!(".status.conditions[?(@.type==\"Ready\")].{field}");
    until_field(installed, (CLUSTER.0, CLUSTER.1, &ready("message")), |message| message.contains("volume is full"));
    check(&clients, 0..acknowledged);

    let restarts = || pod(installed)["status"]["containerStatuses"][0]["restartCount"].as_i64();
    let before = restarts();
    installed.cluster.fault(&["kill", &format!("{}/{BROKER}", CLUSTER.0)]);
    until("the broker of the full volume starts again", PATIENCE, || (restarts() > before).then_some(()));
    until("it serves what it has", PATIENCE, || {
        clients.outside().args(["-L", "-t", TOPIC, "-m", "5"]).output().is_ok_and(|listed| listed.status.success()).then_some(())
    });
    check(&clients, 0..acknowledged);

    installed.cluster.fault(&["s3-back"]);
    assert!(send(&clients, CHUNKS_MAX, "180000"), "it takes records again");
    until_field(installed, (CLUSTER.0, CLUSTER.1, &ready("status")), |status| status == "True");
    until_field(installed, (CLUSTER.0, CLUSTER.1, ".status.objectStore.bytesAtRisk"), |bytes| bytes == "0");
    check(&clients, (0..acknowledged).chain([CHUNKS_MAX]));
    let _ = installed.cluster.kubectl(&["-n", CLUSTER.0, "delete", "topic.streamwright.dev", TOPIC]);
    let _ = installed.cluster.kubectl(&["-n", CLUSTER.0, "delete", CLUSTER.1]);
    eprintln!("- a volume that filled up while S3 was away: {acknowledged} chunks of 8 MB are there");
}

fn pod(installed: &Installed) -> Value {
    installed.cluster.get(&["-n", CLUSTER.0, "pod", BROKER])
}

/// Sends a chunk; whether all of it was acknowledged within the time.
fn send(clients: &Clients<'_>, chunk: usize, timeout_ms: &str) -> bool {
    let mut text = String::with_capacity(VALUES * (VALUE_BYTES + 1));
    for index in 0..VALUES {
        let _ = writeln!(text, "{:x<VALUE_BYTES$}", format!("{chunk} {index} "));
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("chunk");
    std::fs::write(&file, text).expect("a file can be written");
    let mut kcat: Command = clients.outside();
    kcat.args(["-t", TOPIC, "-P", "-X", "enable.idempotence=true", "-X"]).arg(format!("message.timeout.ms={timeout_ms}"));
    kcat.arg("-l").arg(&file).output().expect("kcat can be run").status.success()
}

/// Every chunk that was acknowledged is there whole, and no value of any is there twice.
fn check(clients: &Clients<'_>, acknowledged: impl Iterator<Item = usize>) {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for value in clients.committed(TOPIC) {
        let mut words = value.split(' ').map(str::to_owned);
        let (chunk, index) = (words.next().expect("a chunk"), words.next().expect("an index"));
        found.entry(chunk).or_default().push(index);
    }
    for (chunk, indexes) in &mut found {
        let all = indexes.len();
        indexes.sort_unstable();
        indexes.dedup();
        assert_eq!(indexes.len(), all, "values of chunk {chunk} are there twice");
    }
    for chunk in acknowledged {
        assert_eq!(found.get(&chunk.to_string()).map_or(0, Vec::len), VALUES, "chunk {chunk} was acknowledged");
    }
}
