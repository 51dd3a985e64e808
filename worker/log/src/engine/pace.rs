//! How fast data leaves for the store: beside producers smoothly, and the less it waits the more there is to lose.
//!
//! What leaves is read, copied, and written again, often on the very volume or processors that producers wait for. So each piece is given
//! as long as its share of what comes in takes, and a little less, so that a backlog shrinks. As the WAL goes from its target towards its
//! bound the pieces come faster; half way, and wherever appends wait for room, they do not wait at all.

use std::time::Duration;

/// Data leaves at this many bytes a second at least, if the store takes it: what is asked for comes to its end when nothing comes in.
const FLOOR_BYTES_PER_SECOND: f64 = 16.0 * 1024.0 * 1024.0;
/// Data leaves so much faster than it comes in.
const LEAD: f64 = 1.25;
/// And so many times faster for each unit of urgency.
const URGENCY: f64 = 6.0;
/// From here on nothing is waited for.
const URGENCY_MAX: f64 = 0.5;
/// How long what came in is averaged over, about.
const MEMORY: Duration = Duration::from_secs(4);
/// No pause is longer: what is known of the load may have become wrong.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// When the next piece may leave.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    seen_at: Duration,
    seen_bytes: u64,
    bytes_per_second: f64,
    free_at: Duration,
}

/// How urgent it is that data leaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Need {
    /// Appends wait for it, or somebody does.
    AtOnce,
    /// So far has the WAL gone from its target (0) to its bound (1); and so many bytes shall be gone within the time.
    Share { urgency: f64, backlog: Option<(u64, Duration)> },
}

impl Pace {
    /// Takes note of all bytes that were ever appended.
    pub(crate) fn see(&mut self, appended_bytes: u64, now: Duration) {
        let passed = now.saturating_sub(self.seen_at);
        if passed < MEMORY / 16 {
            return;
        }
        let rate = appended_bytes.saturating_sub(self.seen_bytes) as f64 / passed.as_secs_f64();
        let weight = 1.0 - (-passed.as_secs_f64() / MEMORY.as_secs_f64()).exp();
        self.bytes_per_second += (rate - self.bytes_per_second) * weight;
        (self.seen_at, self.seen_bytes) = (now, appended_bytes);
    }

    /// A piece of `bytes` has begun to leave.
    pub(crate) fn begin(&mut self, bytes: u64, need: Need, now: Duration) {
        self.free_at = now + self.pause(bytes, need);
    }

    /// Whether, and else when, the next piece may leave.
    pub(crate) fn may_begin(&self, need: Need, now: Duration) -> Result<(), Duration> {
        if need.is_at_once() || now >= self.free_at { Ok(()) } else { Err(self.free_at) }
    }

    /// From the beginning of a piece of `bytes` to that of the next.
    fn pause(&self, bytes: u64, need: Need) -> Duration {
        let Need::Share { urgency, backlog } = need else { return Duration::ZERO };
        if need.is_at_once() {
            return Duration::ZERO;
        }
        let owed = backlog.map_or(0.0, |(bytes, within)| bytes as f64 / within.as_secs_f64().max(1.0));
        let rate = (self.bytes_per_second * (LEAD + URGENCY * urgency)).max(owed).max(FLOOR_BYTES_PER_SECOND);
        Duration::from_secs_f64(bytes as f64 / rate).min(PAUSE_MAX)
    }
}

impl Need {
    fn is_at_once(self) -> bool {
        match self {
            Self::AtOnce => true,
            Self::Share { urgency, .. } => urgency >= URGENCY_MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const PIECE: u64 = 16 * MIB;
    const TARGET: u64 = 1024 * MIB;
    const BOUND: u64 = 2048 * MIB;

    fn need(wal_bytes: u64) -> Need {
        Need::Share { urgency: wal_bytes.saturating_sub(TARGET) as f64 / (BOUND - TARGET) as f64, backlog: None }
    }

    /// Producers append `rates[n]` MiB a second in second n, and pieces leave as the pace says, each taking the store as long as `store`
    /// MiB a second take. Gives the most that lay in the WAL, and the busiest second of the store, in pieces.
    fn run(rates: &[u64], store: u64) -> (u64, usize) {
        let step = Duration::from_millis(10);
        let (mut pace, mut wal, mut appended, mut is_asked) = (Pace::default(), TARGET, 0, false);
        let (mut busy_until, mut most, mut begun) = (Duration::ZERO, 0, Vec::new());
        for tick in 0..u32::try_from(rates.len() * 100).unwrap() {
            let now = step * tick;
            let bytes = rates[tick as usize / 100] * MIB / 100;
            (appended, wal) = (appended + bytes, wal + bytes);
            pace.see(appended, now);
            // Once it is asked for, all leaves.
            is_asked = wal >= TARGET || (is_asked && wal >= PIECE);
            if now >= busy_until && is_asked && pace.may_begin(need(wal), now).is_ok() {
                pace.begin(PIECE, need(wal), now);
                begun.push(now);
                busy_until = now + Duration::from_secs_f64(PIECE as f64 / (store * MIB) as f64);
                wal -= PIECE;
            }
            most = most.max(wal);
        }
        let in_second = |from: &Duration| begun.iter().filter(|at| *at >= from && **at < *from + Duration::from_secs(1)).count();
        (most, begun.iter().map(in_second).max().unwrap_or(0))
    }

    #[test]
    fn a_steady_load_leaves_steadily() {
        let (most, busiest) = run(&[64; 60], 400);
        assert!(most < TARGET + 200 * MIB, "{} MiB above the target", (most - TARGET) / MIB);
        assert!(busiest <= 12, "{busiest} pieces in a second, where 4 come in: the store could take 25");
    }

    #[test]
    fn a_burst_is_spread_and_the_bound_is_not_reached() {
        let rates: Vec<_> = [16; 10].into_iter().chain([300; 5]).chain([0; 60]).collect();
        let (most, _) = run(&rates, 400);
        assert!(most < BOUND - PIECE, "{} MiB", most / MIB);
        let (_, calm) = run(&[16; 40], 400);
        assert!(calm <= 3, "{calm} pieces in a second, where one comes in");
    }

    #[test]
    fn near_the_bound_nothing_is_waited_for() {
        let mut pace = Pace::default();
        pace.begin(PIECE, need(TARGET), Duration::ZERO);
        assert_eq!(pace.may_begin(need(TARGET), Duration::ZERO), Err(Duration::from_secs(1)));
        assert_eq!(pace.may_begin(need((TARGET + BOUND) / 2), Duration::ZERO), Ok(()));
        assert_eq!(pace.may_begin(Need::AtOnce, Duration::ZERO), Ok(()));
        assert_eq!(pace.may_begin(need(TARGET), Duration::from_secs(1)), Ok(()));
    }

    #[test]
    fn what_is_at_risk_shall_be_gone_within_its_time() {
        let mut pace = Pace::default();
        let need = Need::Share { urgency: 0.0, backlog: Some((640 * MIB, Duration::from_secs(10))) };
        pace.begin(PIECE, need, Duration::ZERO);
        assert_eq!(pace.may_begin(need, Duration::ZERO), Err(Duration::from_millis(250)));
    }
}
