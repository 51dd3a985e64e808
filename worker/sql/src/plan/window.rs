//! Fixed windows of event time.

use std::fmt;

/// TUMBLE or HOP: windows of `size_ms` that begin every `slide_ms`, at `offset_ms` from the epoch (UTC). For TUMBLE the slide is the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// Length in milliseconds, at least 1.
    pub size_ms: i64,
    /// Distance of two starts in milliseconds, 1 to `size_ms`.
    pub slide_ms: i64,
    /// A start, in milliseconds from the epoch; 0 to `slide_ms` - 1.
    pub offset_ms: i64,
}

impl Window {
    /// Whether each moment is in exactly one window.
    #[must_use]
    pub fn is_tumble(&self) -> bool {
        self.size_ms == self.slide_ms
    }

    /// Length of a slice: the greatest that divides both size and slide, so that each window is a whole number of slices.
    #[must_use]
    pub fn slice_ms(&self) -> i64 {
        let (mut a, mut b) = (self.size_ms, self.slide_ms);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    }

    /// Start of the slice that holds this moment (milliseconds from the epoch).
    #[must_use]
    pub fn slice_start(&self, time_ms: i64) -> i64 {
        time_ms.saturating_sub(time_ms.wrapping_sub(self.offset_ms).rem_euclid(self.slice_ms()))
    }

    /// Start of the last window that holds this moment; the others begin `slide_ms` earlier each, as long as their end is after it.
    #[must_use]
    pub fn last_start(&self, time_ms: i64) -> i64 {
        time_ms.saturating_sub(time_ms.wrapping_sub(self.offset_ms).rem_euclid(self.slide_ms))
    }

    /// Starts of all windows that hold this moment, latest first. With a slide that does not divide the size their number varies by one.
    pub fn starts(&self, time_ms: i64) -> impl Iterator<Item = i64> + use<> {
        let Self { size_ms, slide_ms, .. } = *self;
        let last = self.last_start(time_ms);
        (0..).map_while(move |index: i64| {
            let start = last.checked_sub(index.checked_mul(slide_ms)?)?;
            (start.checked_add(size_ms)? > time_ms).then_some(start)
        })
    }
}

/// `TUMBLE(1h)`, `HOP(10s every 2s)`, with ` from 15m` for an offset.
impl fmt::Display for Window {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_tumble() {
            true => write!(formatter, "TUMBLE({}", duration(self.size_ms))?,
            false => write!(formatter, "HOP({} every {}", duration(self.size_ms), duration(self.slide_ms))?,
        }
        if self.offset_ms != 0 {
            write!(formatter, " from {}", duration(self.offset_ms))?;
        }
        formatter.write_str(")")
    }
}

/// Milliseconds in the greatest unit that keeps them whole.
pub(crate) fn duration(ms: i64) -> String {
    for (unit, length) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if ms != 0 && ms % length == 0 {
            return format!("{}{unit}", ms / length);
        }
    }
    format!("{ms}ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOP: Window = Window { size_ms: 10, slide_ms: 4, offset_ms: 1 };

    #[test]
    fn a_moment_is_in_every_window_that_begins_at_most_a_size_before_it() {
        assert_eq!(HOP.starts(9).collect::<Vec<_>>(), [9, 5, 1]);
        assert_eq!(HOP.starts(8).collect::<Vec<_>>(), [5, 1]);
        assert_eq!(HOP.starts(-1).collect::<Vec<_>>(), [-3, -7]);
        for time in -50..50 {
            let expected: Vec<i64> = (-100..100).rev().map(|n| n * 4 + 1).filter(|start| *start <= time && time < start + 10).collect();
            assert_eq!(HOP.starts(time).collect::<Vec<_>>(), expected, "{time}");
        }
    }

    #[test]
    fn slices_divide_windows_before_and_after_the_epoch() {
        assert_eq!(HOP.slice_ms(), 2);
        assert_eq!([HOP.slice_start(0), HOP.slice_start(1), HOP.slice_start(-2)], [-1, 1, -3]);
    }

    #[test]
    fn the_ends_of_time_do_not_overflow() {
        assert!(HOP.starts(i64::MIN).count() <= 3);
        assert!(HOP.starts(i64::MAX).count() <= 3);
    }

    #[test]
    fn windows_print_as_a_person_would_say_them() {
        assert_eq!(Window { size_ms: 3_600_000, slide_ms: 3_600_000, offset_ms: 0 }.to_string(), "TUMBLE(1h)");
        assert_eq!(Window { size_ms: 10_000, slide_ms: 1_500, offset_ms: 60_000 }.to_string(), "HOP(10s every 1500ms from 1m)");
    }
}
