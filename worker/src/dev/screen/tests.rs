//! What stands on a small terminal after tables, log lines and other window sizes.

use super::*;
use crate::dev::line::Tone;

/// A terminal of the kind everybody has: it wraps and scrolls, and wraps anew when it becomes narrower.
struct Terminal {
    size: Size,
    /// What has scrolled away, then what is seen.
    rows: Vec<String>,
    row: usize,
    column: usize,
    is_cursor_seen: bool,
}

impl Terminal {
    fn new(columns: usize, rows: usize) -> Self {
        Self { size: Size { columns, rows }, rows: vec![String::new()], row: 0, column: 0, is_cursor_seen: true }
    }

    fn take(&mut self, output: &str) {
        let mut letters = output.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '\r' => self.column = 0,
                '\n' => self.down(),
                '\x1b' => {
                    assert_eq!(letters.next(), Some('['));
                    let mut sequence = String::new();
                    while !sequence.ends_with(|last: char| last.is_ascii_alphabetic()) {
                        sequence.extend(letters.next());
                    }
                    self.obey(&sequence);
                }
                letter => self.put(letter),
            }
        }
    }

    fn obey(&mut self, sequence: &str) {
        match sequence {
            "J" => {
                self.rows.truncate(self.row + 1);
                self.clear_line();
            }
            "K" => self.clear_line(),
            "?25l" => self.is_cursor_seen = false,
            "?25h" => self.is_cursor_seen = true,
            "?2026h" | "?2026l" => {}
            _ => {
                let up: usize = sequence.strip_suffix('A').and_then(|rows| rows.parse().ok()).unwrap_or_else(|| panic!("{sequence:?}"));
                let top = self.rows.len().saturating_sub(self.size.rows);
                assert!(self.row >= top + up, "past the top of the window");
                self.row -= up;
            }
        }
    }

    fn clear_line(&mut self) {
        self.rows[self.row] = self.rows[self.row].chars().take(self.column).collect();
    }

    fn put(&mut self, letter: char) {
        if self.column == self.size.columns {
            self.column = 0;
            self.down();
        }
        let mut letters: Vec<char> = self.rows[self.row].chars().collect();
        letters.resize(letters.len().max(self.column + 1), ' ');
        letters[self.column] = letter;
        self.rows[self.row] = letters.into_iter().collect();
        self.column += 1;
    }

    fn down(&mut self) {
        self.row += 1;
        if self.row == self.rows.len() {
            self.rows.push(String::new());
        }
    }

    fn resize(&mut self, columns: usize) {
        self.size.columns = columns;
        let wrap = |row: &String| -> Vec<String> {
            let letters: Vec<char> = row.chars().collect();
            if letters.is_empty() { vec![String::new()] } else { letters.chunks(columns).map(|chunk| chunk.iter().collect()).collect() }
        };
        self.rows = self.rows.iter().flat_map(wrap).collect();
        self.row = self.rows.len() - 1;
    }

    fn rows(&self) -> Vec<&str> {
        self.rows.iter().map(String::as_str).collect()
    }
}

fn table(rows: &[&str]) -> Vec<Line> {
    rows.iter().map(|row| Line::of(Tone::Plain, *row)).collect()
}

#[test]
fn a_table_takes_the_place_of_the_one_before() {
    let (mut terminal, mut foot) = (Terminal::new(20, 6), Foot::default());
    terminal.take("front matter\r\n");
    for rows in [&["TOPIC  N", "long name  12"][..], &["TOPIC  N", "a  1", "b  2"], &["TOPIC  N", "c  3"]] {
        terminal.take(&foot.draw(table(rows), terminal.size));
        let seen: Vec<&str> = [&["front matter"], rows, &[""]].concat();
        assert_eq!(terminal.rows(), seen);
    }
    assert!(terminal.is_cursor_seen);
}

#[test]
fn log_lines_go_above_it_also_long_ones() {
    let (mut terminal, mut foot) = (Terminal::new(10, 6), Foot::default());
    terminal.take(&foot.draw(table(&["T  N", "a  1"]), terminal.size));
    terminal.take(&foot.log("one\n", terminal.size).replace("one\n", "one\r\n"));
    terminal.take(&foot.log("a line of twenty let\r\n", terminal.size));
    assert_eq!(terminal.rows(), ["one", "a line of ", "twenty let", "T  N", "a  1", ""]);
    terminal.take(&foot.draw(table(&["T  N", "a  2"]), terminal.size));
    assert_eq!(terminal.rows(), ["one", "a line of ", "twenty let", "T  N", "a  2", ""]);
}

#[test]
fn no_line_wraps_and_no_table_is_higher_than_the_window() {
    let (mut terminal, mut foot) = (Terminal::new(8, 4), Foot::default());
    for round in 0..3 {
        terminal.take(&foot.draw(table(&["twelve chars", "b", "c", "d", "e"]), terminal.size));
        assert_eq!(terminal.rows(), ["twelve", "b", "c", ""], "round {round}");
    }
}

#[test]
fn a_window_that_becomes_narrower_leaves_nothing_of_the_table_before() {
    let (mut terminal, mut foot) = (Terminal::new(20, 9), Foot::default());
    terminal.take("front\r\n");
    terminal.take(&foot.draw(table(&["eighteen letters..", "b"]), terminal.size));
    terminal.resize(7);
    assert_eq!(terminal.rows(), ["front", "eightee", "n lette", "rs..", "b", ""]);
    terminal.take(&foot.draw(table(&["short", "b"]), terminal.size));
    assert_eq!(terminal.rows(), ["front", "short", "b", ""]);
}

#[test]
fn what_takes_it_away_leaves_a_clean_line() {
    let (mut terminal, mut foot) = (Terminal::new(20, 6), Foot::default());
    terminal.take(&foot.draw(table(&["a", "b"]), terminal.size));
    terminal.take(&foot.draw(Vec::new(), terminal.size));
    assert_eq!(terminal.rows(), [""]);
}
