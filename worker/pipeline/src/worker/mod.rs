//! One pipeline's part of one lane: decodes, computes, keeps its share of the state, and encodes.

mod rows;
mod stage;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use arrow::{array::RecordBatch, error::ArrowError};
use client::Fetched;
use flow::{
    chain::Chain,
    exchange::scatter,
    files::FileRows,
    watermark::{NOTHING_MS, Progress, Upstream, WatermarkMerger},
    window::FinalAggregate,
};
use state::OperatorDelta;
use tokio::sync::mpsc;
use units::TopicPartition;

use crate::{
    dead_letter::{DeadLetters, Origin},
    lanes::Mailboxes,
    outputs::Outputs,
    program::Program,
};
use rows::{FileInput, TopicInput};

/// What a worker is told. Messages of one sender arrive in order, which is what makes watermarks right: they follow the rows they
/// speak of.
pub(crate) enum Message {
    /// A source partition is read here from now on; its watermark as it was when its position was committed.
    AdoptSource { source: usize, watermark_ms: i64 },
    /// A file is read here from now on; its header line.
    AdoptFile { file: usize, header: Option<Vec<u8>>, watermark_ms: i64 },
    /// Hash partition `k` with its state, by exchange.
    Own { k: u32, state: Vec<(usize, Vec<RecordBatch>)> },
    /// Records of a source partition.
    Rows { source: usize, fetched: Fetched },
    /// Rows of a file.
    FileRows { file: usize, rows: FileRows },
    /// Partial rows for hash partitions of this lane.
    Partial { exchange: usize, rows: RecordBatch },
    /// How far upstreams are.
    Progress(Arc<[(Upstream, Progress)]>),
    /// Time went by: a source partition may have become idle.
    Tick,
    /// Give out everything since the last cut.
    Cut(mpsc::UnboundedSender<LaneCut>),
}

/// What one lane did since the last cut.
#[derive(Debug, Default)]
pub(crate) struct LaneCut {
    /// Changed state by hash partition.
    pub(crate) deltas: Vec<(u32, OperatorDelta)>,
    /// Batches for sinks, those of one partition in order.
    pub(crate) outputs: Vec<(TopicPartition, Vec<u8>)>,
    /// Batches for the dead-letter topic.
    pub(crate) dead_letters: Vec<Vec<u8>>,
    pub(crate) dead_rows: u64,
    pub(crate) late_rows: u64,
    pub(crate) rows_in: BTreeMap<usize, u64>,
    pub(crate) file_rows_in: BTreeMap<usize, u64>,
    pub(crate) rows_out: u64,
    /// Watermark of each source partition that is read here, and whether it is idle.
    pub(crate) sources: Vec<(usize, i64, bool)>,
    pub(crate) files: Vec<(usize, i64)>,
    /// Watermark of each exchange on this lane, where the lane owns hash partitions.
    pub(crate) exchanges: Vec<i64>,
    /// Memory that the state takes.
    pub(crate) state_bytes: u64,
}

/// A worker hit what must not be: the pipeline has to stop.
pub(crate) type Failures = mpsc::UnboundedSender<String>;

/// See the module.
pub(crate) struct Worker {
    program: Arc<Program>,
    lane: usize,
    mailboxes: Mailboxes,
    failures: Failures,
    /// Lane of each hash partition.
    lane_of_hash: Arc<[usize]>,
    started: Instant,
    topics: BTreeMap<usize, TopicInput>,
    files: BTreeMap<usize, FileInput>,
    exchanges: Vec<ExchangeEnd>,
    outputs: Outputs,
    dead: DeadLetters,
    late_rows: u64,
}

/// The second half of an aggregate, and the stage behind it.
struct ExchangeEnd {
    aggregate: FinalAggregate,
    chain: Chain,
    merger: WatermarkMerger,
    /// The greatest watermark that was acted upon.
    reached_ms: i64,
}

impl Worker {
    pub(crate) fn new(program: &Arc<Program>, lane: usize, mailboxes: &Mailboxes, failures: &Failures) -> Result<Self, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let mut exchanges = Vec::with_capacity(program.aggregates.len());
        for aggregate in &program.aggregates {
            let node = &program.plan.nodes[aggregate.node];
            exchanges.push(ExchangeEnd {
                aggregate: FinalAggregate::new(node, program.hash_partitions).map_err(|error| text(&error))?,
                chain: Chain::new(&program.plan, aggregate.stage).map_err(|error| text(&error))?,
                merger: WatermarkMerger::new(aggregate.upstreams.iter().copied()),
                reached_ms: NOTHING_MS,
            });
        }
        Ok(Self {
            program: Arc::clone(program),
            lane,
            mailboxes: mailboxes.clone(),
            failures: failures.clone(),
            lane_of_hash: program.lanes_of_hashes(mailboxes.count()).into(),
            started: Instant::now(),
            topics: BTreeMap::new(),
            files: BTreeMap::new(),
            exchanges,
            outputs: Outputs::new(&program.sinks, &program.plan).map_err(|error| text(&error))?,
            dead: DeadLetters::new(program.desired.pipeline.to_string().into()),
            late_rows: 0,
        })
    }

    pub(crate) fn handle(&mut self, message: Message) {
        let done = match message {
            Message::AdoptSource { source, watermark_ms } => self.adopt_source(source, watermark_ms),
            Message::AdoptFile { file, header, watermark_ms } => self.adopt_file(file, header.as_deref(), watermark_ms),
            Message::Own { k, state } => self.own(k, &state),
            Message::Rows { source, fetched } => self.rows(source, &fetched),
            Message::FileRows { file, rows } => self.file_rows(file, &rows),
            Message::Partial { exchange, rows } => self.partial(exchange, &rows),
            Message::Progress(said) => self.progress(&said),
            Message::Tick => self.tick(),
            Message::Cut(reply) => self.cut().map(|cut| drop(reply.send(cut))),
        };
        if let Err(what) = done {
            self.fail(&what);
        }
    }

    /// Tells the driver that the pipeline cannot go on.
    pub(crate) fn fail(&self, what: &str) {
        tracing::error!(pipeline = %self.program.desired.pipeline, what, "a lane cannot go on");
        let _ = self.failures.send(what.to_owned());
    }

    /// Milliseconds since the worker began.
    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn own(&mut self, k: u32, state: &[(usize, Vec<RecordBatch>)]) -> Result<(), String> {
        self.exchanges.iter_mut().for_each(|end| end.aggregate.own(k));
        for (exchange, batches) in state {
            for batch in batches {
                self.exchanges[*exchange].aggregate.restore(k, batch).map_err(|error| format!("restore hash partition {k}: {error}"))?;
            }
        }
        Ok(())
    }

    fn partial(&mut self, exchange: usize, rows: &RecordBatch) -> Result<(), String> {
        let aggregate = &mut self.exchanges[exchange].aggregate;
        let before = aggregate.changes();
        self.late_rows += aggregate.on_partial(rows).map_err(|error| error.to_string())?;
        // What changed goes into the next commit, each group once.
        let row_bytes = rows.get_array_memory_size() as u64 / rows.num_rows().max(1) as u64;
        self.mailboxes.flight().add_pending((aggregate.changes() - before) * row_bytes);
        Ok(())
    }

    /// Sends partial rows to the lanes of their hash partitions; those of this lane are taken in at once.
    fn exchange(&mut self, exchange: usize, rows: &RecordBatch) -> Result<(), String> {
        for part in scatter(rows, &self.lane_of_hash).map_err(too_large)? {
            if part.owner == self.lane {
                self.partial(exchange, &part.rows)?;
            } else {
                let bytes = part.rows.get_array_memory_size();
                self.mailboxes.send(part.owner, Message::Partial { exchange, rows: part.rows }, bytes);
            }
        }
        Ok(())
    }

    /// Tells every lane how far upstreams are, behind the rows that were sent.
    fn announce(&mut self, said: Vec<(Upstream, Progress)>) -> Result<(), String> {
        if said.is_empty() || self.exchanges.is_empty() {
            return Ok(());
        }
        let said: Arc<[_]> = said.into();
        let others = (0..self.mailboxes.count()).filter(|lane| *lane != self.lane);
        others.for_each(|lane| self.mailboxes.send(lane, Message::Progress(Arc::clone(&said)), 0));
        self.progress(&said)
    }

    fn progress(&mut self, said: &[(Upstream, Progress)]) -> Result<(), String> {
        for exchange in 0..self.exchanges.len() {
            let end = &mut self.exchanges[exchange];
            said.iter().for_each(|&(upstream, progress)| end.merger.update(upstream, progress));
            let watermark_ms = end.merger.watermark_ms();
            if watermark_ms > end.reached_ms {
                end.reached_ms = watermark_ms;
                self.fire(exchange, watermark_ms)?;
            }
        }
        Ok(())
    }

    /// Gives out the windows of an exchange that a watermark completes, and passes the watermark on behind their rows.
    fn fire(&mut self, exchange: usize, watermark_ms: i64) -> Result<(), String> {
        let fired = self.exchanges[exchange].aggregate.on_watermark(watermark_ms).map_err(too_large)?;
        let node = self.program.aggregates[exchange].node;
        for batch in fired.batches {
            self.computed(exchange, batch)?;
        }
        for failed in fired.failed {
            let origin = Origin { name: "", partition: -1, offset: -1, timestamp_ms: wall_clock_ms() };
            let bytes = self.dead.push(origin, None, Some(&failed.row), &failed.reason);
            self.mailboxes.flight().add_pending(bytes as u64);
        }
        self.mailboxes.flight().set_changed();
        let node = u32::try_from(node).unwrap_or(u32::MAX);
        let progress = Progress { watermark_ms, is_idle: false };
        let owned = self.exchanges[exchange].aggregate.owned();
        let said: Vec<_> = owned.map(|partition| (Upstream { node, partition }, progress)).collect();
        let has_readers = self.program.aggregates.iter().any(|other| other.upstreams.iter().any(|upstream| upstream.node == node));
        if has_readers { self.announce(said) } else { Ok(()) }
    }

    fn cut(&mut self) -> Result<LaneCut, String> {
        let mut cut = LaneCut { late_rows: std::mem::take(&mut self.late_rows), ..LaneCut::default() };
        for (index, end) in self.exchanges.iter_mut().enumerate() {
            let operator = self.program.aggregates[index].operator;
            let owned: Vec<u32> = end.aggregate.owned().collect();
            for &k in &owned {
                let Some(rows) = end.aggregate.take_delta(k).map_err(too_large)? else { continue };
                let progress = state::Progress { horizon_ms: end.aggregate.horizon(k).unwrap_or(i64::MIN), ..state::Progress::default() };
                cut.deltas.push((k, OperatorDelta { operator, progress, rows }));
            }
            if !owned.is_empty() {
                cut.exchanges.push(end.reached_ms);
            }
            cut.state_bytes += end.aggregate.size_bytes() as u64;
        }
        (cut.outputs, cut.rows_out) = self.outputs.take();
        (cut.dead_letters, cut.dead_rows) = self.dead.take();
        let now_ms = self.now_ms();
        for (&source, input) in &mut self.topics {
            cut.rows_in.insert(source, std::mem::take(&mut input.rows));
            cut.sources.push((source, input.watermark.watermark_ms(), input.watermark.is_idle(now_ms)));
        }
        for (&file, input) in &mut self.files {
            cut.file_rows_in.insert(file, std::mem::take(&mut input.rows));
            cut.files.push((file, input.watermark.watermark_ms()));
        }
        Ok(cut)
    }
}

fn too_large(error: ArrowError) -> String {
    format!("rows do not fit in one batch: {error}")
}

/// Milliseconds since 1970.
fn wall_clock_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
