//! A volume that is full to the last byte under everything: producers, groups, and pipelines that compute.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use streamwright_tests::{
    flights::{self, RESULTS, example},
    ledger::Ledger,
    results::{self, Oracle},
    server::{PATIENCE, Server, built},
    volume::SmallVolume,
};

/// Room for few files of the log beside what it leaves for objects, so that it needs more soon.
const MEGABYTES: u32 = 420;
/// How long everything may take, once there is room.
const PATIENCE_AFTER: Duration = Duration::from_secs(240);

/// The manifests of the example and of the ledger, in one folder.
fn manifests(folder: &Path) {
    let ledger = Path::new(env!("CARGO_MANIFEST_DIR")).join("faults/manifests/topics.yaml");
    flights::copy_to(folder);
    fs::copy(ledger, folder.join("ledger.yaml")).expect("the ledger's manifests can be copied");
}

/// Returns once the log file has this many lines with these words.
fn wait_for_lines(log: &Path, words: &str, count: usize) {
    let until = Instant::now() + PATIENCE;
    let text = || fs::read_to_string(log).unwrap_or_default();
    while text().lines().filter(|line| line.contains(words)).count() < count {
        assert!(Instant::now() < until, "it does not say {words:?} {count} times, but: {}", text());
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

#[test]
fn a_full_volume_refuses_by_name_loses_nothing_and_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (home, data) = (folder.path().join("manifests"), folder.path().join("data"));
    let Some(volume) = SmallVolume::mount(&data, MEGABYTES) else {
        eprintln!("NOT TESTED: a full volume, since this machine does not let us mount a tmpfs");
        return;
    };
    manifests(&home);
    let oracle = Oracle::of(&example(), &RESULTS);
    let log = data.with_extension("log");
    let server = Server::start(&home, &data);
    let ledger = Ledger::start(&server.bootstrap);

    // Full while everything runs: it is said, what is there is read, and with room all goes on by itself, to the right results.
    let _ = server.wait_for_status(PATIENCE, |status| results::topic_offsets(status, "flights") > 10_000);
    volume.fill();
    wait_for_lines(&log, "is full: records are refused", 1);
    assert!(!results::committed(&server.bootstrap, "flights").is_empty(), "reads go on");
    volume.free();
    wait_for_lines(&log, "the volume takes records again", 1);
    let _ = server.wait_for_status(PATIENCE_AFTER, flights::is_settled);
    oracle.compare(&server, PATIENCE);

    // Full again, and killed: it does not start, by name; with room it does, and nothing is missing.
    let result = RESULTS[1].topic;
    let before = results::committed(&server.bootstrap, result);
    volume.fill();
    let bootstrap = server.bootstrap.clone();
    drop(server);
    let mut command = Command::new(built("streamwright"));
    command.arg("dev").arg(&home).arg("--data-dir").arg(&data).args(["--listen", &bootstrap]);
    let refused = command.stdin(Stdio::null()).output().expect("streamwright starts");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(1) && said.contains("is full. Free space on it"), "{:?}: {said}", refused.status);
    volume.free();
    let server = Server::start_at(&home, &data, &bootstrap);
    let after = results::committed(&server.bootstrap, result);
    let lost: Vec<_> = before.iter().filter(|row| after.binary_search(row).is_err()).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    let verdict = ledger.finish();
    assert!(verdict.is_kept, "{}", verdict.text);
    println!("{}", verdict.text);
}
