//! A terminal with a live table at its foot: log lines go above it.
//!
//! A change goes out as one write. Lines are written over those before and cleared from their end on, so that nothing flickers; the cursor is
//! hidden only within that write, so that whatever ends the process, it is there.

use std::{
    io::{self, IsTerminal, Write},
    sync::{Arc, Mutex, PoisonError, TryLockError},
};
use tracing_subscriber::fmt::MakeWriter;

use super::{
    line::{Line, Style},
    terminal::{self, Size},
};

/// Hides the cursor and holds the picture still until all of it is there, where the terminal knows how.
const BEGIN: &str = "\x1b[?2026h\x1b[?25l";
const END: &str = "\x1b[?25h\x1b[?2026l";
const CLEAR_TO_END_OF_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";

/// The terminal, shared by the table and the log. Until the first table it is plain standard error, and where that is not the terminal of
/// the table it stays so.
#[derive(Clone, Debug, Default)]
pub(crate) struct Screen(Arc<Mutex<Foot>>);

/// The table as it stands on the terminal, the cursor at the beginning of the line below it.
#[derive(Debug, Default)]
struct Foot {
    lines: Vec<Line>,
    style: Style,
    is_live: bool,
}

impl Screen {
    /// Shows this table in place of the one before.
    pub(crate) fn draw(&self, lines: Vec<Line>, style: Style) {
        let mut foot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        foot.style = style;
        show(&foot.draw(lines, terminal::size()));
    }

    /// Leaves the table as it stands; log lines follow below.
    pub(crate) fn finish(&self) {
        let mut foot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if foot.is_live {
            // The terminal has written what was typed, the ^C too, where the cursor was.
            show(&format!("\r{CLEAR_BELOW}"));
        }
        *foot = Foot::default();
    }

    /// Takes the table away, so that somebody else can write; the next one is drawn below that. Does nothing where this thread, or another,
    /// is at the screen right now: this is asked for by a panic.
    pub(crate) fn lift(&self) {
        let mut foot = match self.0.try_lock() {
            Ok(foot) => foot,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        if foot.is_live {
            show(&foot.draw(Vec::new(), terminal::size()));
        }
    }

    fn log(&self, text: &[u8]) {
        let mut foot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if foot.is_live && io::stderr().is_terminal() {
            return show(&foot.log(&String::from_utf8_lossy(text), terminal::size()));
        }
        // A log that nobody reads any more is no reason to stop, nor to complain to the same reader.
        let _ = io::stderr().write_all(text);
    }
}

impl Foot {
    fn draw(&mut self, lines: Vec<Line>, size: Size) -> String {
        let up = self.up(size);
        (self.lines, self.is_live) = (lines, true);
        format!("{BEGIN}{up}{}{CLEAR_BELOW}{END}", self.text(size))
    }

    /// The text, which ends with a line's end, and the table below it.
    fn log(&mut self, text: &str, size: Size) -> String {
        let up = self.up(size);
        format!("{BEGIN}{up}{CLEAR_BELOW}{text}{}{END}", self.text(size))
    }

    /// Up to the table's first line. Terminals wrap what they have anew when they become narrower.
    fn up(&self, size: Size) -> String {
        let rows = |line: &Line| line.width().div_ceil(size.columns.max(1)).max(1);
        match self.lines.iter().map(rows).sum::<usize>().min(size.rows.saturating_sub(1)) {
            0 => "\r".into(),
            rows => format!("\x1b[{rows}A\r"),
        }
    }

    /// Every line, cut to the window. The last column stays free: what is cleared after a letter there differs between terminals.
    fn text(&mut self, size: Size) -> String {
        self.lines.truncate(size.rows.saturating_sub(1));
        self.lines = self.lines.drain(..).map(|line| line.clipped(size.columns.saturating_sub(1))).collect();
        self.lines.iter().map(|line| line.painted(self.style) + CLEAR_TO_END_OF_LINE + "\r\n").collect()
    }
}

fn show(output: &str) {
    let mut terminal = io::stdout().lock();
    // A terminal that is gone takes nothing; the process learns of that by a signal.
    let _ = terminal.write_all(output.as_bytes()).and_then(|()| terminal.flush());
}

/// Takes one log line.
#[derive(Debug)]
pub(crate) struct LogLine(Screen);

impl Write for LogLine {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.log(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Screen {
    type Writer = LogLine;

    fn make_writer(&'a self) -> LogLine {
        LogLine(self.clone())
    }
}

#[cfg(test)]
mod tests;
