//! The flights example does what its tutorial says: real data in, three results out, the same after every kill as the batch oracle has them.

use std::time::Duration;
use streamwright_tests::{
    dice::Dice,
    flights::{self, Oracle, RESULTS, example},
    server::Server,
};

/// Kills over all rounds, and how many of them must fall between the first produce of a commit and the answer to its `EndTxn`.
const KILLS: usize = 50;
const KILLS_IN_COMMIT: usize = 20;
/// How long the whole year may take, restarts included.
const PATIENCE: Duration = Duration::from_secs(180);

#[test]
fn the_tutorials_results_equal_the_batch_oracle() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(&example(), &folder.path().join("data"));
    let status = server.wait_for_status(PATIENCE, flights::is_settled);
    Oracle::of(&example()).compare(&server.bootstrap, &status);
    let before = flights::committed(&server.bootstrap, RESULTS[1].topic);
    let server = server.kill_and_restart();
    let after = flights::committed(&server.bootstrap, RESULTS[1].topic);
    assert_eq!(before, after, "what is committed is the same after a kill");
}

#[test]
fn fifty_kills_lose_nothing_and_count_nothing_twice() {
    let oracle = Oracle::of(&example());
    let mut dice = Dice::from_environment();
    println!("seed {}", dice.seed());
    let (mut kills, mut in_commit) = (0, 0);
    let is_enough = |kills, in_commit| kills >= KILLS && in_commit >= KILLS_IN_COMMIT;
    while !is_enough(kills, in_commit) {
        assert!(kills < 5 * KILLS, "only {in_commit} of {kills} kills fell inside a commit");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut server = Server::start(&example(), &folder.path().join("data"));
        // Kill while it works; when the year is through, compare, and begin again with an empty folder.
        while !is_enough(kills, in_commit) && !flights::is_through(&server) {
            server.run_for(dice.milliseconds(50..600));
            if kills % 2 == 0 {
                server.wait_for_commit();
            }
            server.kill();
            kills += 1;
            in_commit += usize::from(server.was_committing());
            server = server.kill_and_restart();
        }
        let status = server.wait_for_status(PATIENCE, flights::is_settled);
        oracle.compare(&server.bootstrap, &status);
    }
    println!("{in_commit} of {kills} kills inside a commit");
}
