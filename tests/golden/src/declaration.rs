//! `-- table NAME from PATH [(header, null TEXT, delimiter C)]: column TYPE [NOT NULL], …`

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};

use crate::OracleError;

/// A table in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// The name in the query.
    pub name: String,
    /// Relative to the oracle file.
    pub path: String,
    /// Whether the first line of a CSV file has the names of its columns, in any order; else the columns stand in the declared order.
    pub header: bool,
    /// Text that means NULL in CSV.
    pub null: Option<String>,
    /// Between fields of CSV.
    pub delimiter: u8,
    /// The declared columns.
    pub schema: SchemaRef,
}

/// All declarations of an oracle file.
///
/// # Errors
/// A line begins with `-- table` and goes on otherwise.
pub fn declarations(text: &str) -> Result<Vec<Declaration>, OracleError> {
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix("-- table ").map(|rest| (line, rest)));
    lines.map(|(line, rest)| parse(rest).map_err(|reason| OracleError::Declaration { text: line.to_owned(), reason })).collect()
}

fn parse(text: &str) -> Result<Declaration, String> {
    let (head, columns) = text.split_once(": ").ok_or("columns are missing: write `: name TYPE, …`")?;
    let (name, rest) = head.split_once(" from ").ok_or("write `NAME from PATH`")?;
    let (path, options) = match rest.split_once(" (") {
        None => (rest, ""),
        Some((path, options)) => (path, options.trim_end().strip_suffix(')').ok_or("a parenthesis is open")?),
    };
    let mut declaration = Declaration {
        name: name.trim().to_owned(),
        path: path.trim().to_owned(),
        header: false,
        null: None,
        delimiter: b',',
        schema: Arc::new(Schema::new(fields(columns)?)),
    };
    for option in options.split(", ").map(str::trim).filter(|option| !option.is_empty()) {
        match option.split_once(' ') {
            None if option == "header" => declaration.header = true,
            Some(("null", text)) => declaration.null = Some(text.to_owned()),
            Some(("delimiter", text)) if text.len() == 1 => declaration.delimiter = text.as_bytes()[0],
            _ => return Err(format!("option {option:?} is not known: there are header, null TEXT, delimiter C")),
        }
    }
    Ok(declaration)
}

/// Columns are separated by commas outside of parentheses.
fn fields(text: &str) -> Result<Vec<Field>, String> {
    let mut depth = 0_usize;
    let separated = text.split(|char| {
        match char {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        char == ',' && depth == 0
    });
    separated.map(field).collect()
}

fn field(text: &str) -> Result<Field, String> {
    let (name, column_type) = text.trim().split_once(' ').ok_or_else(|| format!("{text:?} is not `name TYPE`"))?;
    let column_type = sql::types::parse(column_type).map_err(|error| error.to_string())?;
    Ok(Field::new(name, column_type.data_type, column_type.nullable))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declaration_has_options_and_types_with_commas() {
        let text = "-- table t from a/b.csv.gz (header, null NA, delimiter ;): a STRING NOT NULL, m DECIMAL(10, 2)\nSELECT 1 -- table";
        let declared = declarations(text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(declared.len(), 1);
        let Declaration { name, path, header, null, delimiter, schema } = &declared[0];
        assert_eq!((name.as_str(), path.as_str(), *header, null.as_deref(), *delimiter), ("t", "a/b.csv.gz", true, Some("NA"), b';'));
        assert!(!schema.field(0).is_nullable());
        assert_eq!(schema.field(1).data_type(), &arrow::datatypes::DataType::Decimal128(10, 2));
    }

    #[test]
    fn a_slip_in_a_declaration_is_named() {
        for text in ["-- table t: a INT", "-- table t from x", "-- table t from x (heador): a INT", "-- table t from x: a TEXT"] {
            assert!(declarations(text).is_err(), "{text}");
        }
    }
}
