//! CAST of STRING: which texts are a number, a truth or a time is Flink's to say (`BinaryStringDataUtil`, `DateTimeUtils`), not a library's.
//!
//! One difference: a day that its month does not have is not moved to the month's end.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, PrimitiveArray, StringArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time32MillisecondType, TimeUnit,
};
use arrow::error::ArrowError;

use super::calendar::{NANOS_PER_DAY, days_from_civil, month_length, nanos};
use super::{decimal, failed};
use crate::types;

/// The texts as values of the type; one that is none is NULL where `safe`, else an error.
pub(super) fn parse(argument: &ArrayRef, output: &DataType, safe: bool) -> Result<ArrayRef, ArrowError> {
    let texts = Texts { texts: argument.as_string::<i32>(), output, safe };
    match output {
        DataType::Boolean => {
            let truths = texts.texts.iter().map(|text| texts.one(text, truth)).collect::<Result<BooleanArray, _>>()?;
            Ok(Arc::new(truths))
        }
        DataType::Int8 => texts.read::<Int8Type>(integer),
        DataType::Int16 => texts.read::<Int16Type>(integer),
        DataType::Int32 => texts.read::<Int32Type>(integer),
        DataType::Int64 => texts.read::<Int64Type>(integer),
        DataType::Float32 => texts.read::<Float32Type>(|text| java_number(text)?.parse().ok()),
        DataType::Float64 => texts.read::<Float64Type>(|text| java_number(text)?.parse().ok()),
        DataType::Decimal128(precision, scale) => {
            texts.read::<Decimal128Type>(|text| decimal::parse(text.trim_matches([' ', '\n', '\t']), *precision, *scale))
        }
        DataType::Date32 => texts.read::<Date32Type>(|text| i32::try_from(date(text)?).ok()),
        DataType::Time32(TimeUnit::Millisecond) => texts.read::<Time32MillisecondType>(time),
        DataType::Timestamp(unit, _) => {
            let unit_nanos = nanos(*unit);
            let raw = texts.read::<Int64Type>(|text| i64::try_from(timestamp(text)?.div_euclid(unit_nanos)).ok())?;
            arrow::compute::cast(&raw, output)
        }
        other => unreachable!("the planner reads no text as {other}"),
    }
}

struct Texts<'a> {
    texts: &'a StringArray,
    output: &'a DataType,
    safe: bool,
}

impl Texts<'_> {
    fn read<T: ArrowPrimitiveType>(&self, read: impl Fn(&str) -> Option<T::Native>) -> Result<ArrayRef, ArrowError> {
        let values = self.texts.iter().map(|text| self.one(text, &read)).collect::<Result<PrimitiveArray<T>, _>>()?;
        Ok(Arc::new(values.with_data_type(match self.output {
            DataType::Timestamp(..) => T::DATA_TYPE,
            output => output.clone(),
        })))
    }

    fn one<V>(&self, text: Option<&str>, read: impl Fn(&str) -> Option<V>) -> Result<Option<V>, ArrowError> {
        let Some(text) = text else { return Ok(None) };
        match read(text) {
            None if !self.safe => Err(self.refused(text)),
            value => Ok(value),
        }
    }

    fn refused(&self, text: &str) -> ArrowError {
        let example = match self.output {
            DataType::Date32 => ", which is written 2013-01-31",
            DataType::Time32(_) => ", which is written 10:00:00",
            DataType::Timestamp(..) => ", which is written 2013-01-31 10:00:00.000",
            _ => "",
        };
        let few = text.chars().take(50).collect::<String>();
        let cut = if few.len() < text.len() { "…" } else { "" };
        failed(format!("'{few}{cut}' is no {}{example}", types::name(self.output)))
    }
}

fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "1" => Some(true),
        "f" | "false" | "n" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// Digits behind a point are cut off.
fn integer<N: TryFrom<i128>>(text: &str) -> Option<N> {
    let text = text.trim_matches(' ');
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if digits.is_empty() || !are_digits(whole) || !are_digits(fraction) {
        return None;
    }
    let number: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    N::try_from(sign * number).ok()
}

fn are_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What Java's `Double.valueOf` reads, without hexadecimal numbers, as Rust writes it.
fn java_number(text: &str) -> Option<&str> {
    let text = text.trim_matches(|char| char <= ' ');
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned == "NaN" || unsigned == "Infinity" {
        return Some(text);
    }
    let number = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    number.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)).then_some(number)
}

/// `yyyy-M-d`; what follows a space is not looked at.
fn date(text: &str) -> Option<i64> {
    let text = text.split_once(' ').map_or(text, |(date, _)| date);
    let mut parts = text.split('-').map(|part| number(part, 4));
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let is_date = parts.next().is_none() && (1..=12).contains(&month) && (1..=month_length(year, month)).contains(&day);
    is_date.then(|| days_from_civil(year, month, day))
}

/// `H:m:s`, from the right as much as one likes left out, with a fraction of a second that is rounded to milliseconds.
fn time(text: &str) -> Option<i32> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.split(':');
    let hour = number(parts.next()?, 2)?;
    let minute = parts.next().map_or(Some(0), |part| number(part, 2))?;
    let second = parts.next().map_or(Some(0), |part| number(part, 2))?;
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 || !are_digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let ten_thousandths: i64 = format!("{:0<4}", fraction).get(..4)?.parse().ok()?;
    i32::try_from((hour * 3_600 + minute * 60 + second) * 1_000 + (ten_thousandths + 5) / 10).ok()
}

/// `yyyy-M-d` or `yyyy-M-d H:m:s[.fraction]`, as nanoseconds from 1970.
fn timestamp(text: &str) -> Option<i128> {
    let Some((day, clock)) = text.split_once(' ') else { return Some(i128::from(date(text)?) * NANOS_PER_DAY) };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut parts = clock.split(':').map(|part| number(part, 2));
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 || !are_digits(fraction) || !(1..=9).contains(&fraction.len()) {
        return None;
    }
    let fraction: i128 = format!("{fraction:0<9}").parse().ok()?;
    let seconds = i128::from(hour * 3_600 + minute * 60 + second);
    Some(i128::from(date(day)?) * NANOS_PER_DAY + seconds * 1_000_000_000 + fraction)
}

/// Digits, at most so many.
fn number(text: &str, digits_max: usize) -> Option<i64> {
    (are_digits(text) && text.len() <= digits_max).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_read_as_in_flink() {
        for (text, expected) in [
            ("12", Some(12)),
            (" -12 ", Some(-12)),
            ("+7", Some(7)),
            ("12.99", Some(12)),
            ("-0.9", Some(0)),
            ("127", Some(127)),
            ("128", None),
            ("-128", Some(-128)),
            ("", None),
            ("-", None),
            ("1e2", None),
            ("1.x", None),
            ("0x1", None),
            ("1 2", None),
            ("\u{661}", None),
        ] {
            assert_eq!(integer::<i8>(text), expected, "{text:?}");
        }
        assert_eq!(integer::<i64>("99999999999999999999999999999999999999999999"), None);
        assert_eq!(integer::<i64>("-9223372036854775808"), Some(i64::MIN));
    }

    #[test]
    fn floating_numbers_are_read_as_in_java() {
        let read = |text| java_number(text).and_then(|text| text.parse::<f64>().ok());
        for (text, expected) in
            [("1.5", 1.5), (" 1e3\t", 1000.0), ("-.5", -0.5), ("5.", 5.0), ("1d", 1.0), ("-Infinity", f64::NEG_INFINITY)]
        {
            assert_eq!(read(text), Some(expected), "{text:?}");
        }
        assert!(read("NaN").is_some_and(f64::is_nan));
        for text in ["", "inf", "nan", "infinity", "1,5", "1_000", "0x1p3", "e5", "d"] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    #[test]
    fn times_are_read_as_in_flink() {
        let second = 1_000_000_000;
        assert_eq!(timestamp("1970-01-02 00:00:01.5"), Some(NANOS_PER_DAY + second + second / 2));
        assert_eq!(timestamp("1970-1-2"), Some(NANOS_PER_DAY));
        assert_eq!(timestamp("1969-12-31 23:59:59.999999999"), Some(-1));
        for text in [
            "1970-01-02T00:00:01",
            "1970-01-02 00:00:01Z",
            "1970-01-02 00:00:01+02:00",
            "1970-01-02 24:00:00",
            "1970-02-29 00:00:00",
            "1970-13-01 00:00:00",
            "1970-01-02 00:00",
            "1970-01-02 00:00:01.1234567890",
            "19700102",
            "-1970-01-02",
            "",
        ] {
            assert_eq!(timestamp(text), None, "{text}");
        }
        assert_eq!((date("2024-02-29"), date("2023-02-29"), date("1970-01-02 x")), (Some(19_782), None, Some(1)));
        assert_eq!((time("10:00:00.1235"), time("1:2"), time("24:00:00")), (Some(36_000_124), Some(3_720_000), None));
    }
}
