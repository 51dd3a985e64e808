//! A terminal with a live table at its foot: log lines go above it.

use std::{
    fmt::Write as _,
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};
use tracing_subscriber::fmt::MakeWriter;

/// Long lines are clipped by the terminal while the table is drawn, so that each takes one row.
const CLIP: &str = "\x1b[?7l";
const WRAP: &str = "\x1b[?7h";
const ERASE_BELOW: &str = "\x1b[J";

/// The terminal, shared by the table and the log. Where the table is off it is plain standard error.
#[derive(Clone, Debug, Default)]
pub(crate) struct Screen(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    text: String,
    is_live: bool,
}

impl Screen {
    /// Shows this table in place of the one before.
    pub(crate) fn draw(&self, text: String) {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut output = table.erased();
        (table.text, table.is_live) = (text, true);
        table.append_to(&mut output);
        show(&output);
    }

    /// Leaves the table as it stands; log lines follow below.
    pub(crate) fn finish(&self) {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (table.text, table.is_live) = (String::new(), false);
    }

    fn log(&self, line: &[u8]) -> io::Result<()> {
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !table.is_live {
            return io::stderr().write_all(line);
        }
        let mut output = table.erased() + &String::from_utf8_lossy(line);
        table.append_to(&mut output);
        show(&output);
        Ok(())
    }
}

impl Table {
    /// What takes the table away: up to its first line, and nothing below.
    fn erased(&self) -> String {
        match self.text.lines().count() {
            0 => String::new(),
            lines => format!("\x1b[{lines}A\r{ERASE_BELOW}"),
        }
    }

    fn append_to(&self, output: &mut String) {
        let _ = write!(output, "{CLIP}{}{WRAP}", self.text);
    }
}

fn show(output: &str) {
    let mut terminal = io::stdout().lock();
    // A terminal that is gone takes nothing; the process learns of that by a signal.
    let _ = terminal.write_all(output.as_bytes()).and_then(|()| terminal.flush());
}

/// Takes one log line.
#[derive(Debug)]
pub(crate) struct Line(Screen);

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.log(line).map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Screen {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_taken_away_line_by_line() {
        let table = Table { text: "a\nb\nc\n".into(), is_live: true };
        assert_eq!(table.erased(), "\x1b[3A\r\x1b[J");
        assert_eq!(Table::default().erased(), "");
    }
}
