//! Where in a file each field stands.

use std::{collections::HashMap, fmt, sync::Arc};

use crate::path::{FieldPath, Step};

/// A place in a file: both count from 1; a column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column in it.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Where each field of one document stands.
#[derive(Clone, Debug)]
pub struct Positions {
    /// The document's text, and the line of the file before its first.
    pub(super) source: Arc<str>,
    pub(super) lines_before: usize,
    pub(super) root: Arc<Place>,
}

/// Where one node stands, and what is in it. Positions here count lines from the document's start.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) key: Option<Position>,
    pub(super) value: Position,
    pub(super) text: Option<Text>,
    pub(super) fields: HashMap<String, Arc<Place>>,
    pub(super) items: Vec<Arc<Place>>,
}

/// A scalar's text, and how it is written.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) content: Arc<str>,
    pub(super) is_literal: bool,
}

impl Positions {
    pub(super) fn locate(&self, path: &FieldPath) -> Position {
        self.in_file(self.find(path).0.value)
    }

    pub(super) fn locate_key(&self, path: &FieldPath) -> Position {
        let (place, _) = self.find(path);
        self.in_file(place.key.unwrap_or(place.value))
    }

    pub(super) fn locate_in_text(&self, path: &FieldPath, line: usize, column: usize) -> Position {
        let (place, is_exact) = self.find(path);
        let Some(text) = place.text.as_ref().filter(|_| is_exact) else { return self.in_file(place.value) };
        let at = if text.is_literal {
            in_literal(place.value, &text.content, line, column)
        } else {
            self.in_flow(place.value, &text.content, line, column)
        };
        self.in_file(at)
    }

    /// The deepest place on the way, and whether it is the one that was asked for.
    fn find(&self, path: &FieldPath) -> (&Place, bool) {
        let mut place = &self.root;
        for step in path.steps() {
            let next = match step {
                Step::Field(name) => place.fields.get(name),
                Step::Index(index) => place.items.get(*index),
            };
            let Some(next) = next else { return (place, false) };
            place = next;
        }
        (place, true)
    }

    fn in_file(&self, position: Position) -> Position {
        Position { line: position.line + self.lines_before, column: position.column }
    }

    /// Walks text and source side by side: what the source has more of is indentation, folds, quotes and escapes.
    fn in_flow(&self, start: Position, content: &str, line: usize, column: usize) -> Position {
        let lines = content.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum::<usize>();
        let wanted = lines + content[lines..].chars().take(column.saturating_sub(1)).map(char::len_utf8).sum::<usize>();
        let skipped = self.source.split_inclusive('\n').take(start.line - 1).map(str::len).sum::<usize>();
        let mut source = self.source[skipped..].chars().skip(start.column - 1).peekable();
        let mut at = start;
        for (offset, letter) in content.char_indices().filter(|(_, letter)| !letter.is_whitespace()) {
            while let Some(written) = source.next_if(|written| *written != letter) {
                at = past(at, written);
                if written == '\\' {
                    at = source.next().map_or(at, |escaped| past(at, escaped));
                }
            }
            if offset >= wanted {
                break;
            }
            at = source.next().map_or(at, |written| past(at, written));
        }
        at
    }
}

/// The position just past a character.
fn past(at: Position, written: char) -> Position {
    if written == '\n' { Position { line: at.line + 1, column: 1 } } else { Position { line: at.line, column: at.column + 1 } }
}

/// In a literal block (`|`) each line of the text is a line of the file, further right by the block's indentation. The parser gives as
/// start the first letter of the first line that is not empty.
fn in_literal(start: Position, content: &str, line: usize, column: usize) -> Position {
    let empty_before = content.len() - content.trim_start_matches('\n').len();
    let line = line.clamp(1, content.lines().count().max(1));
    Position { line: (start.line + line - 1).saturating_sub(empty_before), column: start.column - 1 + column.max(1) }
}
