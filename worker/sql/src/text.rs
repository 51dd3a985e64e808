//! From text to statements: bounded before it is parsed, parsed without recursion that a text could drive, every error with its place.

mod dialect;
mod statements;
mod tokens;
mod watermark;

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart, Spanned};

use crate::error::{PlanError, Position};

pub(crate) use statements::{Parsed, expression, parse};
pub(crate) use watermark::Watermark;

/// Where a node of the syntax tree begins; `fallback` for the few that the parser gives no place.
pub(crate) fn position(node: &impl Spanned, fallback: Position) -> Position {
    from_location(node.span().start).unwrap_or(fallback)
}

/// Where a name stands.
pub(crate) fn named_at(name: &Ident, fallback: Position) -> Position {
    from_location(name.span.start).unwrap_or(fallback)
}

fn from_location(location: sqlparser::tokenizer::Location) -> Option<Position> {
    let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    (location.line > 0).then(|| Position { line: number(location.line), column: number(location.column) })
}

/// The parts of a dotted name.
pub(crate) fn parts(name: &ObjectName) -> Option<Vec<&Ident>> {
    name.0.iter().map(ObjectNamePart::as_ident).collect()
}

/// A name of one part, which all names of tables, views and functions are.
pub(crate) fn single(name: &ObjectName, at: Position) -> Result<&Ident, PlanError> {
    match parts(name).as_deref() {
        Some([ident]) => refuse_text(ident, at).map(|()| *ident),
        _ => Err(PlanError::new(at, format!("{name} has several parts"))
            .hint(format!("there are no databases here: a table whose name has dots is written `{}`", unquoted(name)))),
    }
}

/// Refuses a text where a name belongs: the parser takes `carrier 'x'` for `carrier AS x`, and Flink does not.
pub(crate) fn refuse_text(name: &Ident, at: Position) -> Result<(), PlanError> {
    match name.quote_style {
        Some('\'') => Err(PlanError::new(named_at(name, at), format!("'{}' is a text where a name belongs", name.value))
            .hint(format!("write `{0}`, or {0} where it is a plain word", name.value))),
        _ => Ok(()),
    }
}

fn unquoted(name: &ObjectName) -> String {
    parts(name).map(|parts| parts.iter().map(|ident| ident.value.as_str()).collect::<Vec<_>>().join(".")).unwrap_or_default()
}
