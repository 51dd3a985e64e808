//! Taking over: state into the lanes, then positions to the sources.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arrow::array::RecordBatch;
use client::Position;
use commit::{AdoptHash, AdoptSource, HashPartition, SourceIndex};
use control::{Phase, PipelineProblem, PipelineReason};
use flow::{files::FilePosition, watermark::NOTHING_MS};
use state::{ALL_HASHES, Checkpoints, OperatorId, Progress, Restored, RestoredState, SealLimits, StateNames, StateReader};
use units::{LeaderEpoch, Offset};

use super::{COLLECT_GRACE, Driver, jobs::Done, report::Past, sources};
use crate::{
    program::{Program, STANDING},
    status::Standing,
    worker::Message,
};

/// What the pod has adopted, waiting for state to be loaded.
#[derive(Default)]
pub(super) struct Adoption {
    hashes: Vec<AdoptHash>,
    sources: Vec<AdoptSource>,
    loaded: BTreeMap<u32, Loaded>,
}

/// State of one hash partition, read from manifest and deltas.
pub(super) struct Loaded {
    restored: RestoredState,
    /// Rows by exchange.
    rows: Vec<(usize, Vec<RecordBatch>)>,
    notes: BTreeMap<OperatorId, Progress>,
    past: Past,
    /// Bytes of deltas that no manifest covers.
    unfolded: u64,
}

impl Driver {
    /// Reads runs and decodes deltas, beside the driver.
    pub(super) fn load(&self, restored: Restored, past: Past) {
        let (program, store) = (Arc::clone(&self.program), Arc::clone(&self.environment.store));
        let (jobs, epoch) = (self.jobs.clone(), self.epoch);
        tokio::task::spawn_blocking(move || {
            let reader = StateReader::new(store.clone());
            let loaded = load(&program, &*store, &reader, restored, past);
            let _ = jobs.send(Done::Loaded(epoch, Box::new(loaded)));
        });
    }

    pub(super) fn loaded(&mut self, loaded: Result<Loaded, PipelineProblem>) {
        match loaded {
            Ok(loaded) => {
                let k = loaded.restored.readback().hash.0;
                self.loaded_states.insert(k, loaded);
            }
            Err(PipelineProblem { reason, message }) => self.fail(reason, message),
        }
    }

    pub(super) fn adopt(&mut self, hashes: Vec<AdoptHash>, sources: Vec<AdoptSource>) {
        // Another may still wait for its state: nothing that is the pod's may be forgotten.
        let adoption = self.adoption.get_or_insert_default();
        adoption.hashes.extend(hashes);
        adoption.sources.extend(sources);
    }

    /// Once everything that was adopted is loaded: lanes get their state, sources their positions.
    pub(super) fn finish_adoption(&mut self) {
        let Some(mut adoption) = self.adoption.take() else { return };
        adoption.loaded.append(&mut self.loaded_states);
        let in_log = self.program.state_topic.is_some();
        if in_log && adoption.hashes.iter().any(|adopted| !adoption.loaded.contains_key(&adopted.hash.0)) {
            self.adoption = Some(adoption);
            return;
        }
        let Adoption { hashes, sources, mut loaded } = adoption;
        if let Err(what) = self.begin_checkpoints() {
            return self.fail(PipelineReason::Internal, what);
        }
        let mut positions: BTreeMap<(Arc<str>, i32), state::Position> = BTreeMap::new();
        let mut notes: BTreeMap<OperatorId, Progress> = BTreeMap::new();
        let (mut past, mut unfolded) = (Past::default(), BTreeMap::new());
        let lanes = self.program.lanes_of_hashes(self.mailboxes.count());
        for AdoptHash { hash: HashPartition(k), .. } in &hashes {
            let loaded = loaded.remove(k);
            let rows = loaded.map_or_else(Vec::new, |loaded| {
                for position in &loaded.restored.readback().positions {
                    let key = (Arc::clone(&position.upstream.name), position.upstream.partition);
                    let known = positions.entry(key).or_insert_with(|| position.clone());
                    known.watermark = known.watermark.max(position.watermark);
                }
                notes.extend(loaded.notes);
                past = past.and(loaded.past);
                unfolded.insert(*k, loaded.unfolded);
                if let Some(checkpoints) = self.checkpoints.as_mut() {
                    checkpoints.adopt(loaded.restored);
                }
                loaded.rows
            });
            self.mailboxes.send(lanes[*k as usize], Message::Own { k: *k, state: rows }, 0);
        }
        if !hashes.is_empty() {
            let standing = notes.get(&STANDING).and_then(|progress| Standing::decode(&progress.note)).unwrap_or_default();
            self.standing = Some(standing);
            self.report.restored(standing, past, unfolded);
        }
        self.read_exchanges(&hashes);
        self.adopt_sources(&sources, &positions);
        self.adopt_files(&notes, &positions);
        self.write_status();
        self.status.phase(Phase::Running);
    }

    fn begin_checkpoints(&mut self) -> Result<(), String> {
        if self.program.state_topic.is_none() || !self.program.keeps_state {
            return Ok(());
        }
        let life = self.life.ok_or("a pod adopts before it has registered")?;
        let life = state::Life { producer_id: life.producer_id, epoch: life.epoch };
        let desired = &self.program.desired;
        let names = StateNames::new(&desired.pipeline.namespace, &desired.pipeline.name, &self.program.layout)
            .map_err(|error| error.to_string())?;
        let schemas = Arc::clone(&self.program.schemas);
        self.checkpoints.get_or_insert_with(|| Checkpoints::new(names, life, schemas, SealLimits::default(), COLLECT_GRACE));
        Ok(())
    }

    fn adopt_sources(&mut self, adopted: &[AdoptSource], positions: &BTreeMap<(Arc<str>, i32), state::Position>) {
        let mut without = Vec::new();
        for AdoptSource { source, position } in adopted {
            let at = self.program.sources[source.0 as usize].at.clone();
            let watermark_ms = positions.get(&(at.topic.as_str().into(), at.partition.0)).map_or(NOTHING_MS, |position| position.watermark);
            let lane = source.0 as usize % self.mailboxes.count();
            self.mailboxes.send(lane, Message::AdoptSource { source: source.0 as usize, watermark_ms }, 0);
            self.sources.insert(*source, sources::Source::new(lane, watermark_ms));
            match position {
                Some(offset) => self.start_source(*source, *offset, false),
                None => without.push(*source),
            }
        }
        let topic = |source: &SourceIndex| self.program.sources[source.0 as usize].topic;
        let known: BTreeSet<usize> =
            adopted.iter().filter(|adopted| adopted.position.is_some()).map(|adopted| topic(&adopted.source)).collect();
        let (grown, fresh): (Vec<_>, Vec<_>) = without.into_iter().partition(|source| known.contains(&topic(source)));
        for (sources, is_new_in_known_topic) in [(grown, true), (fresh, false)] {
            if !sources.is_empty() {
                self.ask_start_positions(sources, is_new_in_known_topic);
            }
        }
    }

    pub(super) fn start_positions(&mut self, positions: Result<Vec<(SourceIndex, Offset)>, String>) {
        match positions {
            Ok(positions) => positions.into_iter().for_each(|(source, offset)| self.start_source(source, offset, true)),
            Err(error) => self.fail(PipelineReason::ClusterNotReady, format!("where sources start: {error}")),
        }
    }

    /// Reads a source from here; a start that no commit holds yet is committed, so that it is the same next time.
    fn start_source(&mut self, source: SourceIndex, offset: Offset, is_new: bool) {
        if let Some(slot) = self.sources.get_mut(&source) {
            (slot.next, slot.committed, slot.moved, slot.is_started) = (offset, offset, is_new, true);
        }
        self.is_dirty |= is_new;
        let partition = self.program.sources[source.0 as usize].at.clone();
        self.fetcher.assign([Position { partition, offset, leader_epoch: LeaderEpoch(-1) }]);
    }

    fn adopt_files(&mut self, notes: &BTreeMap<OperatorId, Progress>, positions: &BTreeMap<(Arc<str>, i32), state::Position>) {
        for index in 0..self.program.files.len() {
            let file = &self.program.files[index];
            let note = notes.get(&file.operator).and_then(|progress| sources::FileNote::decode(&progress.note)).unwrap_or_default();
            let watermark_ms = positions.get(&(Arc::clone(&file.upstream), 0)).map_or(NOTHING_MS, |position| position.watermark);
            self.files.insert(index, sources::File::new(index % self.mailboxes.count(), note, watermark_ms));
            self.open_file(index, FilePosition { rows: note.rows, bytes: note.bytes });
        }
    }
}

fn load(
    program: &Program,
    store: &dyn store::ObjectStore,
    reader: &StateReader,
    restored: Restored,
    past: Past,
) -> Result<Loaded, PipelineProblem> {
    let (k, unfolded) = (restored.hash, if program.keeps_state { restored.delta_bytes() } else { 0 });
    let failed = |error: state::ReadError| PipelineProblem {
        // A store that is away has lost nothing: it is asked again.
        reason: if error.is_transient() { PipelineReason::ClusterNotReady } else { PipelineReason::DataLoss },
        message: format!("state of hash partition {k}: {}", with_sources(&error)),
    };
    let mut restored = RestoredState::load(store, restored, &program.schemas).map_err(failed)?;
    if let Some(operator) = restored.unknown_operators(&program.schemas).first() {
        let message = format!("state of hash partition {k} is of operator {operator}, which the query does not have");
        return Err(PipelineProblem { reason: PipelineReason::DataLoss, message });
    }
    let notes = restored.progress();
    let mut rows = Vec::new();
    for (exchange, aggregate) in program.aggregates.iter().enumerate() {
        let schema = &program.schemas[&aggregate.operator];
        let batches = restored.rows(reader, schema, &ALL_HASHES).collect::<Result<Vec<_>, _>>().map_err(failed)?;
        rows.push((exchange, batches));
    }
    Ok(Loaded { restored, rows, notes, past, unfolded })
}

/// An error with all that is behind it.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
