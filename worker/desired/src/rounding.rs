//! Telemetry for status: coarse enough that an object is written when something a person cares about has moved (CRDS.md §8).

use crds::{Time, Timestamp};
use units::TimestampMs;

/// To two significant digits, rounded down.
pub(crate) fn two_digits(value: u64) -> i64 {
    let mut scale = 1;
    while value / scale >= 100 {
        scale *= 10;
    }
    i64::try_from(value / scale * scale).unwrap_or(i64::MAX)
}

/// The largest step that is not above: 0, 1, 2, 5, 10, 30 seconds, 1, 2, 5, 10, 30 minutes, then hours as 1, 2, 5, 10, 20, 50 …
pub(crate) fn lag_seconds(millis: i64) -> i64 {
    const STEPS: [i64; 11] = [0, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800];
    let seconds = millis.max(0) / 1000;
    if seconds < 3600 {
        return STEPS.iter().rev().find(|step| **step <= seconds).copied().unwrap_or(0);
    }
    let mut scale = 3600;
    while seconds / scale >= 10 {
        scale *= 10;
    }
    let digit = [5, 2, 1].into_iter().find(|digit| seconds / scale >= *digit).unwrap_or(1);
    digit * scale
}

/// Seconds as `5s`, `2m`, `20h`.
pub(crate) fn duration_text(seconds: i64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        _ => format!("{}h", seconds / 3600),
    }
}

/// To the minute, rounded down; `None` for a time that no calendar has.
pub(crate) fn to_the_minute(time: TimestampMs) -> Option<Time> {
    Timestamp::from_second(time.0.div_euclid(60_000) * 60).ok().map(Time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_keep_two_digits() {
        for (value, rounded) in [(0, 0), (7, 7), (99, 99), (100, 100), (12_345, 12_000), (48_210_403_328, 48_000_000_000)] {
            assert_eq!(two_digits(value), rounded);
        }
        assert!(two_digits(u64::MAX) > 0);
    }

    #[test]
    fn lag_moves_in_steps() {
        for (millis, text) in [
            (-5, "0s"),
            (999, "0s"),
            (4_999, "2s"),
            (29_000, "10s"),
            (59_000, "30s"),
            (61_000, "1m"),
            (3_599_000, "30m"),
            (3_600_000, "1h"),
            (100_000_000, "20h"),
        ] {
            assert_eq!(duration_text(lag_seconds(millis)), text, "{millis}");
        }
        assert!(lag_seconds(i64::MAX) > 0);
    }

    #[test]
    fn times_lose_their_seconds() {
        assert_eq!(to_the_minute(TimestampMs(61_500)), Some(Time(Timestamp::from_second(60).unwrap())));
        assert_eq!(to_the_minute(TimestampMs(-1)), Some(Time(Timestamp::from_second(-60).unwrap())));
        assert_eq!(to_the_minute(TimestampMs(i64::MAX)), None);
    }
}
