//! The closing table.

use std::time::Duration;

use crate::figures::{Looks, Writes, sum};

/// All that was measured.
#[derive(Debug, Default)]
pub(crate) struct Results {
    pub(crate) topics: usize,
    pub(crate) pipelines: usize,
    pub(crate) declared: Duration,
    pub(crate) converged: Duration,
    pub(crate) converged_writes: Writes,
    pub(crate) converged_cpu: f64,
    pub(crate) settled: Duration,
    pub(crate) settled_writes: Writes,
    pub(crate) settled_cpu: f64,
    pub(crate) rest_writes: u64,
    pub(crate) rest_cpu_share: f64,
    pub(crate) rest_bytes: u64,
    pub(crate) peak_bytes: u64,
    pub(crate) restarted: Duration,
    pub(crate) restart_writes: u64,
    pub(crate) restart_peak_bytes: u64,
    pub(crate) edited: Duration,
    pub(crate) edit_cpu: f64,
    pub(crate) edit_writes: u64,
    pub(crate) looks: Looks,
    /// Status writes a second that the API server takes from a plain client.
    pub(crate) ceiling: f64,
}

impl Results {
    /// Prints it; in brackets what the API server alone would need for as many writes.
    pub(crate) fn print(&self) {
        println!("\nwrites until it rested, by verb and kind:");
        for ((verb, kind), count) in &self.settled_writes {
            println!("  {verb:<8} {kind:<22} {count:>8}");
        }
        println!("\n{} Topics, {} Pipelines", self.topics, self.pipelines);
        let row = |label: &str, value: String| println!("{label:<46}{value:>24}");
        let beside = |time: Duration, writes: u64| format!("{:.1} s ({:.1} s)", time.as_secs_f64(), writes as f64 / self.ceiling.max(1.0));
        let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
        row("the API server's own rate, status writes/s", format!("{:.0}", self.ceiling));
        row("start to every object Current", beside(self.converged, sum(&self.converged_writes)));
        row("  writes, processor seconds", format!("{}, {:.1}", sum(&self.converged_writes), self.converged_cpu));
        row("start to the last write", beside(self.settled, sum(&self.settled_writes)));
        row("  writes, processor seconds", format!("{}, {:.1}", sum(&self.settled_writes), self.settled_cpu));
        row("most memory", mib(self.peak_bytes));
        row(
            "at rest: writes, memory, processor",
            format!("{}, {}, {:.1} %", self.rest_writes, mib(self.rest_bytes), self.rest_cpu_share * 100.0),
        );
        row(
            "restart to all known: time, writes, memory",
            format!("{:.1} s, {}, {}", self.restarted.as_secs_f64(), self.restart_writes, mib(self.restart_peak_bytes)),
        );
        row("an edited policy in force on every Topic", beside(self.edited, self.edit_writes));
        row("  writes, processor seconds", format!("{}, {:.1}", self.edit_writes, self.edit_cpu));
        row("looks, and the mean of one since the restart", format!("{}, {:.0} ms", self.looks.count, self.looks.mean_ms));
    }
}
