//! Log lines: to standard error, for people or as JSON.

use std::io::IsTerminal;
use tracing_subscriber::{EnvFilter, fmt};

use super::{arguments::LogFormat, screen::Screen};

/// Starts logging through the screen. `RUST_LOG` chooses what is said (default: `info`).
pub(crate) fn start(format: LogFormat, screen: Screen) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = fmt().with_env_filter(filter).with_writer(screen).with_target(false);
    match format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
}
