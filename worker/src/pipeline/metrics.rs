//! A pipeline's metrics. Names and units are documented here and nowhere else: `HELP` is the documentation.

use control::{ActualPipeline, Phase};
use prometheus_client::registry::Unit::{Bytes, Seconds};

use crate::pod::metrics::{Labels, Snapshot};

const PHASES: [Phase; 8] =
    [Phase::Starting, Phase::Restoring, Phase::Running, Phase::Suspended, Phase::Finished, Phase::Draining, Phase::Stopped, Phase::Failed];

/// Adds all that is known of a pod's part of a pipeline.
pub(super) fn add(snapshot: &mut Snapshot, ordinal: u32, actual: &ActualPipeline) {
    let identity = vec![
        ("namespace", actual.pipeline.namespace.clone()),
        ("pipeline", actual.pipeline.name.clone()),
        ("layout", actual.layout.to_string()),
        ("pod", ordinal.to_string()),
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
    ];
    let phases = PHASES.map(|phase| (vec![("phase", format!("{phase:?}"))], f64::from(u8::from(actual.phase == phase))));
    let seconds = |ms: i64| ms as f64 / 1e3;
    snapshot
        .gauges("streamwright_pipeline_info", None, "Identity of the pipeline's pod; always 1", [(identity, 1.0)])
        .gauges("streamwright_pipeline_phase", None, "1 for the phase that the pod is in", phases)
        .gauge(
            "streamwright_pipeline_desired_generation",
            None,
            "Generation of the desired state that is followed",
            actual.generation as f64,
        )
        .counter("streamwright_pipeline_rows_in", None, "Rows read since the pod started", actual.rows_in as f64)
        .counter("streamwright_pipeline_rows_out", None, "Rows written since the pod started", actual.rows_out as f64)
        .gauge(
            "streamwright_pipeline_late_rows",
            None,
            "Rows that came after their window was final, over the life of the layout",
            actual.late_rows as f64,
        )
        .gauge(
            "streamwright_pipeline_dead_letters",
            None,
            "Rows in the dead-letter topic, over the life of the layout",
            actual.dead_letters as f64,
        )
        .gauge("streamwright_pipeline_state", Some(Bytes), "Bytes of keyed state", actual.state_bytes.0 as f64)
        .gauge(
            "streamwright_pipeline_unfolded",
            Some(Bytes),
            "Bytes of state deltas that no checkpoint holds yet",
            actual.unfolded_bytes.0 as f64,
        )
        .gauges(
            "streamwright_pipeline_lag",
            Some(Seconds),
            "Age of the oldest record that is not committed as processed",
            known(actual.lag.map(|lag| seconds(lag.0))),
        )
        .gauges(
            "streamwright_pipeline_watermark_timestamp",
            Some(Seconds),
            "Event time up to which results are final, Unix time",
            known(actual.watermark.map(|time| seconds(time.0))),
        )
        .gauges(
            "streamwright_pipeline_last_commit_timestamp",
            Some(Seconds),
            "When the last commit succeeded, Unix time",
            known(actual.last_commit.map(|time| seconds(time.0))),
        )
        .gauges(
            "streamwright_pipeline_last_checkpoint_timestamp",
            Some(Seconds),
            "When the last checkpoint was committed, Unix time",
            known(actual.last_checkpoint.map(|time| seconds(time.0))),
        )
        .gauges("streamwright_pipeline_source_lag_records", None, "Records behind the log end, by source table", sources(actual));
}

fn known(value: Option<f64>) -> Vec<(Labels, f64)> {
    value.map(|value| (Labels::new(), value)).into_iter().collect()
}

fn sources(actual: &ActualPipeline) -> Vec<(Labels, f64)> {
    let lag = |source: &control::SourceProgress| Some((vec![("table", source.table.clone())], source.lag_records? as f64));
    actual.sources.iter().filter_map(lag).collect()
}
