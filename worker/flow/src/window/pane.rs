//! Panes: the pieces of event time that rows are summed up in, and the windows made of them.
//!
//! For TUMBLE, and for rows that carry their window, a pane is a window. For HOP it is a slice, the greatest length that divides size and
//! slide, so that a row is counted once however many windows it is in. A pane is named by its end, in milliseconds, exclusive.
//!
//! A window of many panes is not merged from each of them every time it fires: panes are merged in blocks, about the root of their number
//! in each, and a window from whole blocks and the few panes at its ends. Each block is merged once, and later rows go into it as well.

use std::ops::Range;

use sql::{Window, WindowInput};

/// Event times further from the epoch than this (about 285,000 years) are bad rows, so that no sum of times overflows.
pub(crate) const GREATEST_TIME_MS: i64 = 1 << 53;

/// Where panes and windows begin and end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panes {
    window: Window,
    length_ms: i64,
    /// Length of a block of panes.
    block_ms: i64,
}

/// Fewer panes in a window are merged one by one.
const BLOCKS_FROM_PANES: i64 = 4;

/// What a window is merged from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pieces {
    /// Ends of the panes before the first block.
    pub head: Range<i64>,
    /// Numbers of whole blocks.
    pub blocks: Range<i64>,
    /// Ends of the panes behind the last block.
    pub tail: Range<i64>,
}

impl Panes {
    pub fn of(input: &WindowInput) -> Self {
        let window = input.window();
        let length_ms = match input {
            WindowInput::EventTime { .. } => window.slice_ms(),
            WindowInput::Attached { .. } => window.size_ms,
        };
        let panes = window.size_ms / length_ms;
        let of_block = if panes < BLOCKS_FROM_PANES { panes } else { panes.isqrt() };
        Self { window, length_ms, block_ms: of_block * length_ms }
    }

    /// Number of the block that the pane ending at `end` is in.
    pub fn block_of(&self, end: i64) -> i64 {
        (end - self.length_ms).div_euclid(self.block_ms)
    }

    /// Ends of the panes of a block.
    pub fn of_block(&self, block: i64) -> Range<i64> {
        let first = block * self.block_ms + self.length_ms;
        first..first + self.block_ms
    }

    /// What the window ending at `end` is merged from: each of its panes once.
    pub fn pieces(&self, end: i64) -> Pieces {
        let start = end - self.window.size_ms;
        let blocks = -(-start).div_euclid(self.block_ms)..end.div_euclid(self.block_ms);
        if blocks.is_empty() || self.window.size_ms / self.length_ms < BLOCKS_FROM_PANES {
            return Pieces { head: start + 1..end + 1, blocks: 0..0, tail: end + 1..end + 1 };
        }
        Pieces { head: start + 1..self.of_block(blocks.start).start, tail: self.of_block(blocks.end).start.min(end + 1)..end + 1, blocks }
    }

    /// Number of the first block that windows after the one ending at `end` may still need whole.
    pub fn first_block_after(&self, end: i64) -> i64 {
        -(self.window.size_ms - end - self.window.slide_ms).div_euclid(self.block_ms)
    }

    pub fn size_ms(&self) -> i64 {
        self.window.size_ms
    }

    /// Whether every pane is one window.
    pub fn are_windows(&self) -> bool {
        self.length_ms == self.window.size_ms
    }

    /// End of the pane that holds `time_ms`.
    pub fn end_of(&self, time_ms: i64) -> i64 {
        // As `Window::slice_start`, without finding the length again for every row.
        time_ms - (time_ms - self.window.offset_ms).rem_euclid(self.length_ms) + self.length_ms
    }

    /// End of the last window that the pane ending at `end` is in: rows of the pane are late once that window has fired.
    pub fn last_window_end(&self, end: i64) -> i64 {
        if self.are_windows() { end } else { self.window.last_start(end - self.length_ms) + self.window.size_ms }
    }

    /// End of the first window that the pane ending at `end` is in and that ends after `fired`.
    pub fn next_window_end(&self, end: i64, fired: i64) -> i64 {
        if self.are_windows() {
            return end;
        }
        // Window ends lie at multiples of the slide from one another: the least that is at least `least`.
        let least = end.max(fired.saturating_add(1));
        let known = self.last_window_end(end);
        known - (known - least).div_euclid(self.window.slide_ms) * self.window.slide_ms
    }

    /// End of the last window that has fired when the watermark is `watermark_ms`; a window fires when the watermark reaches its end - 1.
    pub fn fired_through(&self, watermark_ms: i64) -> i64 {
        if !(-GREATEST_TIME_MS * 2..=GREATEST_TIME_MS * 2).contains(&watermark_ms) {
            return watermark_ms;
        }
        self.window.last_start(watermark_ms + 1 - self.window.size_ms) + self.window.size_ms
    }

    /// Panes that end before this are in no window that has yet to fire.
    pub fn horizon(&self, watermark_ms: i64) -> i64 {
        self.fired_through(watermark_ms).saturating_sub(self.window.size_ms - self.length_ms).saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(size_ms: i64, slide_ms: i64, offset_ms: i64) -> Panes {
        Panes::of(&WindowInput::EventTime { time: 0, window: Window { size_ms, slide_ms, offset_ms } })
    }

    #[test]
    fn panes_make_up_exactly_the_windows_that_hold_their_rows() {
        for (size, slide, offset) in [(10, 10, 3), (10, 5, 0), (10, 4, 1), (12, 1, 0), (9, 6, 2)] {
            let panes = hop(size, slide, offset);
            for time in -60..60 {
                let end = panes.end_of(time);
                let window = Window { size_ms: size, slide_ms: slide, offset_ms: offset };
                let mut ends: Vec<i64> = window.starts(time).map(|start| start + size).collect();
                ends.reverse();
                assert_eq!(panes.last_window_end(end), *ends.last().unwrap(), "{size} {slide} {offset} {time}");
                let mut walked = vec![];
                let mut fired = i64::MIN;
                while fired < panes.last_window_end(end) {
                    fired = panes.next_window_end(end, fired);
                    walked.push(fired);
                }
                assert_eq!(walked, ends, "{size} {slide} {offset} {time}");
            }
        }
    }

    #[test]
    fn a_window_s_pieces_are_its_panes_each_once() {
        for (size, slide, offset) in [(10, 10, 3), (10, 4, 1), (12, 1, 0), (120, 1, 7), (90, 6, 2), (1440, 5, -11)] {
            let panes = hop(size, slide, offset);
            for end in (-30..30).map(|n| offset + size + n * slide) {
                let Pieces { head, blocks, tail } = panes.pieces(end);
                let of_blocks = blocks.flat_map(|block| panes.of_block(block));
                let is_pane = |at: &i64| (at - offset).rem_euclid(panes.length_ms) == 0;
                let mut found: Vec<i64> = head.chain(of_blocks).chain(tail).filter(is_pane).collect();
                found.sort_unstable();
                let expected: Vec<i64> = (end - size + 1..=end).filter(is_pane).collect();
                assert_eq!(found, expected, "{size} {slide} {offset} {end}");
                assert!(expected.iter().all(|pane| panes.of_block(panes.block_of(*pane)).contains(pane)));
                let next = panes.pieces(end + slide).blocks;
                assert!(next.is_empty() || next.start >= panes.first_block_after(end), "a block still needed was given up");
            }
        }
    }

    #[test]
    fn a_day_that_hops_by_the_minute_is_merged_from_few_pieces() {
        let panes = hop(86_400_000, 60_000, 0);
        for end in (0..2_000).map(|minute| minute * 60_000) {
            let Pieces { head, blocks, tail } = panes.pieces(end);
            let panes_in = |range: Range<i64>| usize::try_from((range.end - range.start).max(0) / 60_000).unwrap() + 1;
            let pieces = blocks.count() + [head, tail].into_iter().map(panes_in).sum::<usize>();
            assert!(pieces <= 3 * 40, "{pieces} pieces instead of 1440");
        }
    }

    #[test]
    fn a_window_has_fired_when_the_watermark_reaches_its_last_millisecond() {
        let panes = hop(10, 5, 0);
        assert_eq!([8, 9, 13, 14, -1].map(|watermark| panes.fired_through(watermark)), [5, 10, 10, 15, 0]);
        assert_eq!(panes.fired_through(i64::MAX), i64::MAX);
        assert_eq!(panes.fired_through(i64::MIN), i64::MIN);
        for watermark in -30..30 {
            for time in -60..60 {
                let end = panes.end_of(time);
                let is_dead = panes.last_window_end(end) - 1 <= watermark;
                assert_eq!(is_dead, panes.last_window_end(end) <= panes.fired_through(watermark));
                assert!(is_dead || end >= panes.horizon(watermark), "a pane still needed was given up");
            }
        }
    }
}
