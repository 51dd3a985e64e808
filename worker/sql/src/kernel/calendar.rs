//! The proleptic Gregorian calendar in UTC, in whole days and nanoseconds of a day.
//!
//! Days to dates and back: Howard Hinnant, "chrono-compatible low-level date algorithms" (2013).

use std::fmt::Write as _;

use arrow::datatypes::TimeUnit;

pub(super) const NANOS_PER_DAY: i128 = 86_400_000_000_000;

/// Year, month 1–12, day 1–31 of a day counted from 1970-01-01.
pub(crate) fn civil_date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The day, counted from 1970-01-01, of a date whose month is 1–12.
pub(super) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Days of a month.
pub(super) fn month_length(year: i64, month: i64) -> i64 {
    let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    days_from_civil(next_year, next_month, 1) - days_from_civil(year, month, 1)
}

/// Sunday 1 to Saturday 7, as Flink's DAYOFWEEK.
pub(super) fn day_of_week(days: i64) -> i64 {
    (days + 4).rem_euclid(7) + 1
}

/// ISO 8601 week 1–53.
pub(super) fn iso_week(days: i64) -> i64 {
    let thursday = days - (days + 3).rem_euclid(7) + 3;
    let (year, _, _) = civil_date(thursday);
    (thursday - days_from_civil(year, 1, 1)) / 7 + 1
}

/// Nanoseconds in one unit.
pub(super) fn nanos(unit: TimeUnit) -> i128 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

/// `yyyy-MM-dd HH:mm:ss[.fraction]` with as many digits as the unit has.
pub(crate) fn timestamp_text(value: i64, unit: TimeUnit) -> String {
    let total = i128::from(value) * nanos(unit);
    let days = i64::try_from(total.div_euclid(NANOS_PER_DAY)).expect("a day number is smaller than its seconds");
    let (year, month, day) = civil_date(days);
    let time = total.rem_euclid(NANOS_PER_DAY);
    let seconds = time / 1_000_000_000;
    let mut text = format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let digits = usize::from(crate::types::digits(unit));
    if digits > 0 {
        let fraction = time % 1_000_000_000 / nanos(unit);
        write!(text, ".{fraction:0digits$}").expect("text grows");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_agree_over_four_centuries_and_before_the_epoch() {
        let mut expected = (1599, 12, 31);
        let first = days_from_civil(1600, 1, 1);
        for days in first..first + 2 * 146_097 {
            let (year, month, day) = civil_date(days);
            let next = if expected.2 < month_length(expected.0, expected.1) {
                (expected.0, expected.1, expected.2 + 1)
            } else if expected.1 < 12 {
                (expected.0, expected.1 + 1, 1)
            } else {
                (expected.0 + 1, 1, 1)
            };
            assert_eq!((year, month, day), next);
            assert_eq!(days_from_civil(year, month, day), days);
            expected = next;
        }
        assert_eq!(civil_date(0), (1970, 1, 1));
    }

    #[test]
    fn weeks_are_those_of_the_standard() {
        assert_eq!(iso_week(days_from_civil(2013, 1, 1)), 1);
        assert_eq!(iso_week(days_from_civil(2021, 1, 3)), 53);
        assert_eq!(iso_week(days_from_civil(2024, 12, 30)), 1);
        assert_eq!(day_of_week(days_from_civil(2024, 12, 29)), 1);
        assert_eq!(day_of_week(days_from_civil(1969, 12, 27)), 7);
    }

    #[test]
    fn timestamps_print_with_the_digits_of_their_precision() {
        assert_eq!(timestamp_text(0, TimeUnit::Second), "1970-01-01 00:00:00");
        assert_eq!(timestamp_text(-1, TimeUnit::Millisecond), "1969-12-31 23:59:59.999");
        assert_eq!(timestamp_text(1_357_034_400_120, TimeUnit::Millisecond), "2013-01-01 10:00:00.120");
        assert!(timestamp_text(i64::MIN, TimeUnit::Second).starts_with('-'));
        assert!(timestamp_text(i64::MAX, TimeUnit::Second).ends_with(":07"));
    }
}
