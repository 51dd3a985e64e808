//! Functions of DATE, TIMESTAMP and TIMESTAMP_LTZ; the session time zone is UTC.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, Int64Array, StringArray};
use arrow::compute::cast;
use arrow::compute::kernels::arity::{try_binary, try_unary};
use arrow::datatypes::{DataType, Date32Type, Int64Type, TimeUnit, TimestampMillisecondType};
use arrow::error::ArrowError;

use super::calendar::{NANOS_PER_DAY, civil_date, day_of_week, days_from_civil, iso_week, month_length, nanos};
use super::{Kernel, failed};

/// A field of a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    Year,
    Quarter,
    Month,
    Week,
    Day,
    DayOfWeek,
    DayOfYear,
    Hour,
    Minute,
    Second,
}

/// One piece of a DATE_FORMAT pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Piece {
    Text(String),
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
}

/// Reads the pattern letters `yyyy MM dd HH mm ss SSS`; quoted text and signs stand for themselves.
pub(crate) fn date_format(pattern: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = pattern;
    'pieces: while let Some(first) = rest.chars().next() {
        for (letters, piece) in [
            ("yyyy", Piece::Year),
            ("MM", Piece::Month),
            ("dd", Piece::Day),
            ("HH", Piece::Hour),
            ("mm", Piece::Minute),
            ("ss", Piece::Second),
            ("SSS", Piece::Millisecond),
        ] {
            let begins = rest.strip_prefix(letters).filter(|after| !after.starts_with(&letters[..1]));
            if let Some(after) = begins {
                pieces.push(piece);
                rest = after;
                continue 'pieces;
            }
        }
        if first == '\'' {
            let (quoted, after) = rest[1..].split_once('\'').ok_or("a quote in the pattern is not closed")?;
            pieces.push(Piece::Text(if quoted.is_empty() { "'".to_owned() } else { quoted.to_owned() }));
            rest = after;
        } else if first.is_ascii_alphabetic() || "[]{}#".contains(first) {
            return Err(format!("the pattern has {first:?} where only yyyy, MM, dd, HH, mm, ss and SSS are supported"));
        } else {
            pieces.push(Piece::Text(first.to_string()));
            rest = &rest[first.len_utf8()..];
        }
    }
    Ok(pieces)
}

/// Moments as days and nanoseconds of the day.
struct Moments {
    raw: Int64Array,
    unit_nanos: i128,
}

impl Moments {
    fn new(argument: &ArrayRef) -> Result<Self, ArrowError> {
        let (wide, unit_nanos) = match argument.data_type() {
            DataType::Date32 => (cast(&cast(argument, &DataType::Int32)?, &DataType::Int64)?, NANOS_PER_DAY),
            DataType::Timestamp(unit, _) => (cast(argument, &DataType::Int64)?, nanos(*unit)),
            other => unreachable!("the planner gives times here, not {other}"),
        };
        Ok(Self { raw: wide.as_primitive::<Int64Type>().clone(), unit_nanos })
    }

    fn split(&self, raw: i64) -> (i64, i64) {
        let total = i128::from(raw) * self.unit_nanos;
        let day = i64::try_from(total.div_euclid(NANOS_PER_DAY)).expect("smaller than the raw value");
        let time = i64::try_from(total.rem_euclid(NANOS_PER_DAY)).expect("a day's nanoseconds fit");
        (day, time)
    }

    fn join(&self, day: i128, time: i128) -> Result<i64, ArrowError> {
        let total = day * NANOS_PER_DAY + time;
        i64::try_from(total.div_euclid(self.unit_nanos)).map_err(|_| failed("the time is out of range"))
    }
}

pub(super) fn unary(kernel: &Kernel, argument: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let moments = Moments::new(argument)?;
    let moved = |change: &dyn Fn(i64, i64) -> Result<(i128, i128), ArrowError>| {
        let result: Int64Array = try_unary(&moments.raw, |raw| {
            let (day, time) = moments.split(raw);
            let (day, time) = change(day, time)?;
            moments.join(day, time)
        })?;
        like(&result, argument.data_type())
    };
    match kernel {
        Kernel::Extract(part) => Ok(Arc::new(moments.raw.unary::<_, Int64Type>(|raw| {
            let (day, time) = moments.split(raw);
            extract(*part, day, time)
        }))),
        Kernel::DateFormat(pieces) => Ok(Arc::new(
            moments
                .raw
                .iter()
                .map(|raw| raw.map(|raw| moments.split(raw)).map(|(day, time)| print(pieces, day, time)))
                .collect::<StringArray>(),
        )),
        Kernel::FloorTo(part) => moved(&|day, time| Ok(floor(*part, day, time))),
        Kernel::CeilTo(part) => moved(&|day, time| Ok(ceil(*part, day, time))),
        Kernel::AddInterval { months, milliseconds } => moved(&|day, time| {
            let day = add_months(day, i64::from(*months));
            Ok((i128::from(day), i128::from(time) + i128::from(*milliseconds) * 1_000_000))
        }),
        other => unreachable!("{other:?} is not a function of one time"),
    }
}

/// The raw numbers as the type they came from.
fn like(raw: &Int64Array, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    match data_type {
        DataType::Date32 => {
            let days: Date32Array =
                try_unary::<_, _, Date32Type>(raw, |day| i32::try_from(day).map_err(|_| failed("the date is out of range")))?;
            Ok(Arc::new(days))
        }
        other => cast(raw, other),
    }
}

fn extract(part: Part, day: i64, time: i64) -> i64 {
    let (year, month, day_of_month) = civil_date(day);
    let seconds = time / 1_000_000_000;
    match part {
        Part::Year => year,
        Part::Quarter => (month + 2) / 3,
        Part::Month => month,
        Part::Week => iso_week(day),
        Part::Day => day_of_month,
        Part::DayOfWeek => day_of_week(day),
        Part::DayOfYear => day - days_from_civil(year, 1, 1) + 1,
        Part::Hour => seconds / 3_600,
        Part::Minute => seconds / 60 % 60,
        Part::Second => seconds % 60,
    }
}

fn floor(part: Part, day: i64, time: i64) -> (i128, i128) {
    let (year, month, _) = civil_date(day);
    let whole = |unit: i64| (i128::from(day), i128::from(time - time % (unit * 1_000_000_000)));
    match part {
        Part::Year => (i128::from(days_from_civil(year, 1, 1)), 0),
        Part::Quarter => (i128::from(days_from_civil(year, (month - 1) / 3 * 3 + 1, 1)), 0),
        Part::Month => (i128::from(days_from_civil(year, month, 1)), 0),
        Part::Hour => whole(3_600),
        Part::Minute => whole(60),
        Part::Second => whole(1),
        Part::Day | Part::Week | Part::DayOfWeek | Part::DayOfYear => (i128::from(day), 0),
    }
}

fn ceil(part: Part, day: i64, time: i64) -> (i128, i128) {
    let (begin_day, begin_time) = floor(part, day, time);
    if (begin_day, begin_time) == (i128::from(day), i128::from(time)) {
        return (begin_day, begin_time);
    }
    let begin = i64::try_from(begin_day).expect("a day number");
    let months = |count| (i128::from(add_months(begin, count)), 0);
    match part {
        Part::Year => months(12),
        Part::Quarter => months(3),
        Part::Month => months(1),
        Part::Hour => (begin_day, begin_time + 3_600_000_000_000),
        Part::Minute => (begin_day, begin_time + 60_000_000_000),
        Part::Second => (begin_day, begin_time + 1_000_000_000),
        Part::Day | Part::Week | Part::DayOfWeek | Part::DayOfYear => (begin_day + 1, 0),
    }
}

/// The same day so many months later, or the last of that month.
fn add_months(day: i64, months: i64) -> i64 {
    if months == 0 {
        return day;
    }
    let (year, month, day_of_month) = civil_date(day);
    let total = year * 12 + month - 1 + months;
    let (year, month) = (total.div_euclid(12), total.rem_euclid(12) + 1);
    days_from_civil(year, month, day_of_month.min(month_length(year, month)))
}

fn print(pieces: &[Piece], day: i64, time: i64) -> String {
    let (year, month, day_of_month) = civil_date(day);
    let seconds = time / 1_000_000_000;
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(literal) => text.push_str(literal),
            Piece::Year => text.push_str(&format!("{year:04}")),
            Piece::Month => text.push_str(&format!("{month:02}")),
            Piece::Day => text.push_str(&format!("{day_of_month:02}")),
            Piece::Hour => text.push_str(&format!("{:02}", seconds / 3_600)),
            Piece::Minute => text.push_str(&format!("{:02}", seconds / 60 % 60)),
            Piece::Second => text.push_str(&format!("{:02}", seconds % 60)),
            Piece::Millisecond => text.push_str(&format!("{:03}", time % 1_000_000_000 / 1_000_000)),
        }
    }
    text
}

pub(super) fn difference(from: &ArrayRef, to: &ArrayRef, unit_milliseconds: i64) -> Result<ArrayRef, ArrowError> {
    let (from, to) = (from.as_primitive::<TimestampMillisecondType>(), to.as_primitive::<TimestampMillisecondType>());
    let whole: Int64Array = try_binary(from, to, |from, to| {
        Ok::<_, ArrowError>(to.checked_sub(from).ok_or_else(|| failed("the difference is out of range"))? / unit_milliseconds)
    })?;
    cast(&whole, &DataType::Int32).and_then(|narrow| match narrow.null_count() == whole.null_count() {
        true => Ok(narrow),
        false => Err(failed("the difference is out of range")),
    })
}

pub(super) fn from_epoch(argument: &ArrayRef, unit_milliseconds: i64) -> Result<ArrayRef, ArrowError> {
    let milliseconds: Int64Array = try_unary(argument.as_primitive::<Int64Type>(), |value| {
        value.checked_mul(unit_milliseconds).ok_or_else(|| failed("the time is out of range"))
    })?;
    cast(&milliseconds, &DataType::Timestamp(TimeUnit::Millisecond, Some(crate::types::UTC.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> (i64, i64) {
        let day = days_from_civil(text[..4].parse().expect("year"), text[5..7].parse().expect("month"), text[8..10].parse().expect("day"));
        let number = |range: std::ops::Range<usize>| text[range].parse::<i64>().expect("number");
        (day, (number(11..13) * 3_600 + number(14..16) * 60 + number(17..19)) * 1_000_000_000)
    }

    fn rounded(change: fn(Part, i64, i64) -> (i128, i128), part: Part, text: &str) -> String {
        let (day, time) = moment(text);
        let (day, time) = change(part, day, time);
        let seconds = i64::try_from((day * NANOS_PER_DAY + time) / 1_000_000_000).expect("small");
        super::super::timestamp_text(seconds, TimeUnit::Second)
    }

    #[test]
    fn moments_round_to_calendar_units() {
        for (part, low, high) in [
            (Part::Year, "2013-01-01 00:00:00", "2014-01-01 00:00:00"),
            (Part::Quarter, "2013-10-01 00:00:00", "2014-01-01 00:00:00"),
            (Part::Month, "2013-12-01 00:00:00", "2014-01-01 00:00:00"),
            (Part::Day, "2013-12-31 00:00:00", "2014-01-01 00:00:00"),
            (Part::Hour, "2013-12-31 23:00:00", "2014-01-01 00:00:00"),
            (Part::Minute, "2013-12-31 23:59:00", "2014-01-01 00:00:00"),
            (Part::Second, "2013-12-31 23:59:01", "2013-12-31 23:59:01"),
        ] {
            assert_eq!(rounded(floor, part, "2013-12-31 23:59:01"), low);
            assert_eq!(rounded(ceil, part, "2013-12-31 23:59:01"), high);
        }
        assert_eq!(rounded(ceil, Part::Month, "2013-12-01 00:00:00"), "2013-12-01 00:00:00");
    }

    #[test]
    fn months_end_at_the_last_day() {
        let day = |year, month, day| days_from_civil(year, month, day);
        assert_eq!(add_months(day(2024, 1, 31), 1), day(2024, 2, 29));
        assert_eq!(add_months(day(2024, 3, 31), -13), day(2023, 2, 28));
        assert_eq!(add_months(day(2024, 12, 15), 1), day(2025, 1, 15));
    }

    #[test]
    fn patterns_are_javas_or_refused() {
        let (day, time) = moment("2013-02-03 04:05:06");
        let text = |pattern| date_format(pattern).map(|pieces| print(&pieces, day, time));
        assert_eq!(text("yyyy-MM-dd HH:mm:ss.SSS").as_deref(), Ok("2013-02-03 04:05:06.000"));
        assert_eq!(text("yyyyMMdd'T'HH''mm").as_deref(), Ok("20130203T04'05"));
        for pattern in ["yy", "M", "MMM", "hh", "a", "yyyyy", "'open", "[yyyy]"] {
            assert!(text(pattern).is_err(), "{pattern}");
        }
    }
}
