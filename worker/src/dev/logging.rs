//! Log lines: to standard error, for people or as JSON.

use crds::Timestamp;
use tracing_subscriber::{
    EnvFilter, fmt,
    fmt::{
        format::Writer,
        time::{FormatTime, SystemTime},
    },
};

use super::{arguments::LogFormat, screen::Screen, terminal};

/// Starts logging through the screen. `RUST_LOG` chooses what is said (default: `info`).
pub(crate) fn start(format: LogFormat, screen: Screen) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = fmt().with_env_filter(filter).with_writer(screen).with_target(false);
    match format {
        LogFormat::Text if terminal::can_move() => lines.with_timer(Clock).with_ansi(terminal::is_log_colored()).init(),
        LogFormat::Text => lines.with_timer(SystemTime).with_ansi(terminal::is_log_colored()).init(),
        LogFormat::Json => lines.with_ansi(false).json().flatten_event(true).init(),
    }
}

/// The time of day in UTC, for somebody who watches: the day is today, and a line has little room.
struct Clock;

impl FormatTime for Clock {
    fn format_time(&self, writer: &mut Writer<'_>) -> std::fmt::Result {
        let now = format!("{:.0}", Timestamp::now());
        writer.write_str(now.split_once('T').map_or(now.as_str(), |(_, time)| time))
    }
}
