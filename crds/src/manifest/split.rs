//! Cuts a file at its document markers, so that one bad document leaves the others alone.

use super::{Position, ReadError};

/// Largest document, in bytes: what an API server would still store.
pub const DOCUMENT_BYTES_MAX: usize = 1 << 20;

/// One document's text.
pub(super) struct Part<'a> {
    /// The text, its `---` line included.
    pub text: &'a str,
    /// The line of the file, from 1, on which it starts.
    pub first_line: usize,
}

/// The documents of a file. A line that starts with `---` begins one, wherever it stands (YAML 1.2 §9.1.2 allows no other use of it).
pub(super) fn documents(text: &str) -> impl Iterator<Item = Result<Part<'_>, ReadError>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut rest = Some((text, 1));
    std::iter::from_fn(move || {
        let (text, first_line) = rest.take()?;
        let (mut end, mut lines) = (0, 0);
        for line in text.split_inclusive('\n') {
            if lines > 0 && is_marker(line) {
                rest = Some((&text[end..], first_line + lines));
                break;
            }
            end += line.len();
            lines += 1;
        }
        let part = Part { text: &text[..end], first_line };
        Some(if part.text.len() > DOCUMENT_BYTES_MAX { Err(too_large(&part)) } else { Ok(part) })
    })
}

fn is_marker(line: &str) -> bool {
    line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

fn too_large(part: &Part<'_>) -> ReadError {
    let at = Position { line: part.first_line, column: 1 };
    ReadError { at, message: format!("the document has {} bytes; at most {DOCUMENT_BYTES_MAX} are read", part.text.len()) }
}
