//! Numbers as people read them: counts, sizes, ages.

use crds::Timestamp;

/// What stands where there is nothing to say.
pub(crate) const NOTHING: &str = "-";

/// `1,234,567`.
pub(crate) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 problem`, `2 problems`, `no problem`.
pub(crate) fn counted(number: usize, noun: &str) -> String {
    match number {
        0 => format!("no {noun}"),
        1 => format!("1 {noun}"),
        _ => format!("{} {noun}s", count(number as u64)),
    }
}

/// Three digits and a binary unit: `1.4 MiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1000.0 {
            return if unit == "B" || value >= 100.0 { format!("{value:.0} {unit}") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

/// `0.2 s`, `12 s`, `3,600 s`.
pub(crate) fn seconds(seconds: f64) -> String {
    if seconds < 10.0 { format!("{:.1} s", seconds.max(0.0)) } else { format!("{} s", count(seconds.round() as u64)) }
}

/// How long ago an RFC 3339 time was, as kubectl writes ages: `now`, `3s`, `5m`, `2h`, `4d`. The text itself where it is no time.
pub(crate) fn age(time: &str, now: Timestamp) -> String {
    let Ok(then) = time.parse::<Timestamp>() else { return time.into() };
    match (now.as_millisecond() - then.as_millisecond()) / 1000 {
        ..1 => "now".into(),
        seconds @ 1..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m", seconds / 60),
        seconds @ 3600..172_800 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_exact_enough() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0, 1, 2000].map(|number| counted(number, "file")), ["no file", "1 file", "2,000 files"]);
        assert_eq!([0, 999, 1000, 1_500_000, 200 << 20, 5 << 40].map(bytes), ["0 B", "999 B", "1.0 KiB", "1.4 MiB", "200 MiB", "5.0 TiB"]);
        assert_eq!([0.0, 0.25, 9.96, 12.4, 3600.0].map(seconds), ["0.0 s", "0.2 s", "10.0 s", "12 s", "3,600 s"]);
    }

    #[test]
    fn an_age_has_one_unit_and_a_clock_that_went_back_is_now() {
        let ages = ["01:00:00.000", "00:59:59.500", "00:59:57", "00:55:00", "00:00:00"];
        let now = "2026-01-01T00:59:59.900Z".parse().unwrap();
        assert_eq!(ages.map(|time| age(&format!("2026-01-01T{time}Z"), now)), ["now", "now", "2s", "4m", "59m"]);
        assert_eq!(age("2025-12-31T22:00:00Z", now), "2h");
        assert_eq!(age("2025-12-01T22:00:00Z", now), "30d");
        assert_eq!(age("soon", now), "soon");
    }
}
