//! Numbers, dates and times as text: read from bytes without allocating, written straight into the output.

use arrow::datatypes::TimeUnit;

/// 10 to the power of the index: what a decimal's scale multiplies by.
pub(crate) const POWERS_OF_TEN: [i128; 39] = {
    let mut powers = [1_i128; 39];
    let mut index = 1;
    while index < 39 {
        powers[index] = powers[index - 1] * 10;
        index += 1;
    }
    powers
};

/// Powers of ten that an f64 holds exactly.
const EXACT_POWERS: [f64; 23] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22];

/// How many of `unit` make a second.
pub(crate) fn per_second(unit: TimeUnit) -> i64 {
    10_i64.pow(fraction_digits(unit))
}

/// Digits after the second that `unit` tells apart.
pub(crate) fn fraction_digits(unit: TimeUnit) -> u32 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}

/// A number taken apart while it was scanned: `±mantissa * 10^exponent`, exact unless `is_long`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Number {
    pub negative: bool,
    pub mantissa: u64,
    /// Power of ten; digits after the point are already in it.
    pub exponent: i32,
    /// More digits than `mantissa` holds: ask the text.
    pub is_long: bool,
}

impl Number {
    /// Reads `[+-]digits[.digits][(e|E)[+-]digits]`, at least one digit, all of `text`.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut number = Self::default();
        let mut at = 0;
        if let Some(sign @ (b'-' | b'+')) = text.first() {
            number.negative = *sign == b'-';
            at = 1;
        }
        let start = at;
        at = number.digits(text, at, false);
        let mut digits = at - start;
        if text.get(at) == Some(&b'.') {
            let end = number.digits(text, at + 1, true);
            digits += end - at - 1;
            at = end;
        }
        if digits == 0 {
            return None;
        }
        if matches!(text.get(at), Some(b'e' | b'E')) {
            at = number.exponent(text, at + 1)?;
        }
        (at == text.len()).then_some(number)
    }

    /// Takes the digits from `at` on; returns where they end.
    #[inline]
    pub fn digits(&mut self, text: &[u8], at: usize, is_fraction: bool) -> usize {
        let mut mantissa = self.mantissa;
        let mut taken = 0;
        for byte in &text[at..] {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            if mantissa < 1_000_000_000_000_000_000 {
                mantissa = mantissa * 10 + u64::from(digit);
                self.exponent -= i32::from(is_fraction);
            } else {
                self.is_long = true;
            }
            taken += 1;
        }
        self.mantissa = mantissa;
        at + taken
    }

    /// Takes `[+-]digits` of an exponent from `at` on; returns where they end, nothing where there is no digit.
    pub fn exponent(&mut self, text: &[u8], mut at: usize) -> Option<usize> {
        let negative = match text.get(at) {
            Some(b'-') => true,
            Some(b'+') => false,
            _ => {
                at = at.wrapping_sub(1);
                false
            }
        };
        at = at.wrapping_add(1);
        let start = at;
        let mut value = 0_i32;
        while let Some(digit) = text.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
            value = value.saturating_mul(10).saturating_add(i32::from(digit)).min(1_000_000);
            at += 1;
        }
        self.exponent = self.exponent.saturating_add(if negative { -value } else { value });
        (at > start).then_some(at)
    }

    /// As an i64 where the number is whole and fits; `text` is what it was scanned from.
    #[inline]
    pub fn to_i64(self, text: &[u8]) -> Option<i64> {
        if self.exponent == 0 && !self.is_long {
            return if self.negative { 0_i64.checked_sub_unsigned(self.mantissa) } else { i64::try_from(self.mantissa).ok() };
        }
        i64::try_from(exact(text, 0)?).ok()
    }

    /// As the nearest f64; `text` is what it was scanned from. Out of range gives an infinity, which the caller refuses.
    #[inline]
    pub fn to_f64(self, text: &[u8]) -> Option<f64> {
        let power = EXACT_POWERS.get(self.exponent.unsigned_abs() as usize);
        match power {
            #[expect(
                clippy::cast_precision_loss,
                reason = "at most 53 bits, so exact (Clinger, How to read floating point numbers accurately)"
            )]
            Some(power) if !self.is_long && self.mantissa <= 1 << 53 => {
                let mantissa = self.mantissa as f64;
                let value = if self.exponent < 0 { mantissa / power } else { mantissa * power };
                Some(if self.negative { -value } else { value })
            }
            _ => std::str::from_utf8(text).ok()?.parse().ok(),
        }
    }

    /// As an unscaled DECIMAL of `scale`, rounded half up; `text` is what it was scanned from. Nothing past `precision` digits.
    pub fn to_decimal(self, text: &[u8], precision: u8, scale: i8) -> Option<i128> {
        let shift = self.exponent.saturating_add(i32::from(scale));
        let unscaled = if !self.is_long && (0..=20).contains(&shift) {
            let value = i128::from(self.mantissa).checked_mul(POWERS_OF_TEN[shift.unsigned_abs() as usize])?;
            if self.negative { -value } else { value }
        } else {
            rounded(text, i32::from(scale))?
        };
        (unscaled.unsigned_abs() < POWERS_OF_TEN[usize::from(precision)].unsigned_abs()).then_some(unscaled)
    }
}

/// The number in `text` times 10^`scale` where that is whole and below 10^38.
fn exact(text: &[u8], scale: i32) -> Option<i128> {
    let (value, rest) = unscaled(text, scale)?;
    (!rest.is_inexact).then_some(value)
}

/// The number in `text` times 10^`scale`, rounded half up, where that is below 10^38.
fn rounded(text: &[u8], scale: i32) -> Option<i128> {
    let (value, rest) = unscaled(text, scale)?;
    Some(if rest.rounds_up { value + value.signum() + i128::from(value == 0) * rest.sign } else { value })
}

struct Rest {
    is_inexact: bool,
    rounds_up: bool,
    sign: i128,
}

/// The digits of a scanned number, cut at 10^-`scale`.
fn unscaled(text: &[u8], scale: i32) -> Option<(i128, Rest)> {
    let mut number = Number::default();
    let point = text.iter().position(|byte| *byte == b'.');
    let end = text.iter().position(|byte| matches!(byte, b'e' | b'E')).unwrap_or(text.len());
    if end < text.len() {
        number.exponent(text, end + 1)?;
    }
    let whole_digits = text[..point.unwrap_or(end)].iter().filter(|byte| byte.is_ascii_digit()).count();
    // Digits that stand before the cut; what is behind it is rounded away.
    let mut kept = i64::try_from(whole_digits).ok()? + i64::from(number.exponent) + i64::from(scale);
    let mut value = 0_i128;
    let sign = if text.first() == Some(&b'-') { -1 } else { 1 };
    let mut rest = Rest { is_inexact: false, rounds_up: false, sign };
    let mut first_cut = true;
    for digit in text[..end].iter().filter(|byte| byte.is_ascii_digit()).map(|byte| i128::from(byte - b'0')) {
        if kept > 0 {
            value = value.checked_mul(10)?.checked_add(digit)?;
        } else {
            // The first digit behind the cut decides, and only where no zeros lie between.
            rest.rounds_up |= first_cut && kept == 0 && digit >= 5;
            rest.is_inexact |= digit != 0;
            first_cut = false;
        }
        kept -= 1;
    }
    if kept > 0 && value != 0 {
        value = value.checked_mul(*POWERS_OF_TEN.get(usize::try_from(kept).ok()?)?)?;
    }
    (value < POWERS_OF_TEN[38]).then_some((value * sign, rest))
}

/// A number, or `NaN`, `Infinity`, `-Infinity`, all of `text`.
pub(crate) fn float(text: &[u8]) -> Option<f64> {
    match text {
        b"NaN" => Some(f64::NAN),
        b"Infinity" | b"+Infinity" => Some(f64::INFINITY),
        b"-Infinity" => Some(f64::NEG_INFINITY),
        _ => Number::parse(text)?.to_f64(text).filter(|value| value.is_finite()),
    }
}

fn two_digits(text: &[u8]) -> Option<i64> {
    let (tens, ones) = (text[0].wrapping_sub(b'0'), text[1].wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| i64::from(tens) * 10 + i64::from(ones))
}

/// Days from 1970-01-01 of a date of the proleptic Gregorian calendar (Howard Hinnant's days_from_civil).
pub(crate) fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of the day `days` after 1970-01-01 (Howard Hinnant's civil_from_days).
pub(crate) fn civil_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days - era * 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

/// `yyyy-MM-dd`, all of `text`, as days from 1970-01-01.
pub(crate) fn date(text: &[u8]) -> Option<i64> {
    if text.len() != 10 || text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    let year = two_digits(text)? * 100 + two_digits(&text[2..])?;
    let (month, day) = (two_digits(&text[5..])?, two_digits(&text[8..])?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_in_month = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        _ => return None,
    };
    (1..=days_in_month).contains(&day).then(|| days_of(year, month, day))
}

/// `HH:mm:ss[.f…]` at the head of `text`: seconds of the day, fraction in `unit` (further digits are cut), and what follows.
fn clock(text: &[u8], unit: TimeUnit) -> Option<(i64, i64, &[u8])> {
    if text.len() < 8 || text[2] != b':' || text[5] != b':' {
        return None;
    }
    let (hour, minute, second) = (two_digits(text)?, two_digits(&text[3..])?, two_digits(&text[6..])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = hour * 3600 + minute * 60 + second;
    let rest = &text[8..];
    let Some(fraction) = rest.strip_prefix(b".") else { return Some((seconds, 0, rest)) };
    let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=9).contains(&digits) {
        return None;
    }
    let kept = fraction_digits(unit) as usize;
    let value = (0..kept).fold(0, |value, index| value * 10 + if index < digits { i64::from(fraction[index] - b'0') } else { 0 });
    Some((seconds, value, &fraction[digits..]))
}

/// `HH:mm:ss[.f…]`, all of `text`, since midnight in `unit`.
pub(crate) fn time(text: &[u8], unit: TimeUnit) -> Option<i64> {
    let (seconds, fraction, rest) = clock(text, unit)?;
    rest.is_empty().then(|| seconds * per_second(unit) + fraction)
}

/// `yyyy-MM-dd[ T]HH:mm:ss[.f…][zone]`, all of `text`, since 1970-01-01T00:00:00 in `unit`. The zone is `Z` for UTC, or, where the
/// type is an instant (`is_instant`, TIMESTAMP_LTZ), an offset `+hh:mm` or `-hh:mm`; no zone is UTC.
pub(crate) fn timestamp(text: &[u8], unit: TimeUnit, is_instant: bool) -> Option<i64> {
    if text.len() < 19 || !matches!(text[10], b' ' | b'T') {
        return None;
    }
    let days = date(&text[..10])?;
    let (seconds, fraction, zone) = clock(&text[11..], unit)?;
    let offset = match zone {
        b"" | b"Z" => 0,
        [sign @ (b'+' | b'-'), hour_minute @ ..] if is_instant && hour_minute.len() == 5 && hour_minute[2] == b':' => {
            let (hour, minute) = (two_digits(hour_minute)?, two_digits(&hour_minute[3..])?);
            let offset = (hour <= 18 && minute <= 59).then_some(hour * 3600 + minute * 60)?;
            if *sign == b'-' { -offset } else { offset }
        }
        _ => return None,
    };
    (days * 86_400 + seconds - offset).checked_mul(per_second(unit))?.checked_add(fraction)
}

fn push_padded(out: &mut Vec<u8>, value: i64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut rest = value.unsigned_abs();
    let mut start = digits.len();
    while rest > 0 {
        start -= 1;
        digits[start] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[start.min(digits.len() - width)..]);
}

/// Writes a whole number.
pub(crate) fn write_integer(out: &mut Vec<u8>, value: i64) {
    push_padded(out, value, 1);
}

/// Writes `yyyy-MM-dd`.
pub(crate) fn write_date(out: &mut Vec<u8>, days: i64) {
    let (year, month, day) = civil_of(days);
    push_padded(out, year, 4);
    out.push(b'-');
    push_padded(out, month, 2);
    out.push(b'-');
    push_padded(out, day, 2);
}

/// Writes `HH:mm:ss` and as many digits of the second as `unit` has.
pub(crate) fn write_time(out: &mut Vec<u8>, since_midnight: i64, unit: TimeUnit) {
    let (seconds, fraction) = (since_midnight.div_euclid(per_second(unit)), since_midnight.rem_euclid(per_second(unit)));
    for (separator, value) in [(None, seconds / 3600), (Some(b':'), seconds / 60 % 60), (Some(b':'), seconds % 60)] {
        out.extend(separator);
        push_padded(out, value, 2);
    }
    if unit != TimeUnit::Second {
        out.push(b'.');
        push_padded(out, fraction, fraction_digits(unit) as usize);
    }
}

/// Writes `yyyy-MM-dd HH:mm:ss.SSS`, as many digits of the second as `unit` has, and `Z` where the type is an instant.
pub(crate) fn write_timestamp(out: &mut Vec<u8>, value: i64, unit: TimeUnit, is_instant: bool) {
    let day = 86_400 * per_second(unit);
    write_date(out, value.div_euclid(day));
    out.push(b' ');
    write_time(out, value.rem_euclid(day), unit);
    if is_instant {
        out.push(b'Z');
    }
}

/// Writes a decimal with all digits of its scale.
pub(crate) fn write_decimal(out: &mut Vec<u8>, unscaled: i128, scale: i8) {
    use std::io::Write as _;
    if unscaled < 0 {
        out.push(b'-');
    }
    let digits = unscaled.unsigned_abs();
    match u32::try_from(scale) {
        Ok(0) => write!(out, "{digits}").expect("memory takes every write"),
        Ok(scale) => {
            let unit = 10_u128.pow(scale);
            write!(out, "{}.{:0width$}", digits / unit, digits % unit, width = scale as usize).expect("memory takes every write");
        }
        Err(_) => {
            write!(out, "{digits}").expect("memory takes every write");
            if digits != 0 {
                out.resize(out.len() + usize::from(scale.unsigned_abs()), b'0');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integer(text: &[u8]) -> Option<i64> {
        Number::parse(text)?.to_i64(text)
    }

    fn decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
        Number::parse(text.as_bytes())?.to_decimal(text.as_bytes(), precision, scale)
    }

    #[test]
    fn decimals_keep_their_digits_and_round_half_up() {
        for (text, precision, scale, unscaled) in [
            ("12.345", 10, 2, Some(1235)),
            ("-12.345", 10, 2, Some(-1235)),
            ("12.344999", 10, 2, Some(1234)),
            ("0.005", 10, 2, Some(1)),
            ("-0.005", 10, 2, Some(-1)),
            ("0.0005", 10, 2, Some(0)),
            ("1e3", 10, 2, Some(100_000)),
            ("1.5E-2", 10, 2, Some(2)),
            ("99999999.995", 10, 2, None),
            ("99999999.994", 10, 2, Some(9_999_999_999)),
            ("12345678901234567890123456789.12345678", 38, 8, Some(1_234_567_890_123_456_789_012_345_678_912_345_678)),
            ("0.1000000000000000000000000000000000000000000000000000001", 38, 20, Some(10_000_000_000_000_000_000)),
            ("1e400", 38, 0, None),
            ("1e-400", 38, 0, Some(0)),
            ("0e400", 38, 2, Some(0)),
        ] {
            assert_eq!(decimal(text, precision, scale), unscaled, "{text}");
        }
    }

    #[test]
    fn whole_numbers_are_whole_however_they_are_written() {
        assert_eq!(integer(b"9223372036854775807"), Some(i64::MAX));
        assert_eq!(integer(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(integer(b"9223372036854775808"), None);
        assert_eq!(integer(b"1e3"), Some(1000));
        assert_eq!(integer(b"1.50e2"), Some(150));
        assert_eq!(integer(b"1.5"), None);
        assert_eq!(integer(b"1e99"), None);
        for bad in ["", "-", "+", ".", "1x", "e5", "1e", "1e+", "--1", " 1"] {
            assert_eq!(integer(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn floats_are_the_nearest() {
        for text in
            ["0.1", "1e23", "9007199254740993", "123456789012345678901234567890", "5e-324", "1.7976931348623157e308", "-2.5", "1e-5"]
        {
            assert_eq!(float(text.as_bytes()), text.parse().ok(), "{text}");
        }
        assert_eq!(float(b"1e400"), None);
        assert!(float(b"NaN").is_some_and(f64::is_nan));
    }

    #[test]
    fn timestamps_come_back_as_they_were_written() {
        let read = |text: &str, unit| timestamp(text.as_bytes(), unit, true);
        assert_eq!(read("1970-01-01 00:00:00", TimeUnit::Millisecond), Some(0));
        assert_eq!(read("2013-01-01T05:15:00.5Z", TimeUnit::Millisecond), Some(1_357_017_300_500));
        assert_eq!(read("2013-01-01T07:15:00+02:00", TimeUnit::Second), Some(1_357_017_300));
        assert_eq!(timestamp(b"2013-01-01T07:15:00+02:00", TimeUnit::Second, false), None);
        assert_eq!(read("1969-12-31 23:59:59.999999", TimeUnit::Microsecond), Some(-1));
        assert_eq!(read("2024-02-29 00:00:00", TimeUnit::Second), Some(1_709_164_800));
        for bad in [
            "2023-02-29 00:00:00",
            "2024-13-01 00:00:00",
            "2024-01-01",
            "2024-01-01 24:00:00",
            "2024-01-01 00:00:00.",
            "2024-01-01 00:00:00.1234567890",
        ] {
            assert_eq!(read(bad, TimeUnit::Millisecond), None, "{bad}");
        }
        for value in [0, -1, 1_357_017_300_500, -62_135_596_800_000, 253_402_300_799_999] {
            let mut text = Vec::new();
            write_timestamp(&mut text, value, TimeUnit::Millisecond, false);
            assert_eq!(timestamp(&text, TimeUnit::Millisecond, false), Some(value), "{}", String::from_utf8_lossy(&text));
        }
        let mut text = Vec::new();
        write_timestamp(&mut text, 1_357_017_300_500, TimeUnit::Millisecond, true);
        assert_eq!(text, b"2013-01-01 05:15:00.500Z");
    }

    #[test]
    fn decimals_are_written_with_their_scale() {
        let written = |unscaled, scale| {
            let mut text = Vec::new();
            write_decimal(&mut text, unscaled, scale);
            String::from_utf8(text).unwrap()
        };
        assert_eq!(written(-5, 2), "-0.05");
        assert_eq!(written(12345, 2), "123.45");
        assert_eq!(written(7, 0), "7");
        assert_eq!(written(7, -2), "700");
    }
}
