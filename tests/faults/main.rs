//! SIGKILL at random instants, again and again, while real clients write and read; another process keeps the ledger of what was promised.

use std::path::Path;
use streamwright_tests::{dice::Dice, ledger::Ledger, server::Server};

/// Kills in all, and how many of them must fall between a producer's wish to commit and its answer.
const KILLS: usize = 100;
const KILLS_IN_COMMIT: usize = 30;

#[test]
fn a_hundred_kills_break_no_promise() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("faults/manifests");
    let mut server = Server::start(&manifests, &folder.path().join("data"));
    let mut ledger = Ledger::start(&server.bootstrap);
    let mut dice = Dice::from_environment();
    let mut in_commit = 0;
    for kill in 0..KILLS {
        // Let it run first, so that each incarnation does real work; then either any instant, or right after a producer asked to commit.
        ledger.run_for(dice.milliseconds(50..400));
        if kill % 2 == 0 {
            ledger.wait_for_commit();
        }
        server.kill();
        in_commit += usize::from(ledger.is_committing());
        server = server.kill_and_restart();
    }
    let verdict = ledger.finish();
    assert!(verdict.is_kept, "seed {}: {}", dice.seed(), verdict.text);
    assert!(in_commit >= KILLS_IN_COMMIT, "only {in_commit} of {KILLS} kills fell inside a commit");
    println!("{in_commit} of {KILLS} kills inside a commit; {}", verdict.text);
}
