//! Durations and sizes as Kubernetes writes them, kept as the user wrote them and read into numbers.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, fmt};

/// What a duration looks like. Days do not exist: `720h`.
pub const DURATION_PATTERN: &str = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$";
/// What a size looks like.
pub const QUANTITY_PATTERN: &str = "^[0-9]+(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?$";

/// A length of time as text: `200ms`, `30s`, `1h30m`, `720h`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Duration(String);

/// The text is not a duration, or longer than 292 million years.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("duration {0:?} is not numbers with ms, s, m or h, as in 200ms, 1h30m, 720h")]
pub struct InvalidDuration(pub String);

impl Duration {
    /// Takes the text as it is; [`Duration::millis`] reads it.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// Whole milliseconds, rounded down.
    ///
    /// # Errors
    /// [`InvalidDuration`] where the text is not one. Admission lets none through.
    pub fn millis(&self) -> Result<i64, InvalidDuration> {
        read_duration(&self.0).ok_or_else(|| InvalidDuration(self.0.chars().take(40).collect()))
    }
}

fn read_duration(text: &str) -> Option<i64> {
    let (mut rest, mut nanos) = (text, 0_i128);
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|character: char| character.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, next) = tail.split_at(letters);
        let scale: i128 = match unit {
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        nanos = nanos.checked_add(scaled(number, scale)?)?;
        rest = next;
    }
    if text.is_empty() { None } else { i64::try_from(nanos / 1_000_000).ok() }
}

/// `number` (digits, perhaps a point and more digits) times `scale`, rounded down.
fn scaled(number: &str, scale: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let mut total = whole.parse::<i128>().ok()?.checked_mul(scale)?;
    let mut weight = scale;
    for digit in fraction.bytes() {
        weight /= 10;
        total = total.checked_add(weight.checked_mul(i128::from(digit.checked_sub(b'0').filter(|digit| *digit <= 9)?))?)?;
    }
    if number.contains('.') && fraction.is_empty() { None } else { Some(total) }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl JsonSchema for Duration {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": DURATION_PATTERN, "maxLength": 32})
    }
}

/// A number of bytes as text: `50Gi`, `2Ti`, `1000000`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Quantity(String);

/// The text is not a size, or 16 EiB and more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("size {0:?} is not a number with Ki, Mi, Gi, Ti, Pi, k, M, G, T, P or nothing, as in 50Gi")]
pub struct InvalidQuantity(pub String);

impl Quantity {
    /// Takes the text as it is; [`Quantity::bytes`] reads it.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The number of bytes.
    ///
    /// # Errors
    /// [`InvalidQuantity`] where the text is not a size. Admission lets through only ones that are too large for 64 bits.
    pub fn bytes(&self) -> Result<u64, InvalidQuantity> {
        let invalid = || InvalidQuantity(self.0.chars().take(40).collect());
        let digits = self.0.find(|character: char| !character.is_ascii_digit()).unwrap_or(self.0.len());
        let (number, unit) = self.0.split_at(digits);
        let scale: u64 = match unit {
            "" => 1,
            "k" => 1_000,
            "M" => 1_000_000,
            "G" => 1_000_000_000,
            "T" => 1_000_000_000_000,
            "P" => 1_000_000_000_000_000,
            "Ki" => 1 << 10,
            "Mi" => 1 << 20,
            "Gi" => 1 << 30,
            "Ti" => 1 << 40,
            "Pi" => 1 << 50,
            _ => return Err(invalid()),
        };
        number.parse::<u64>().ok().and_then(|number| number.checked_mul(scale)).ok_or_else(invalid)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl JsonSchema for Quantity {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": QUANTITY_PATTERN, "maxLength": 20})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_kubernetes_writes_them() {
        for (text, millis) in
            [("200ms", 200), ("30s", 30_000), ("1h30m", 5_400_000), ("720h", 2_592_000_000), ("1.5h", 5_400_000), ("0.25s", 250)]
        {
            assert_eq!(Duration::new(text).millis(), Ok(millis), "{text}");
        }
    }

    #[test]
    fn text_that_is_no_duration_is_refused() {
        for text in ["", "7", "7d", "h", "1.h", "1..5h", "-1h", "1h 2m", "99999999999999999999999h", "1μs"] {
            assert!(Duration::new(text).millis().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn sizes_are_read_in_both_kinds_of_units() {
        for (text, bytes) in [("0", 0), ("17", 17), ("2k", 2_000), ("2Ki", 2_048), ("50Gi", 50 << 30), ("1P", 1_000_000_000_000_000)] {
            assert_eq!(Quantity::new(text).bytes(), Ok(bytes), "{text}");
        }
        for text in ["", "Gi", "1.5Gi", "-1", "1Ei", "99999999999999999999", "20000Pi"] {
            assert!(Quantity::new(text).bytes().is_err(), "{text:?} was accepted");
        }
    }
}
