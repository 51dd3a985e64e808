//! What a plain scalar means, by the rules that kubectl uses (YAML 1.1 as Go's yaml reads it).

use serde_json::{Number, Value};

/// The value of an unquoted, untagged scalar.
pub(super) fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "y" | "Y" | "on" | "On" | "ON" => Value::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "n" | "N" | "off" | "Off" | "OFF" => Value::Bool(false),
        _ => number(text).map_or_else(|| Value::String(text.into()), Value::Number),
    }
}

/// The value of a scalar with one of YAML's own tags (`!!str 5`); `None` where tag and text do not fit.
pub(super) fn tagged(suffix: &str, text: &str) -> Option<Value> {
    match suffix {
        "str" => Some(Value::String(text.into())),
        "null" => plain(text).is_null().then_some(Value::Null),
        "bool" => Some(plain(text)).filter(Value::is_boolean),
        "int" => Some(plain(text)).filter(|value| value.is_i64() || value.is_u64()),
        "float" => Some(plain(text)).filter(Value::is_number),
        _ => None,
    }
}

fn number(text: &str) -> Option<Number> {
    let starts_well = text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-' | '.'));
    if !starts_well {
        return None;
    }
    let digits = text.replace('_', "");
    integer(&digits).or_else(|| float(&digits))
}

fn integer(text: &str) -> Option<Number> {
    let (negative, magnitude) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, magnitude) = match magnitude.get(..2) {
        Some("0x") => (16, &magnitude[2..]),
        Some("0o") => (8, &magnitude[2..]),
        Some("0b") => (2, &magnitude[2..]),
        _ if magnitude.len() > 1 && magnitude.starts_with('0') => (8, &magnitude[1..]),
        _ => (10, magnitude),
    };
    if magnitude.is_empty() || !magnitude.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let magnitude = u64::from_str_radix(magnitude, radix).ok()?;
    if negative { i64::try_from(-i128::from(magnitude)).ok().map(Number::from) } else { Some(Number::from(magnitude)) }
}

fn float(text: &str) -> Option<Number> {
    let unsigned = text.trim_start_matches(['+', '-']);
    let shaped = unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        && unsigned.contains(|letter: char| letter.is_ascii_digit())
        && unsigned.chars().all(|letter| letter.is_ascii_digit() || matches!(letter, '.' | 'e' | 'E' | '+' | '-'));
    if !shaped {
        return None;
    }
    text.parse().ok().and_then(Number::from_f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn plain_scalars_mean_what_kubectl_takes_them_for() {
        for (text, value) in [
            ("", json!(null)),
            ("~", json!(null)),
            ("no", json!(false)),
            ("On", json!(true)),
            ("12", json!(12)),
            ("-3", json!(-3)),
            ("+3", json!(3)),
            ("0x1F", json!(31)),
            ("017", json!(15)),
            ("1_000", json!(1000)),
            ("1.5", json!(1.5)),
            ("1e3", json!(1000.0)),
            ("18446744073709551615", json!(u64::MAX)),
            ("1.2.3", json!("1.2.3")),
            ("720h", json!("720h")),
            ("50Gi", json!("50Gi")),
            ("-", json!("-")),
            (".", json!(".")),
            ("09", json!(9.0)),
            ("2013-01-01", json!("2013-01-01")),
            ("nope", json!("nope")),
        ] {
            assert_eq!(plain(text), value, "{text:?}");
        }
    }

    #[test]
    fn tags_turn_scalars_into_what_they_say() {
        assert_eq!(tagged("str", "5"), Some(json!("5")));
        assert_eq!(tagged("int", "5"), Some(json!(5)));
        assert_eq!(tagged("int", "x"), None);
        assert_eq!(tagged("binary", "x"), None);
    }
}
