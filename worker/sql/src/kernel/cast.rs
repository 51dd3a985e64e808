//! Casts that Flink answers in its own way.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type, TimeUnit};
use arrow::error::ArrowError;

use super::calendar::{nanos, timestamp_text};
use super::{decimal, parse};

/// CAST to `output`: a value that has none there is NULL where `safe`, else an error.
pub(super) fn convert(argument: &ArrayRef, output: &DataType, safe: bool) -> Result<ArrayRef, ArrowError> {
    match (argument.data_type(), output) {
        (DataType::Utf8, output) if *output != DataType::Binary => parse::parse(argument, output, safe),
        (DataType::Float32 | DataType::Float64, DataType::Decimal128(..)) => decimal::from_floating(argument, output, safe),
        (DataType::Decimal128(..), DataType::Float32 | DataType::Float64) => decimal::to_floating(argument, output),
        (from, to) if from == to => decimal::checked(Arc::clone(argument)),
        _ => cast_with_options(argument, output, &CastOptions { safe, ..CastOptions::default() }),
    }
}

/// CAST(… AS STRING): `TRUE`, `2013-01-01 10:00:00.000`, `1.0E10`.
pub(super) fn to_text(argument: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let texts: StringArray = match argument.data_type() {
        DataType::Boolean => argument.as_boolean().iter().map(|value| value.map(|value| if value { "TRUE" } else { "FALSE" })).collect(),
        DataType::Float64 => argument
            .as_primitive::<Float64Type>()
            .iter()
            .map(|value| value.map(|value| java_double(&format!("{value:e}"), value)))
            .collect(),
        DataType::Float32 => argument
            .as_primitive::<Float32Type>()
            .iter()
            .map(|value| value.map(|value| java_double(&format!("{value:e}"), f64::from(value))))
            .collect(),
        DataType::Timestamp(unit, _) => {
            let raw = cast(argument, &DataType::Int64)?;
            raw.as_primitive::<Int64Type>().iter().map(|value| value.map(|value| timestamp_text(value, *unit))).collect()
        }
        DataType::Time32(TimeUnit::Millisecond) => {
            let raw = cast(&cast(argument, &DataType::Int32)?, &DataType::Int64)?;
            let time = |value| timestamp_text(value, TimeUnit::Millisecond)[11..].trim_end_matches(".000").to_owned();
            raw.as_primitive::<Int64Type>().iter().map(|value| value.map(time)).collect()
        }
        _ => return cast(argument, &DataType::Utf8),
    };
    Ok(Arc::new(texts))
}

/// The shortest digits in the layout of Java's `Double.toString`.
fn java_double(scientific: &str, value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let (mantissa, exponent) = scientific.trim_start_matches('-').split_once('e').expect("the format has an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent is a number");
    let digits = mantissa.replace('.', "");
    let point = |before: usize| {
        let (whole, fraction) = digits.split_at(before.min(digits.len()));
        let zeros = "0".repeat(before.saturating_sub(digits.len()));
        format!("{whole}{zeros}.{}", if fraction.is_empty() { "0" } else { fraction })
    };
    match exponent {
        0..7 => format!("{sign}{}", point(usize::try_from(exponent).unwrap_or(0) + 1)),
        -3..0 => format!("{sign}0.{}{digits}", "0".repeat(usize::try_from(-exponent - 1).unwrap_or(0))),
        _ if value == 0.0 => format!("{sign}0.0"),
        _ => format!("{sign}{}E{exponent}", point(1)),
    }
}

/// To a timestamp of less precision, towards the past, so that a moment before the epoch does not jump into the future.
pub(super) fn coarsen(argument: &ArrayRef, output: &DataType) -> Result<ArrayRef, ArrowError> {
    let (DataType::Timestamp(from, _), DataType::Timestamp(to, _)) = (argument.data_type(), output) else {
        unreachable!("the planner gives timestamps here");
    };
    let factor = i64::try_from(nanos(*to) / nanos(*from)).expect("at most a second in nanoseconds");
    let raw = cast(argument, &DataType::Int64)?;
    cast(&raw.as_primitive::<Int64Type>().unary::<_, Int64Type>(|value| value.div_euclid(factor)), output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_print_as_in_java() {
        for (value, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (100.0, "100.0"),
            (1_234_567.5, "1234567.5"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (12_345_678.0, "1.2345678E7"),
            (0.001, "0.001"),
            (0.0001, "1.0E-4"),
            (-0.25, "-0.25"),
            (f64::INFINITY, "Infinity"),
        ] {
            assert_eq!(java_double(&format!("{value:e}"), value), text);
        }
    }
}
