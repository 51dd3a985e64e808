//! The flights example: what it is to give, and how far it is.

use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    results::{Wanted, pipeline, topic_offsets},
    server::Server,
};

/// Departures in the file.
const DEPARTURES: u64 = 328_521;

/// The three results of the tutorial.
pub const RESULTS: [Wanted; 3] = [
    Wanted { topic: "late-departures", pipeline: "late-departures", key: &["departed", "carrier", "flight", "origin"], window: None },
    Wanted {
        topic: "delay-by-carrier-hour",
        pipeline: "delay-by-carrier-hour",
        key: &["hour_start", "carrier"],
        window: Some(("hour_start", 60)),
    },
    Wanted {
        topic: "worst-hour-by-airport",
        pipeline: "worst-hour-by-airport",
        key: &["day_start", "origin"],
        window: Some(("day_start", 24 * 60)),
    },
];

/// Whether the file is loaded, every pipeline has read all of it, and has committed what it made of it.
#[must_use]
pub fn is_settled(status: &Value) -> bool {
    pipeline(status, "load")["phase"] == "Finished"
        && topic_offsets(status, "flights") >= DEPARTURES
        && RESULTS.iter().all(|wanted| pipeline(status, wanted.pipeline)["lagSeconds"].as_f64() == Some(0.0))
}

/// Whether the file is loaded and read: kills would hit an idle process from here on.
#[must_use]
pub fn is_through(server: &Server) -> bool {
    server.status().is_some_and(|status| is_settled(&status))
}

/// The folder of the example.
///
/// # Panics
/// Never: this crate lies in the workspace.
#[must_use]
pub fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").join("examples/flights")
}

/// Copies the example's manifests and data into a folder, where they may be changed. A Cluster is left out: `dev` does without.
///
/// # Panics
/// Where a file cannot be copied.
pub fn copy_to(folder: &Path) {
    fs::create_dir_all(folder.join("data")).expect("a folder can be made");
    for name in ["topics.yaml", "pipelines.yaml", "retention.yaml", "data/flights-2013.csv.gz"] {
        fs::copy(example().join(name), folder.join(name)).expect("a file of the example can be copied");
    }
}
