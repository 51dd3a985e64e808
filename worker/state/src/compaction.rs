//! Which runs a checkpoint merges: pure, from their sizes.
//!
//! Runs of one operator and hash partition lie behind each other by age, and a new one comes with each checkpoint. A suffix is
//! merged when its runs together have outgrown the one that it begins with, so sizes about double from run to run, a byte is
//! rewritten once for each doubling, and a reader meets few runs.

use std::ops::Range;

/// A run, as far as the choice goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunSize {
    pub(crate) bytes: u64,
    /// Whether it lies in an object of which most is dead, which it keeps alive.
    pub(crate) is_wasteful: bool,
}

/// Fewest runs that are worth merging.
const RUNS_MIN: usize = 4;
/// Most runs that a reader shall meet.
const RUNS_MAX: usize = 12;

/// The ranges of `runs` (the oldest first, the one about to be written last) to be merged into one each, in order and apart.
/// A range of a single old run means that it is written anew where it is not alone with the dead.
pub(crate) fn merges(runs: &[RunSize]) -> Vec<Range<usize>> {
    let suffix = suffix(runs);
    let wasteful = (0..suffix.start).filter(|index| runs[*index].is_wasteful).map(|index| index..index + 1);
    let suffix_is_work = suffix.len() > 1 || runs.get(suffix.start).is_some_and(|run| run.is_wasteful);
    wasteful.chain(suffix_is_work.then_some(suffix.clone())).collect()
}

fn suffix(runs: &[RunSize]) -> Range<usize> {
    let newer = |from: usize| runs[from + 1..].iter().map(|run| run.bytes).sum::<u64>();
    let has_outgrown = |from: &usize| runs.len() - from >= RUNS_MIN && runs[*from].bytes <= newer(*from);
    let from = (0..runs.len()).find(has_outgrown);
    let forced = (runs.len() > RUNS_MAX).then(|| runs.len() - (runs.len() - RUNS_MAX + RUNS_MIN));
    from.or(forced).unwrap_or(runs.len())..runs.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First and one past the last of each range to merge.
    fn merged(runs: &[RunSize]) -> Vec<(usize, usize)> {
        merges(runs).into_iter().map(|range| (range.start, range.end)).collect()
    }

    fn sizes(bytes: &[u64]) -> Vec<RunSize> {
        bytes.iter().map(|bytes| RunSize { bytes: *bytes, is_wasteful: false }).collect()
    }

    #[test]
    fn few_runs_are_left_alone() {
        assert!(merges(&sizes(&[])).is_empty());
        assert!(merges(&sizes(&[1, 1, 1])).is_empty());
        assert!(merges(&sizes(&[100, 1, 1, 1])).is_empty());
    }

    #[test]
    fn what_has_outgrown_its_elder_is_merged_with_it() {
        assert_eq!(merged(&sizes(&[1, 1, 1, 1])), [(0, 4)]);
        assert_eq!(merged(&sizes(&[100, 1, 1, 1, 1])), [(1, 5)]);
        assert_eq!(merged(&sizes(&[3, 1, 1, 1])), [(0, 4)]);
    }

    #[test]
    fn a_run_among_the_dead_is_written_anew() {
        let mut runs = sizes(&[100, 10, 1]);
        runs[0].is_wasteful = true;
        assert_eq!(merged(&runs), [(0, 1)]);
        let mut runs = sizes(&[100, 1, 1, 1, 1]);
        runs[0].is_wasteful = true;
        assert_eq!(merged(&runs), [(0, 1), (1, 5)]);
    }

    #[test]
    fn a_byte_is_rewritten_a_few_times_and_a_reader_meets_few_runs() {
        let (mut runs, mut written, checkpoints) = (Vec::new(), 0, 1000);
        let mut most_runs = 0;
        for _ in 0..checkpoints {
            runs.push(1);
            written += 1;
            for range in merges(&sizes(&runs)) {
                let merged: u64 = runs[range.clone()].iter().sum();
                // The new run is written by the merge and not before it.
                written += merged - 1;
                runs.splice(range, [merged]);
            }
            most_runs = most_runs.max(runs.len());
        }
        assert_eq!(runs.iter().sum::<u64>(), checkpoints);
        assert!(most_runs <= RUNS_MAX, "{most_runs} runs");
        assert!(written <= 8 * checkpoints, "each byte was written {} times", written / checkpoints);
    }
}
