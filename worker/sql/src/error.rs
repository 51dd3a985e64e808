//! Why a text cannot be planned: where, why, and what to write instead.

use std::fmt;

/// A place in the query text, both counted from 1; a column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line of the text.
    pub line: u32,
    /// Character of the line.
    pub column: u32,
}

impl Position {
    /// The first character of the text.
    pub const START: Self = Self { line: 1, column: 1 };
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.line, self.column)
    }
}

/// A query that is wrong or cannot be streamed yet. It is never partly planned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {message}{}", self.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default())]
pub struct PlanError {
    /// Line in the query text, from 1.
    pub line: u32,
    /// Character in that line, from 1.
    pub column: u32,
    /// What is wrong, present tense, one sentence without full stop.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl PlanError {
    pub(crate) fn new(at: Position, message: impl Into<String>) -> Self {
        Self { line: at.line, column: at.column, message: shown(&message.into()), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(shown(&hint.into()));
        self
    }
}

/// Messages go into status fields and terminals, and what users wrote stands in them: it is cut where it is long, and what would move the
/// cursor, break the line or turn the text around is spelled out.
fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for (count, char) in text.chars().enumerate() {
        match char {
            _ if count == CHARS_MAX => {
                shown.push('…');
                break;
            }
            _ if char.is_control() || is_unseen(char) => shown.extend(char.escape_default()),
            _ => shown.push(char),
        }
    }
    shown
}

/// Marks of direction and of no width.
fn is_unseen(char: char) -> bool {
    matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

const CHARS_MAX: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_wrote_stays_on_its_line_and_reads_from_left_to_right() {
        let error = PlanError::new(Position::START, "table a\nb\u{202e}c\u{1b}[2J does not exist");
        assert_eq!(error.to_string(), "1:1: table a\\nb\\u{202e}c\\u{1b}[2J does not exist");
    }

    #[test]
    fn long_names_are_cut() {
        assert_eq!(PlanError::new(Position::START, "ö".repeat(9_999)).message.chars().count(), CHARS_MAX + 1);
    }
}
