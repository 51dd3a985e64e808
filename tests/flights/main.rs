//! The flights example does what its tutorial says: real data in, three results out, the same after every kill as the batch oracle has them.

use serde_json::{Value, json};
use std::{fs, process::Command, time::Duration};
use streamwright_tests::{
    dice::Dice,
    flights::{self, RESULTS, example},
    results::{self, Oracle},
    server::Server,
};

/// Kills over all rounds, and how many of them must fall between the first produce of a commit and the answer to its `EndTxn`.
const KILLS: usize = 50;
const KILLS_IN_COMMIT: usize = 20;
/// How long the whole year may take, restarts included.
const PATIENCE: Duration = Duration::from_secs(180);

#[test]
fn the_tutorials_results_equal_the_batch_oracle() {
    let oracle = Oracle::of(&example(), &RESULTS);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(&example(), &folder.path().join("data"));
    let _ = server.wait_for_status(PATIENCE, flights::is_settled);
    let first = Command::new("kcat").args(["-b", &server.bootstrap, "-t", "flights", "-C", "-e", "-o", "beginning", "-c", "5"]).output();
    let first = first.expect("kcat runs");
    assert!(first.status.success() && first.stdout.split(|byte| *byte == b'\n').count() == 6, "the line that is printed works: {first:?}");
    oracle.compare(&server, PATIENCE);
    let before = results::committed(&server.bootstrap, RESULTS[1].topic);
    let server = server.kill_and_restart();
    let after = results::committed(&server.bootstrap, RESULTS[1].topic);
    assert_eq!(before, after, "what is committed is the same after a kill");
}

#[test]
fn what_the_tutorial_changes_is_applied_or_refused_by_name() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let home = folder.path().join("flights");
    flights::copy_to(&home);
    let file = home.join("pipelines.yaml");
    let original = fs::read_to_string(&file).expect("the manifest can be read");
    let edit = |from: &str, to: &str| {
        assert!(original.contains(from), "the example no longer says {from:?}");
        fs::write(&file, original.replace(from, to)).expect("the manifest can be written");
    };
    let server = Server::start(&home, &folder.path().join("data"));
    let layouts = |status: &Value| {
        let of = |name: &str| results::pipeline(status, name)["layout"].clone();
        ["late-departures", "delay-by-carrier-hour"].map(of)
    };
    let has_problem = |status: &Value, words: &str| status["problems"].to_string().contains(words);
    let runs = |status: &Value, name: &str| {
        let pipeline = results::pipeline(status, name);
        pipeline["phase"] == "Running" && pipeline["reason"] == "Available"
    };
    let before =
        layouts(&server.wait_for_status(PATIENCE, |status| runs(status, "late-departures") && runs(status, "delay-by-carrier-hour")));

    edit("delay FROM flights", "dely FROM flights");
    let status = server.wait_for_status(PATIENCE, |status| has_problem(status, "pipelines.yaml:23:"));
    assert_eq!(results::pipeline(&status, "late-departures")["phase"], "Running", "what runs goes on");
    edit("delay >= 60;", "delay >= 120;");
    let is_applied = |status: &Value| status["problems"] == json!([]) && runs(status, "late-departures");
    assert_eq!(layouts(&server.wait_for_status(PATIENCE, is_applied)), before);

    let windows = "INTERVAL '1' HOUR))\n    GROUP BY carrier, window_start, window_end;\n";
    let longer = windows.replace("'1'", "'2'");
    edit(windows, &longer);
    let status = server.wait_for_status(PATIENCE, |status| has_problem(status, "allowStateLoss: true"));
    assert_eq!(layouts(&status), before, "what runs goes on");
    edit(windows, &(longer + "  upgrade: {allowStateLoss: true}\n"));
    let is_new = |status: &Value| layouts(status)[1] != before[1] && runs(status, "delay-by-carrier-hour");
    let _ = server.wait_for_status(PATIENCE, is_new);
}

#[test]
fn fifty_kills_lose_nothing_and_count_nothing_twice() {
    let oracle = Oracle::of(&example(), &RESULTS);
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
        let _ = server.wait_for_status(PATIENCE, flights::is_settled);
        oracle.compare(&server, PATIENCE);
    }
    println!("{in_commit} of {kills} kills inside a commit");
}
