//! Flink SQL type names and the Arrow types they stand for.
//!
//! | Flink | Arrow |
//! |---|---|
//! | `STRING`, `VARCHAR`, `VARCHAR(n)`, `CHAR`, `CHAR(n)` | `Utf8` (lengths are not enforced, as in Flink's default) |
//! | `BOOLEAN` | `Boolean` |
//! | `TINYINT`, `SMALLINT`, `INT`, `BIGINT` | `Int8`, `Int16`, `Int32`, `Int64` |
//! | `FLOAT`, `DOUBLE` | `Float32`, `Float64` |
//! | `DECIMAL(p, s)`, p 1–38, s 0–p; `DECIMAL` = `DECIMAL(10, 0)` | `Decimal128(p, s)` |
//! | `DATE`, `TIME` | `Date32`, `Time32(Millisecond)` |
//! | `TIMESTAMP(p)` | `Timestamp(Second, Millisecond, Microsecond or Nanosecond; no zone)` for p = 0, 1–3, 4–6, 7–9; without p: 6 |
//! | `TIMESTAMP_LTZ(p)` | the same with the zone `UTC` (the session time zone is always UTC) |
//! | `BYTES`, `VARBINARY` | `Binary` |

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};

/// The zone that `TIMESTAMP_LTZ` columns carry.
pub const UTC: &str = "UTC";

/// The text is not a type we know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TypeError {
    /// The name of the type is unknown.
    #[error(
        "unknown type {0:?}: use STRING, BOOLEAN, TINYINT, SMALLINT, INT, BIGINT, FLOAT, DOUBLE, DECIMAL(p, s), DATE, TIME, TIMESTAMP(p), TIMESTAMP_LTZ(p) or BYTES"
    )]
    Unknown(String),
    /// A type of Flink that we cannot store.
    #[error("type {0:?} is not supported: declare the column STRING, which carries nested values as JSON text")]
    Nested(String),
    /// The numbers in parentheses do not fit the type.
    #[error("{text:?}: {reason}")]
    Parameters {
        /// The type as it was written.
        text: String,
        /// What fits.
        reason: &'static str,
    },
}

/// A type and whether it allows NULL, as written in a column declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnType {
    /// The Arrow type.
    pub data_type: DataType,
    /// False after `NOT NULL`.
    pub nullable: bool,
}

/// Parses a Flink SQL type such as `TIMESTAMP(3) NOT NULL`; case and spaces do not matter.
///
/// # Errors
/// The text names no type of the table above, or its numbers are out of range.
pub fn parse(text: &str) -> Result<ColumnType, TypeError> {
    let normal = text.trim().to_ascii_uppercase();
    let words: Vec<&str> = normal.split_whitespace().collect();
    let (words, nullable) = match words.as_slice() {
        [rest @ .., "NOT", "NULL"] => (rest, false),
        [rest @ .., "NULL"] => (rest, true),
        all => (all, true),
    };
    Ok(ColumnType { data_type: parse_data_type(text, &words.join(" "))?, nullable })
}

fn parse_data_type(text: &str, normal: &str) -> Result<DataType, TypeError> {
    let (name, parameters, rest) = split(text, normal)?;
    let name = if rest.is_empty() { name } else { format!("{name} {rest}") };
    let wrong = |reason| TypeError::Parameters { text: text.to_owned(), reason };
    let plain = |data_type: DataType| if parameters.is_empty() { Ok(data_type) } else { Err(wrong("this type takes no numbers")) };
    match name.as_str() {
        "STRING" => plain(DataType::Utf8),
        "VARCHAR" | "CHAR" | "CHARACTER" | "CHARACTER VARYING" => match parameters[..] {
            [] => Ok(DataType::Utf8),
            [length] if (1..=2_147_483_647).contains(&length) => Ok(DataType::Utf8),
            _ => Err(wrong("the length is 1 to 2147483647")),
        },
        "BOOLEAN" => plain(DataType::Boolean),
        "TINYINT" => plain(DataType::Int8),
        "SMALLINT" => plain(DataType::Int16),
        "INT" | "INTEGER" => plain(DataType::Int32),
        "BIGINT" => plain(DataType::Int64),
        "FLOAT" => plain(DataType::Float32),
        "DOUBLE" | "DOUBLE PRECISION" => plain(DataType::Float64),
        "DATE" => plain(DataType::Date32),
        "TIME" | "TIME WITHOUT TIME ZONE" => match parameters[..] {
            [] | [0..=3] => Ok(DataType::Time32(TimeUnit::Millisecond)),
            _ => Err(wrong("the precision of TIME is 0 to 3")),
        },
        "BYTES" => plain(DataType::Binary),
        "VARBINARY" | "BINARY" => match parameters[..] {
            [] | [1..=2_147_483_647] => Ok(DataType::Binary),
            _ => Err(wrong("the length is 1 to 2147483647")),
        },
        "DECIMAL" | "DEC" | "NUMERIC" => decimal(&parameters).ok_or_else(|| wrong("DECIMAL(p, s) needs 1 <= p <= 38 and 0 <= s <= p")),
        "TIMESTAMP" | "TIMESTAMP WITHOUT TIME ZONE" => Ok(DataType::Timestamp(precision(text, &parameters)?, None)),
        "TIMESTAMP_LTZ" | "TIMESTAMP WITH LOCAL TIME ZONE" => Ok(DataType::Timestamp(precision(text, &parameters)?, Some(Arc::from(UTC)))),
        "ARRAY" | "MAP" | "ROW" | "MULTISET" | "RAW" | "STRUCTURED" | "VARIANT" => Err(TypeError::Nested(text.trim().to_owned())),
        other if ["ARRAY<", "MAP<", "ROW<", "MULTISET<"].iter().any(|nested| other.starts_with(nested)) => {
            Err(TypeError::Nested(text.trim().to_owned()))
        }
        _ => Err(TypeError::Unknown(text.trim().to_owned())),
    }
}

/// `NAME (1, 2) REST` as its parts.
fn split(text: &str, normal: &str) -> Result<(String, Vec<i64>, String), TypeError> {
    let Some((name, tail)) = normal.split_once('(') else { return Ok((normal.to_owned(), Vec::new(), String::new())) };
    let wrong = |reason| TypeError::Parameters { text: text.to_owned(), reason };
    let (inside, rest) = tail.split_once(')').ok_or_else(|| wrong("a closing parenthesis is missing"))?;
    let name = name.trim();
    if ["ROW", "ARRAY", "MAP", "MULTISET", "RAW"].contains(&name) {
        return Err(TypeError::Nested(text.trim().to_owned()));
    }
    let numbers = inside.split(',').map(|number| number.trim().parse().ok()).collect::<Option<Vec<i64>>>();
    Ok((name.to_owned(), numbers.ok_or_else(|| wrong("whole numbers belong between the parentheses"))?, rest.trim().to_owned()))
}

fn decimal(parameters: &[i64]) -> Option<DataType> {
    let (precision, scale) = match *parameters {
        [] => (10, 0),
        [precision] => (precision, 0),
        [precision, scale] => (precision, scale),
        _ => return None,
    };
    ((1..=38).contains(&precision) && (0..=precision).contains(&scale))
        .then(|| DataType::Decimal128(u8::try_from(precision).unwrap_or(38), i8::try_from(scale).unwrap_or(0)))
}

fn precision(text: &str, parameters: &[i64]) -> Result<TimeUnit, TypeError> {
    match parameters {
        [] | [4..=6] => Ok(TimeUnit::Microsecond),
        [0] => Ok(TimeUnit::Second),
        [1..=3] => Ok(TimeUnit::Millisecond),
        [7..=9] => Ok(TimeUnit::Nanosecond),
        _ => Err(TypeError::Parameters { text: text.to_owned(), reason: "the precision of a timestamp is 0 to 9" }),
    }
}

/// The Flink name of an Arrow type, e.g. `TIMESTAMP(3)`; Arrow's own name for a type that Flink does not have.
#[must_use]
pub fn name(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 => "STRING".to_owned(),
        DataType::Boolean => "BOOLEAN".to_owned(),
        DataType::Int8 => "TINYINT".to_owned(),
        DataType::Int16 => "SMALLINT".to_owned(),
        DataType::Int32 => "INT".to_owned(),
        DataType::Int64 => "BIGINT".to_owned(),
        DataType::Float32 => "FLOAT".to_owned(),
        DataType::Float64 => "DOUBLE".to_owned(),
        DataType::Decimal128(precision, scale) => format!("DECIMAL({precision}, {scale})"),
        DataType::Date32 => "DATE".to_owned(),
        DataType::Time32(_) => "TIME".to_owned(),
        DataType::Timestamp(unit, None) => format!("TIMESTAMP({})", digits(*unit)),
        DataType::Timestamp(unit, Some(_)) => format!("TIMESTAMP_LTZ({})", digits(*unit)),
        DataType::Binary => "BYTES".to_owned(),
        DataType::Null => "NULL".to_owned(),
        DataType::Interval(_) => "INTERVAL".to_owned(),
        other => other.to_string(),
    }
}

/// Digits after the second that a unit keeps.
#[must_use]
pub fn digits(unit: TimeUnit) -> u8 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data_type(text: &str) -> DataType {
        parse(text).unwrap_or_else(|error| panic!("{error}")).data_type
    }

    #[test]
    fn every_flink_type_has_its_arrow_type() {
        assert_eq!(data_type("string"), DataType::Utf8);
        assert_eq!(data_type("VARCHAR( 20 )"), DataType::Utf8);
        assert_eq!(data_type("integer"), DataType::Int32);
        assert_eq!(data_type("DECIMAL(12, 2)"), DataType::Decimal128(12, 2));
        assert_eq!(data_type("decimal"), DataType::Decimal128(10, 0));
        assert_eq!(data_type("TIMESTAMP"), DataType::Timestamp(TimeUnit::Microsecond, None));
        assert_eq!(data_type("TIMESTAMP(3)"), DataType::Timestamp(TimeUnit::Millisecond, None));
        assert_eq!(data_type("timestamp_ltz(0)"), DataType::Timestamp(TimeUnit::Second, Some("UTC".into())));
        assert_eq!(data_type("TIMESTAMP(9) WITH LOCAL TIME ZONE"), DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())));
        assert_eq!(data_type("BYTES"), DataType::Binary);
    }

    #[test]
    fn not_null_is_read_wherever_the_spaces_are() {
        assert_eq!(parse(" INT  not   null "), Ok(ColumnType { data_type: DataType::Int32, nullable: false }));
        assert_eq!(parse("INT"), Ok(ColumnType { data_type: DataType::Int32, nullable: true }));
        assert_eq!(parse("TIMESTAMP(3) NOT NULL").map(|column| column.nullable), Ok(false));
    }

    #[test]
    fn what_is_not_a_type_is_refused_with_what_is() {
        for (text, part) in [
            ("TEXT", "unknown type"),
            ("", "unknown type"),
            ("INT(3)", "takes no numbers"),
            ("DECIMAL(39)", "1 <= p <= 38"),
            ("DECIMAL(5, 6)", "1 <= p <= 38"),
            ("TIMESTAMP(10)", "0 to 9"),
            ("TIMESTAMP(-1)", "0 to 9"),
            ("TIMESTAMP(x)", "whole numbers"),
            ("VARCHAR(", "closing parenthesis"),
            ("VARCHAR(0)", "length"),
            ("ROW<a INT>", "not supported"),
            ("ROW(a INT)", "not supported"),
            ("ARRAY<INT>", "not supported"),
            ("INT NOT", "unknown type"),
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn names_read_back_as_the_same_type() {
        for text in ["STRING", "TINYINT", "DECIMAL(12, 2)", "TIMESTAMP(3)", "TIMESTAMP_LTZ(6)", "DATE", "TIME", "BYTES", "DOUBLE"] {
            assert_eq!(name(&data_type(text)), text);
        }
    }
}
