//! JSON rows: a reader compiled against the schema that passes over the bytes once and builds nothing in between.
//!
//! Fields mostly come in the order of the row before; the reader bets on that, compares the bytes of the name with those it saw at the
//! same place, and looks the name up only where the bet is lost. Values of columns that nobody needs are checked and passed over.

mod scan;

use std::collections::HashMap;

use sql::ColumnFrom;

pub use scan::MAX_DEPTH;
use scan::Scanner;

use super::{
    decoder::{Fault, Target},
    kind::Kind,
};
use crate::column::Column;

/// Places in a row whose field names are remembered.
const REMEMBERED_FIELDS: usize = 256;

/// Reads rows of one source.
#[derive(Debug)]
pub(crate) struct JsonReader {
    by_name: HashMap<Box<[u8]>, usize>,
    /// What was last seen at each place of a row.
    seen: Vec<Seen>,
    scratch: Vec<u8>,
}

/// A field's name as it was written, in quotes and with the colon where it stood directly behind.
#[derive(Debug)]
struct Seen {
    text: Box<[u8]>,
    /// The first 16 bytes of `text` as a number, and a mask of those that count: most names are told by one comparison.
    head: u128,
    mask: u128,
    has_colon: bool,
    /// The column it fills.
    target: Option<usize>,
}

impl Seen {
    fn new(text: &[u8], target: Option<usize>) -> Self {
        let mut head = [0; 16];
        let length = text.len().min(16);
        head[..length].copy_from_slice(&text[..length]);
        let mask = if length == 16 { u128::MAX } else { (1 << (8 * length)) - 1 };
        Self { text: text.into(), head: u128::from_le_bytes(head), mask, has_colon: text.ends_with(b":"), target }
    }

    #[inline]
    fn is_next(&self, scanner: &Scanner<'_>) -> bool {
        match scanner.ahead().first_chunk::<16>() {
            Some(ahead) if self.text.len() <= 16 => u128::from_le_bytes(*ahead) & self.mask == self.head,
            _ => scanner.ahead().starts_with(&self.text),
        }
    }
}

impl JsonReader {
    pub fn new(targets: &[Target]) -> Self {
        let values = targets.iter().enumerate().filter(|(_, target)| target.from == ColumnFrom::Value);
        let by_name = values.map(|(index, target)| (target.name.as_bytes().into(), index)).collect();
        Self { by_name, seen: Vec::new(), scratch: Vec::new() }
    }

    /// Reads one row; appends at most one value to each of `columns`, which hold `done` values.
    #[inline]
    pub fn read(&mut self, row: &[u8], targets: &[Target], columns: &mut [Column], done: usize) -> Result<(), Fault> {
        let mut scanner = Scanner::new(row);
        scanner.skip_blanks();
        scanner.expect(b'{', "a row is a JSON object")?;
        scanner.skip_blanks();
        if !scanner.take(b'}') {
            for place in 0.. {
                let target = self.field(&mut scanner, place)?;
                scanner.skip_blanks();
                match target {
                    None => scanner.skip_any()?,
                    Some(index) => {
                        // Of fields named twice the last counts.
                        columns[index].truncate(done);
                        self.value(&mut scanner, targets[index].kind, &mut columns[index], index)?;
                    }
                }
                scanner.skip_blanks();
                if scanner.take(b'}') {
                    break;
                }
                scanner.expect(b',', "a comma or the end of the object is missing")?;
                scanner.skip_blanks();
            }
        }
        scanner.skip_blanks();
        scanner.expect_end()
    }

    /// Reads a field's name and the colon behind it; the column it fills, if any.
    #[inline]
    fn field(&mut self, scanner: &mut Scanner<'_>, place: usize) -> Result<Option<usize>, Fault> {
        if let Some(seen) = self.seen.get(place)
            && seen.is_next(scanner)
        {
            scanner.advance_by(seen.text.len());
            if !seen.has_colon {
                scanner.colon()?;
            }
            return Ok(seen.target);
        }
        self.learn_field(scanner, place)
    }

    fn learn_field(&mut self, scanner: &mut Scanner<'_>, place: usize) -> Result<Option<usize>, Fault> {
        scanner.expect(b'"', "a field's name in quotes is missing")?;
        let string = scanner.string()?;
        let raw = scanner.slice(string.from, string.to);
        // A name that is not UTF-8 is not JSON; it must not be believed the next time either.
        if !string.is_ascii && std::str::from_utf8(raw).is_err() {
            return Err(Fault::Text { at: string.from, problem: "a name is not UTF-8" });
        }
        let target = if string.has_escapes {
            self.scratch.clear();
            scanner.unescape(string, &mut self.scratch)?;
            self.by_name.get(self.scratch.as_slice()).copied()
        } else {
            self.by_name.get(raw).copied()
        };
        let end = string.to + 1 + usize::from(scanner.peek() == Some(b':'));
        let seen = Seen::new(scanner.slice(string.from - 1, end), target);
        if place < self.seen.len() {
            self.seen[place] = seen;
        } else if place == self.seen.len() && place < REMEMBERED_FIELDS {
            self.seen.push(seen);
        }
        scanner.colon()?;
        Ok(target)
    }

    #[inline]
    fn value(&mut self, scanner: &mut Scanner<'_>, kind: Kind, column: &mut Column, index: usize) -> Result<(), Fault> {
        let from = scanner.at();
        let done = match scanner.peek() {
            Some(b'"') => {
                scanner.advance();
                let string = scanner.string()?;
                let text = scanner.slice(string.from, string.to);
                if !string.is_ascii && std::str::from_utf8(text).is_err() {
                    return Err(Fault::Text { at: string.from, problem: "a string is not UTF-8" });
                }
                if !string.has_escapes {
                    kind.push_text(column, text)
                } else if kind == Kind::Text {
                    return column.push_written(|out| scanner.unescape(string, out));
                } else {
                    self.scratch.clear();
                    scanner.unescape(string, &mut self.scratch)?;
                    kind.push_text(column, &self.scratch)
                }
            }
            Some(b'-' | b'0'..=b'9') => {
                let number = scanner.number()?;
                kind.push_number(column, number, scanner.slice(from, scanner.at()))
            }
            Some(b't' | b'f' | b'n') => {
                let literal = scanner.literal()?;
                match (literal, kind) {
                    (None, _) => {
                        column.push_null();
                        Ok(())
                    }
                    (Some(value), Kind::Boolean) => {
                        column.push_word(value.into());
                        Ok(())
                    }
                    (Some(value), Kind::Text) => {
                        column.push_bytes(if value { b"true" } else { b"false" });
                        Ok(())
                    }
                    _ => Err("is of another type than the column"),
                }
            }
            Some(b'{' | b'[') => {
                scanner.skip_value()?;
                match kind {
                    Kind::Text => return column.push_written(|out| scanner.compact(from, scanner.at(), out)),
                    _ => Err("is nested, and only a STRING column takes that, as JSON text"),
                }
            }
            _ => return Err(Fault::Text { at: from, problem: "a value is missing" }),
        };
        done.map_err(|problem| Fault::Value { column: index, from, to: scanner.at(), problem })
    }
}
