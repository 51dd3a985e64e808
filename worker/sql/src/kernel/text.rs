//! Functions of STRING, by characters (Unicode scalar values).

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int32Array, StringArray, StringBuilder};
use arrow::error::ArrowError;

use super::{Kernel, TEXT_BYTES_MAX, failed};

/// All texts of one array.
const BATCH_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Which end of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    Both,
    Leading,
    Trailing,
}

pub(super) fn unary(kernel: &Kernel, argument: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let texts = argument.as_string::<i32>();
    if *kernel == Kernel::CharLength {
        let length = |text: &str| i32::try_from(text.chars().count()).unwrap_or(i32::MAX);
        return Ok(Arc::new(texts.iter().map(|text| text.map(length)).collect::<Int32Array>()));
    }
    let mut made = StringBuilder::new();
    for text in texts {
        match text {
            None => made.append_null(),
            Some(text) => {
                append(kernel, text, &mut made)?;
                within_batch(&made)?;
            }
        }
    }
    Ok(Arc::new(made.finish()))
}

fn append(kernel: &Kernel, text: &str, made: &mut StringBuilder) -> Result<(), ArrowError> {
    match kernel {
        Kernel::Upper => made.append_value(text.to_uppercase()),
        Kernel::Lower => made.append_value(text.to_lowercase()),
        Kernel::Reverse => made.append_value(text.chars().rev().collect::<String>()),
        Kernel::Trim { side, character } => made.append_value(match side {
            Side::Both => text.trim_matches(*character),
            Side::Leading => text.trim_start_matches(*character),
            Side::Trailing => text.trim_end_matches(*character),
        }),
        Kernel::Substring { start, length } => {
            let rest = skip(text, start - 1);
            made.append_value(length.map_or(rest, |length| &rest[..rest.len() - skip(rest, length).len()]));
        }
        Kernel::Left(count) => made.append_value(&text[..text.len() - skip(text, *count).len()]),
        Kernel::Right(count) => made.append_value(skip(text, text.chars().count().saturating_sub(*count))),
        Kernel::Pad { side, length, with } => made.append_value(limited(pad(*side, text, *length, with))?),
        Kernel::Repeat(count) => {
            within_limit(text.len().saturating_mul(*count))?;
            made.append_value(text.repeat(*count));
        }
        // An empty text has no parts at all (Flink, after commons-lang).
        Kernel::SplitIndex { .. } if text.is_empty() => made.append_null(),
        Kernel::SplitIndex { delimiter, index } => made.append_option(text.split(delimiter.as_str()).nth(*index)),
        other => unreachable!("{other:?} is not a function of one text"),
    }
    Ok(())
}

/// What follows the first `count` characters.
fn skip(text: &str, count: usize) -> &str {
    text.char_indices().nth(count).map_or("", |(begin, _)| &text[begin..])
}

fn pad(side: Side, text: &str, length: usize, with: &str) -> String {
    let have = text.chars().count();
    if have >= length {
        return text.chars().take(length).collect();
    }
    let padding = with.chars().cycle().take(length - have);
    match side {
        Side::Leading => padding.chain(text.chars()).collect(),
        Side::Both | Side::Trailing => text.chars().chain(padding).collect(),
    }
}

pub(super) fn several(kernel: &Kernel, arguments: &[ArrayRef]) -> Result<ArrayRef, ArrowError> {
    let texts: Vec<&StringArray> = arguments.iter().map(|argument| argument.as_string::<i32>()).collect();
    let rows = texts[0].len();
    let value = |argument: usize, row: usize| texts[argument].is_valid(row).then(|| texts[argument].value(row));
    let pair = |row: usize| Some((value(0, row)?, value(1, row)?));
    match kernel {
        Kernel::StartsWith => {
            Ok(Arc::new((0..rows).map(|row| pair(row).map(|(text, start)| text.starts_with(start))).collect::<BooleanArray>()))
        }
        Kernel::EndsWith => Ok(Arc::new((0..rows).map(|row| pair(row).map(|(text, end)| text.ends_with(end))).collect::<BooleanArray>())),
        Kernel::Position => {
            Ok(Arc::new((0..rows).map(|row| pair(row).map(|(part, text)| character_position(text, part))).collect::<Int32Array>()))
        }
        Kernel::Replace => each(rows, |row| match (pair(row), value(2, row)) {
            (Some((text, from)), Some(to)) => replace(text, from, to).map(Some),
            _ => Ok(None),
        }),
        Kernel::Concat => each(rows, |row| pair(row).map(|(left, right)| joined(&[left, right], "")).transpose()),
        Kernel::ConcatWithSeparator => each(rows, |row| {
            let Some(separator) = value(0, row) else { return Ok(None) };
            let parts = (1..texts.len()).filter_map(|argument| value(argument, row)).collect::<Vec<_>>();
            joined(&parts, separator).map(Some)
        }),
        other => unreachable!("{other:?} is not a function of several texts"),
    }
}

/// A text for each row.
fn each(rows: usize, text: impl Fn(usize) -> Result<Option<String>, ArrowError>) -> Result<ArrayRef, ArrowError> {
    let mut made = StringBuilder::new();
    for row in 0..rows {
        made.append_option(text(row)?);
        within_batch(&made)?;
    }
    Ok(Arc::new(made.finish()))
}

fn joined(parts: &[&str], separator: &str) -> Result<String, ArrowError> {
    within_limit(parts.iter().map(|part| part.len() + separator.len()).sum())?;
    Ok(parts.join(separator))
}

/// As in Java, an empty text stands before, between and behind all characters.
fn replace(text: &str, from: &str, to: &str) -> Result<String, ArrowError> {
    let growth = to.len().saturating_sub(from.len()).saturating_mul(text.len() / from.len().max(1) + 1);
    if text.len().saturating_add(growth) > TEXT_BYTES_MAX {
        within_limit(text.len().saturating_add(to.len().saturating_mul(text.matches(from).count())))?;
    }
    Ok(text.replace(from, to))
}

/// 1-based; 0 when `part` is not in `text`.
fn character_position(text: &str, part: &str) -> i32 {
    text.find(part).map_or(0, |byte| i32::try_from(text[..byte].chars().count() + 1).unwrap_or(i32::MAX))
}

fn limited(text: String) -> Result<String, ArrowError> {
    within_limit(text.len()).map(|()| text)
}

fn within_limit(bytes: usize) -> Result<(), ArrowError> {
    within(bytes, TEXT_BYTES_MAX)
}

fn within(bytes: usize, most: usize) -> Result<(), ArrowError> {
    if bytes > most {
        return Err(failed(format!("the text would have {bytes} bytes, more than {most}")));
    }
    Ok(())
}

/// Few rows of the batch have an answer where all together have not: whoever evaluates takes a part of it then.
fn within_batch(made: &StringBuilder) -> Result<(), ArrowError> {
    within(made.values_slice().len(), BATCH_BYTES_MAX)
}
