//! Log lines of a pod: to standard error, in plain text or as JSON. `RUST_LOG` chooses what is said (default: `info`).

use tracing_subscriber::{EnvFilter, fmt};

use crate::dev::arguments::LogFormat;

/// Starts logging.
pub(crate) fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).with_ansi(false);
    match format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
}
