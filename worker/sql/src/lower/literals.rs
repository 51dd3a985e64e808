//! Numbers, texts, dates and intervals as they are written.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion_common::ScalarValue;
use sqlparser::ast::{DateTimeField, Expr, Interval, TypedString, Value, ValueWithSpan};

use super::Lowerer;
use crate::error::{PlanError, Position};
use crate::scalar::{Scalar, cast, fold};
use crate::text::position;
use crate::types;

impl Lowerer<'_> {
    pub(super) fn value(&self, value: &ValueWithSpan) -> Result<Scalar, PlanError> {
        match &value.value {
            Value::Number(text, _) => number(text).map_err(|reason| self.error(value, reason)),
            Value::SingleQuotedString(text) => Ok(Scalar::literal(ScalarValue::from(text.as_str()))),
            Value::Boolean(truth) => Ok(Scalar::literal(ScalarValue::from(*truth))),
            Value::Null => Ok(Scalar::literal(ScalarValue::Null)),
            Value::Placeholder(name) => Err(self.error(value, format!("there is no value for {name}")).hint("write the value itself")),
            _ => Err(self.error(value, "this kind of constant is not supported").hint("write 'text', 123, 1.5, TRUE or NULL")),
        }
    }

    /// `DATE '…'`, `TIME '…'`, `TIMESTAMP '…'`.
    pub(super) fn typed_string(&self, typed: &TypedString) -> Result<Scalar, PlanError> {
        let at = position(&typed.value, self.at);
        let Value::SingleQuotedString(text) = &typed.value.value else {
            return Err(PlanError::new(at, "a text in single quotes belongs here"));
        };
        let data_type = match types::parse(&typed.data_type.to_string()).map(|column| column.data_type) {
            Ok(DataType::Timestamp(_, zone)) => DataType::Timestamp(unit_of(text), zone),
            Ok(data_type @ (DataType::Date32 | DataType::Time32(_))) => data_type,
            _ => {
                return Err(
                    PlanError::new(at, format!("{} '…' is not a constant", typed.data_type)).hint("write DATE, TIME or TIMESTAMP '…'")
                );
            }
        };
        let text = Scalar::literal(ScalarValue::from(text.as_str()));
        let constant = cast(text, &data_type, false).expect("texts are cast to dates and times");
        fold(constant, at)
    }
}

/// Integers are INT, then BIGINT, then DECIMAL; with digits after a point DECIMAL; with an exponent DOUBLE. As in Flink, `5.` is an INT, and
/// all digits count for the precision of a DECIMAL, zeros too.
pub(super) fn number(text: &str) -> Result<Scalar, String> {
    if text.contains(['e', 'E']) {
        let value = text.parse::<f64>().ok().filter(|value| value.is_finite());
        return value.map(|value| Scalar::literal(ScalarValue::from(value))).ok_or_else(|| format!("{text} is not a DOUBLE"));
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.is_empty() {
        if let Ok(value) = whole.parse::<i32>() {
            return Ok(Scalar::literal(ScalarValue::from(value)));
        }
        if let Ok(value) = whole.parse::<i64>() {
            return Ok(Scalar::literal(ScalarValue::from(value)));
        }
    }
    let digits = format!("{whole}{fraction}");
    let count = digits.trim_start_matches('-').len();
    match (digits.parse::<i128>(), u8::try_from(count), i8::try_from(fraction.len())) {
        (Ok(value), Ok(precision @ 1..=38), Ok(scale)) => Ok(Scalar::literal(ScalarValue::Decimal128(Some(value), precision, scale))),
        _ => Err(format!("{} has more than 38 digits", text.chars().take(50).collect::<String>())),
    }
}

/// Milliseconds unless there are more than three digits of a second.
fn unit_of(text: &str) -> TimeUnit {
    let fraction = text.rsplit_once('.').map_or(0, |(_, fraction)| fraction.bytes().take_while(u8::is_ascii_digit).count());
    match fraction {
        0..=3 => TimeUnit::Millisecond,
        4..=6 => TimeUnit::Microsecond,
        _ => TimeUnit::Nanosecond,
    }
}

/// A length of time: `months` for YEAR and MONTH, `milliseconds` for the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) months: i32,
    pub(crate) milliseconds: i64,
}

/// Reads `INTERVAL '10' MINUTE`, `INTERVAL '1 06:30:00' DAY TO SECOND`, `INTERVAL '-2' MONTH`, `INTERVAL 5 SECOND`.
pub(crate) fn interval(interval: &Interval, fallback: Position) -> Result<Span, PlanError> {
    let at = position(interval.value.as_ref(), fallback);
    let wrong = |message: &str| Err(PlanError::new(at, message).hint("write INTERVAL '10' MINUTE or INTERVAL '1 06:30:00' DAY TO SECOND"));
    let text = match interval.value.as_ref() {
        Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text) | Value::Number(text, _), .. }) => text.trim(),
        _ => return wrong("an interval is a constant"),
    };
    let Some(first) = interval.leading_field.as_ref() else { return wrong("the interval has no unit") };
    let (text, sign) = text.strip_prefix('-').map_or((text.strip_prefix('+').unwrap_or(text), 1), |text| (text, -1));
    let span = match &interval.last_field {
        None => simple(text, first),
        Some(last) => compound(text, first, last),
    };
    match span {
        Some(Span { months, milliseconds }) => Ok(Span { months: months * sign, milliseconds: milliseconds * i64::from(sign) }),
        None => wrong(&format!("'{}' is not an interval of this unit", text.chars().take(50).collect::<String>())),
    }
}

fn simple(text: &str, field: &DateTimeField) -> Option<Span> {
    use DateTimeField::{
        Day, Days, Hour, Hours, Millisecond, Milliseconds, Minute, Minutes, Month, Months, Second, Seconds, Week, Weeks, Year, Years,
    };
    let whole = |length: i64| Some(Span { months: 0, milliseconds: unsigned(text)?.checked_mul(length)? });
    let months = |length: i64| Some(Span { months: i32::try_from(unsigned(text)?.checked_mul(length)?).ok()?, milliseconds: 0 });
    match field {
        Year | Years => months(12),
        Month | Months => months(1),
        Week(None) | Weeks => whole(7 * 86_400_000),
        Day | Days => whole(86_400_000),
        Hour | Hours => whole(3_600_000),
        Minute | Minutes => whole(60_000),
        Second | Seconds => Some(Span { months: 0, milliseconds: seconds(text)? }),
        Millisecond | Milliseconds => whole(1),
        _ => None,
    }
}

/// `d h:m:s` from the first field to the last; only the first may be as great as it likes.
fn compound(text: &str, first: &DateTimeField, last: &DateTimeField) -> Option<Span> {
    let rank = |field: &DateTimeField| match field {
        DateTimeField::Day => Some(0),
        DateTimeField::Hour => Some(1),
        DateTimeField::Minute => Some(2),
        DateTimeField::Second => Some(3),
        _ => None,
    };
    let (first, last) = (rank(first)?, rank(last)?);
    let parts: Vec<&str> = text.split([' ', ':']).collect();
    if last <= first || parts.len() != last - first + 1 {
        return None;
    }
    let mut milliseconds = 0_i64;
    for (field, part) in (first..=last).zip(parts) {
        let (amount, below) = match field {
            0 => (unsigned(part)?.checked_mul(86_400_000)?, i64::MAX),
            1 => (unsigned(part)?.checked_mul(3_600_000)?, 24 * 3_600_000),
            2 => (unsigned(part)?.checked_mul(60_000)?, 60 * 60_000),
            _ => (seconds(part)?, 60_000),
        };
        if field > first && amount >= below {
            return None;
        }
        milliseconds = milliseconds.checked_add(amount)?;
    }
    Some(Span { months: 0, milliseconds })
}

fn unsigned(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Seconds with up to three digits after the point, in milliseconds.
fn seconds(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if fraction.is_empty() || fraction.len() > 3 {
        return None;
    }
    unsigned(whole)?.checked_mul(1_000)?.checked_add(unsigned(&format!("{fraction:0<3}"))?)
}
