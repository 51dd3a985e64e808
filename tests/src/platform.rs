//! The platform example: what its tenants send, and what they are to get.

use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::results::{Wanted, pipeline, topic_offsets};

/// Each tenant's input: its topic, and the file of it.
pub const INPUTS: [(&str, &str); 3] = [("shop.orders", "orders.tsv"), ("fleet.positions", "positions.tsv"), ("audit.logins", "logins.tsv")];

/// What comes out.
pub const RESULTS: [Wanted; 4] = [
    Wanted { topic: "shop.revenue", pipeline: "revenue", key: &["product", "hour_start"], window: Some(("hour_start", 60)) },
    Wanted { topic: "fleet.speeding", pipeline: "speed", key: &["vehicle", "at"], window: None },
    Wanted { topic: "fleet.mean-speed", pipeline: "speed", key: &["vehicle", "window_start"], window: Some(("window_start", 15)) },
    Wanted { topic: "audit.alerts", pipeline: "alerts", key: &["account", "window_start"], window: Some(("window_start", 5)) },
];

/// The folder of the example.
///
/// # Panics
/// Never: this crate lies in the workspace.
#[must_use]
pub fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").join("examples/platform")
}

fn input(file: &str) -> PathBuf {
    example().join("data").join(file)
}

/// Sends the inputs as the tenants would, with kcat.
///
/// # Panics
/// Where kcat fails.
pub fn send(bootstrap: &str) {
    for (topic, file) in INPUTS {
        let sent = Command::new("kcat").args(["-b", bootstrap, "-t", topic, "-P", "-K", "\t", "-l"]).arg(input(file)).output();
        let sent = sent.expect("kcat runs");
        assert!(sent.status.success(), "kcat {topic}: {}", String::from_utf8_lossy(&sent.stderr));
    }
}

/// Whether all that was sent is there, and every pipeline has read it and has committed what it made of it.
///
/// # Panics
/// Where a file of the example is not there.
#[must_use]
pub fn is_settled(status: &Value) -> bool {
    let lines = |file| fs::read_to_string(input(file)).expect("the example has its inputs").lines().count() as u64;
    INPUTS.iter().all(|(topic, file)| topic_offsets(status, topic) >= lines(file))
        && RESULTS.iter().all(|wanted| pipeline(status, wanted.pipeline)["lagSeconds"].as_f64() == Some(0.0))
}
