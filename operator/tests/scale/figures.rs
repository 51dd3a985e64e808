//! The operator that is measured, from outside: its figures, its memory, its processor time.

use anyhow::Context;
use std::{
    collections::BTreeMap,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
};

/// Ticks of a processor that `/proc` counts in, a second: the same on every Linux that we run on.
const TICKS: f64 = 100.0;

/// An operator that runs.
pub(crate) struct Running {
    child: Child,
    port: u16,
    started: Instant,
}

/// How often it looked at the whole world.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Looks {
    pub(crate) count: f64,
    pub(crate) mean_ms: f64,
}

/// Writes by verb and kind.
pub(crate) type Writes = BTreeMap<(String, String), u64>;

impl Running {
    pub(crate) async fn start(namespace: &str, work: &Path) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["operator", "--namespace", namespace, "--places"])
            .arg(work.join("places.json"))
            .arg("--certificates")
            .arg(work.join("operator"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let started = Instant::now();
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("it has a standard output")?).read_line(&mut line).await?;
        Ok(Self { child, port: line.trim().parse().context("it says its port")?, started })
    }

    /// Since when it runs.
    pub(crate) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Ends it as Kubernetes would not: at once.
    pub(crate) async fn kill(mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }

    async fn text(&self) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        Ok(text)
    }

    /// A figure, summed over its labels; those whose line holds `label` only.
    pub(crate) async fn figure(&self, name: &str, label: &str) -> anyhow::Result<f64> {
        let text = self.text().await?;
        let values = text.lines().filter(|line| line.starts_with(name) && line.contains(label));
        Ok(values.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }

    /// Every write so far, refused ones included.
    pub(crate) async fn writes(&self) -> anyhow::Result<Writes> {
        let mut writes = Writes::new();
        for line in self.text().await?.lines().filter(|line| line.starts_with("streamwright_operator_api_writes_total{")) {
            let label =
                |name: &str| line.split_once(&format!("{name}=\"")).and_then(|(_, rest)| rest.split('"').next()).unwrap_or_default();
            let count: u64 = line.rsplit(' ').next().and_then(|count| count.parse().ok()).context("a counter counts")?;
            *writes.entry((label("verb").to_owned(), label("kind").to_owned())).or_default() += count;
        }
        Ok(writes)
    }

    /// Comes back when nothing was written for `quiet`; all that was written by then.
    pub(crate) async fn rest(&self, quiet: Duration, patience: Duration) -> anyhow::Result<Writes> {
        let (asked, mut since) = (Instant::now(), Instant::now());
        let mut before = self.writes().await?;
        while since.elapsed() < quiet {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let now = self.writes().await?;
            if now != before {
                (before, since) = (now, Instant::now());
            }
            anyhow::ensure!(asked.elapsed() < patience, "it does not come to rest: {before:?}");
        }
        Ok(before)
    }

    pub(crate) async fn looks(&self) -> anyhow::Result<Looks> {
        let count = self.figure("streamwright_operator_reconcile_duration_seconds_count", "").await?;
        let seconds = self.figure("streamwright_operator_reconcile_duration_seconds_sum", "").await?;
        Ok(Looks { count, mean_ms: seconds / count.max(1.0) * 1000.0 })
    }

    /// Most resident memory so far, in bytes.
    pub(crate) fn peak_bytes(&self) -> anyhow::Result<u64> {
        self.memory("VmHWM:")
    }

    /// Resident memory now, in bytes.
    pub(crate) fn resident_bytes(&self) -> anyhow::Result<u64> {
        self.memory("VmRSS:")
    }

    fn memory(&self, field: &str) -> anyhow::Result<u64> {
        let status = self.proc("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix(field)).context("the kernel says how much memory")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
    }

    /// Processor seconds so far, its planning children aside.
    pub(crate) fn processor_seconds(&self) -> anyhow::Result<f64> {
        let stat = self.proc("stat")?;
        let fields: Vec<&str> = stat.rsplit(')').next().context("a name in brackets")?.split_whitespace().collect();
        Ok((fields[11].parse::<f64>()? + fields[12].parse::<f64>()?) / TICKS)
    }

    fn proc(&self, file: &str) -> anyhow::Result<String> {
        let id = self.child.id().context("it runs")?;
        Ok(std::fs::read_to_string(format!("/proc/{id}/{file}"))?)
    }
}

pub(crate) fn sum(writes: &Writes) -> u64 {
    writes.values().sum()
}
