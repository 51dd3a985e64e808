//! Constants as text: for people, and for ids.

use arrow::datatypes::TimeUnit;
use datafusion_common::ScalarValue;

use crate::kernel::{civil_date, decimal_text, timestamp_text};

/// The constant as SQL; the same in every version.
pub(super) fn text(value: &ScalarValue) -> String {
    if value.is_null() {
        return "NULL".to_owned();
    }
    match value {
        ScalarValue::Boolean(Some(value)) => if *value { "TRUE" } else { "FALSE" }.to_owned(),
        ScalarValue::Int8(Some(value)) => value.to_string(),
        ScalarValue::Int16(Some(value)) => value.to_string(),
        ScalarValue::Int32(Some(value)) => value.to_string(),
        ScalarValue::Int64(Some(value)) => value.to_string(),
        ScalarValue::Float32(Some(value)) => format!("{value:e}"),
        ScalarValue::Float64(Some(value)) => format!("{value:e}"),
        ScalarValue::Decimal128(Some(value), _, scale) => decimal_text(*value, usize::try_from(*scale).unwrap_or(0)),
        ScalarValue::Utf8(Some(value)) => format!("'{}'", value.replace('\'', "''")),
        ScalarValue::Binary(Some(value)) => value.iter().fold("x'".to_owned(), |text, byte| format!("{text}{byte:02x}")) + "'",
        ScalarValue::Date32(Some(days)) => {
            let (year, month, day) = civil_date(i64::from(*days));
            format!("DATE '{year:04}-{month:02}-{day:02}'")
        }
        ScalarValue::Time32Millisecond(Some(value)) => {
            format!("TIME '{}'", &timestamp_text(i64::from(*value), TimeUnit::Millisecond)[11..])
        }
        ScalarValue::TimestampSecond(Some(value), _) => timestamp(*value, TimeUnit::Second),
        ScalarValue::TimestampMillisecond(Some(value), _) => timestamp(*value, TimeUnit::Millisecond),
        ScalarValue::TimestampMicrosecond(Some(value), _) => timestamp(*value, TimeUnit::Microsecond),
        ScalarValue::TimestampNanosecond(Some(value), _) => timestamp(*value, TimeUnit::Nanosecond),
        other => unreachable!("no table has a column of {}", other.data_type()),
    }
}

fn timestamp(value: i64, unit: TimeUnit) -> String {
    format!("TIMESTAMP '{}'", timestamp_text(value, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_print_as_they_are_written() {
        assert_eq!(text(&ScalarValue::Decimal128(Some(-5), 3, 2)), "-0.05");
        assert_eq!(text(&ScalarValue::Decimal128(Some(1250), 4, 0)), "1250");
        assert_eq!(text(&ScalarValue::from("it's")), "'it''s'");
        assert_eq!(text(&ScalarValue::Date32(Some(15_706))), "DATE '2013-01-01'");
        assert_eq!(text(&ScalarValue::Int32(None)), "NULL");
    }
}
