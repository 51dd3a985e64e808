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
        Self { line: at.line, column: at.column, message: shortened(message.into()), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(shortened(hint.into()));
        self
    }
}

/// Messages go into status fields and terminals, and names in them are as long as a user wrote them.
fn shortened(text: String) -> String {
    match text.char_indices().nth(CHARS_MAX) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

const CHARS_MAX: usize = 500;
