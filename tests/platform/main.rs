//! The platform example gives each tenant what the batch oracle says, through a kill, in `streamwright dev`.

use std::time::Duration;
use streamwright_tests::{
    platform::{self, RESULTS, example},
    results::Oracle,
    server::Server,
};

const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn tenants_get_what_the_batch_oracle_says() {
    let oracle = Oracle::of(&example(), &RESULTS);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(&example(), &folder.path().join("data"));
    let has_topics = |status: &serde_json::Value| {
        let topics = status["topics"].as_array().into_iter().flatten();
        platform::INPUTS.iter().all(|(name, _)| topics.clone().any(|topic| topic["name"] == *name))
    };
    let _ = server.wait_for_status(PATIENCE, has_topics);
    platform::send(&server.bootstrap);
    let server = server.kill_and_restart();
    let _ = server.wait_for_status(PATIENCE, platform::is_settled);
    oracle.compare(&server, PATIENCE);
}
