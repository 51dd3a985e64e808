//! CSV rows (RFC 4180): one record or line a row, fields in the order of the table's columns or of a header line.
//!
//! A field may stand in double quotes, with `""` for one; blanks belong to the field. An unquoted field that is the null literal is NULL;
//! without a null literal an unquoted empty field is NULL, except in a STRING column, where it is empty. A NULL is written as the null
//! literal or an empty field, and an empty STRING as `""`.

use sql::{Column as TableColumn, ColumnFrom, CsvOptions};

use super::{
    decoder::{Fault, Target},
    kind::Kind,
};
use crate::column::Column;

/// Reads rows of one source.
#[derive(Debug)]
pub(crate) struct CsvReader {
    /// For each field of a row the needed column it fills.
    fields: Vec<Option<usize>>,
    delimiter: u8,
    null_literal: Option<Vec<u8>>,
    scratch: Vec<u8>,
}

struct Field<'a> {
    from: usize,
    to: usize,
    text: &'a [u8],
    is_quoted: bool,
}

impl CsvReader {
    pub fn new(fields: Vec<Option<usize>>, options: &CsvOptions) -> Self {
        let null_literal = options.null_literal.clone().map(String::into_bytes);
        Self { fields, delimiter: options.delimiter, null_literal, scratch: Vec::new() }
    }

    /// Takes the order of the fields from a header line.
    pub fn read_header(&mut self, line: &[u8], columns: &[TableColumn], targets: &[Target]) -> Result<(), String> {
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        let (mut names, mut at) = (Vec::new(), 0);
        loop {
            let field = next_field(line, at, self.delimiter, &mut self.scratch).map_err(|_| "the header line is not CSV".to_owned())?;
            names.push(String::from_utf8_lossy(field.text.trim_ascii()).into_owned());
            match field.to {
                end if end >= line.len() => break,
                end => at = end + 1,
            }
        }
        let missing = columns.iter().find(|column| column.from == ColumnFrom::Value && !names.contains(&column.name));
        if let Some(column) = missing {
            return Err(format!("the header line has no field {}; it has {}", column.name, names.join(", ")));
        }
        let target = |name: &String| targets.iter().position(|target| target.from == ColumnFrom::Value && target.name == *name);
        self.fields = names.iter().map(target).collect();
        Ok(())
    }

    /// Reads one row into the columns.
    pub fn read(&mut self, row: &[u8], targets: &[Target], columns: &mut [Column]) -> Result<(), Fault> {
        let row = row.strip_suffix(b"\n").unwrap_or(row);
        let row = row.strip_suffix(b"\r").unwrap_or(row);
        let mut at = 0;
        for (index, target) in self.fields.iter().enumerate() {
            if at > row.len() {
                return Err(Fault::Fields { found: index, wanted: self.fields.len() });
            }
            let field = next_field(row, at, self.delimiter, &mut self.scratch)?;
            at = field.to + 1;
            if let Some(index) = *target {
                push(&field, targets[index].kind, self.null_literal.as_deref(), &mut columns[index]).map_err(|problem| Fault::Value {
                    column: index,
                    from: field.from,
                    to: field.to,
                    problem,
                })?;
            }
        }
        if at <= row.len() {
            let mut found = self.fields.len();
            while at <= row.len() {
                at = next_field(row, at, self.delimiter, &mut self.scratch)?.to + 1;
                found += 1;
            }
            return Err(Fault::Fields { found, wanted: self.fields.len() });
        }
        Ok(())
    }
}

fn push(field: &Field<'_>, kind: Kind, null_literal: Option<&[u8]>, column: &mut Column) -> Result<(), &'static str> {
    let is_null = match null_literal {
        Some(literal) => field.text == literal,
        None => field.text.is_empty() && kind != Kind::Text,
    };
    if is_null && !field.is_quoted {
        column.push_null();
        return Ok(());
    }
    if std::str::from_utf8(field.text).is_err() {
        return Err("is not UTF-8");
    }
    kind.push_text(column, field.text)
}

/// The field that begins at `at`; its `to` is where the delimiter or the end of the row stands.
fn next_field<'a>(row: &'a [u8], at: usize, delimiter: u8, scratch: &'a mut Vec<u8>) -> Result<Field<'a>, Fault> {
    if row.get(at) != Some(&b'"') {
        let length = row[at..].iter().position(|byte| *byte == delimiter).unwrap_or(row.len() - at);
        return Ok(Field { from: at, to: at + length, text: &row[at..at + length], is_quoted: false });
    }
    scratch.clear();
    let mut from = at + 1;
    loop {
        let unclosed = Fault::Text { at, problem: "a quoted field does not end" };
        let quote = from + row[from..].iter().position(|byte| *byte == b'"').ok_or(unclosed)?;
        scratch.extend_from_slice(&row[from..quote]);
        match row.get(quote + 1) {
            Some(b'"') => {
                scratch.push(b'"');
                from = quote + 2;
            }
            next if next.is_none_or(|byte| *byte == delimiter) => {
                return Ok(Field { from: at, to: quote + 1, text: scratch, is_quoted: true });
            }
            _ => return Err(Fault::Text { at: quote + 1, problem: "a delimiter belongs behind a quoted field" }),
        }
    }
}

/// Writes one field, quoted where it must be.
pub(crate) fn write_field(out: &mut Vec<u8>, text: &[u8], delimiter: u8) {
    let needs_quotes = |byte: &u8| *byte == delimiter || matches!(byte, b'"' | b'\n' | b'\r');
    if !text.is_empty() && !text.iter().any(needs_quotes) {
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    for byte in text {
        out.push(*byte);
        if *byte == b'"' {
            out.push(b'"');
        }
    }
    out.push(b'"');
}
