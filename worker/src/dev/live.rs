//! The live table: on a terminal, unless log lines are asked for as JSON. Elsewhere nothing is drawn.

use crds::Timestamp;
use std::{future::pending, io};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{
    arguments::LogFormat,
    line::{Line, Style, Tone},
    screen::Screen,
    status::Overview,
    table,
    terminal::{self, Size},
};

/// Rows of a window that stay free for log lines, where it has many.
const LOG_ROWS: usize = 3;
/// What counts as many.
const ROWS_MANY: usize = 16;

/// Draws, where there is something to draw on.
pub(crate) struct Live(Option<Drawing>);

struct Drawing {
    screen: Screen,
    style: Style,
    resized: Signal,
}

impl Live {
    /// From now on a panic takes the table away before it is told, so that both can be read.
    ///
    /// # Errors
    /// Where the process cannot listen for signals.
    pub(crate) fn start(format: LogFormat, screen: Screen) -> io::Result<Self> {
        if format == LogFormat::Json || !terminal::can_move() {
            return Ok(Self(None));
        }
        let resized = signal(SignalKind::window_change())?;
        let (of_panics, tell) = (screen.clone(), std::panic::take_hook());
        std::panic::set_hook(Box::new(move |panic| {
            of_panics.lift();
            tell(panic);
        }));
        Ok(Self(Some(Drawing { screen, style: terminal::style(), resized })))
    }

    /// Shows how it is now.
    pub(crate) fn draw(&self, overview: &Overview) {
        let Some(Drawing { screen, style, .. }) = &self.0 else { return };
        screen.draw(picture(overview, Timestamp::now(), terminal::size(), *style), *style);
    }

    /// Resolves when the window has another size; never where nothing is drawn.
    ///
    /// # Cancel safety
    /// A change of size is not missed.
    pub(crate) async fn resized(&mut self) {
        match &mut self.0 {
            Some(drawing) => drop(drawing.resized.recv().await),
            None => pending().await,
        }
    }

    /// Leaves the table as it stands.
    pub(crate) fn finish(self) {
        if let Some(drawing) = self.0 {
            drawing.screen.finish();
        }
    }
}

/// The table, and a line on how to read and how to stop, in a window of this size.
fn picture(overview: &Overview, now: Timestamp, window: Size, style: Style) -> Vec<Line> {
    let foot = Line::of(Tone::Quiet, format!("kafka {}   ctrl-c stops; everything stays for the next start", overview.kafka));
    // One row is the cursor's, one column stays free.
    let (columns, rows) = (window.columns.saturating_sub(1), window.rows.saturating_sub(1));
    let (free, foot) = if window.rows >= ROWS_MANY { (LOG_ROWS, vec![Line::default(), foot.clipped(columns)]) } else { (0, Vec::new()) };
    let mut lines = table::render(overview, now, Size { columns, rows: rows - free - foot.len() }, style);
    lines.extend(foot);
    lines
}
