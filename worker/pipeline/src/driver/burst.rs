//! A cut becomes a burst: records for outputs, dead letters and state, and what the commit names. Encoding takes time, so it is done
//! beside the driver.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use client::Batch;
use commit::{Burst, CommitMark, HashPartition, Input, SourceIndex, TouchedHash};
use records::{BatchBuilder, Compression};
use state::{Content, Delta, ManifestRecord, OperatorDelta, OperatorId, Position, Progress, StateRecord};
use tokio::sync::Mutex;
use units::{Offset, PartitionId, TopicPartition};

use super::readback::of_state;
use crate::{
    program::{Program, STANDING},
    sender::Batches,
    status::{self, Standing},
    worker::LaneCut,
};

/// Bytes of one state record, and after which a batch of them is closed; a topic takes batches of 1 MiB unless told otherwise.
const RECORD_BYTES: u64 = 384 << 10;

/// What the core hands around as a payload.
#[derive(Clone, Debug)]
pub(super) struct Payload {
    /// Everything that is sent.
    pub(super) batches: Batches,
    /// Of the batches in state partitions: index, hash partition, records.
    pub(super) state: Arc<[(usize, HashPartition, u32)]>,
    pub(super) committing: Arc<Committing>,
}

/// What counts once the burst is committed.
#[derive(Debug)]
pub(super) struct Committing {
    /// Changed state by hash partition.
    pub(super) deltas: std::sync::Mutex<BTreeMap<u32, Vec<OperatorDelta>>>,
    pub(super) positions: Vec<Position>,
    pub(super) sources: Vec<(SourceIndex, Offset)>,
    pub(super) delta_bytes: BTreeMap<u32, u64>,
    pub(super) standing: Standing,
    pub(super) rows_out: u64,
}

/// A cut, with what the driver knows at its moment.
pub(super) struct Parts {
    pub(super) mark: CommitMark,
    pub(super) lanes: Vec<LaneCut>,
    pub(super) sources: Vec<(SourceIndex, Offset)>,
    pub(super) positions: Vec<Position>,
    /// Positions of files that moved, by operator, with the hash partition that keeps each.
    pub(super) files: Vec<(HashPartition, OperatorId, Vec<u8>)>,
    pub(super) standing: Standing,
    pub(super) standing_moved: bool,
    pub(super) manifests: Vec<(HashPartition, Option<ManifestRecord>)>,
}

impl Parts {
    /// Whether there is nothing to commit.
    pub(super) fn is_empty(&self) -> bool {
        let lane_is_empty = |lane: &LaneCut| lane.deltas.is_empty() && lane.outputs.is_empty() && lane.dead_letters.is_empty();
        self.lanes.iter().all(lane_is_empty)
            && self.sources.is_empty()
            && self.files.is_empty()
            && !self.standing_moved
            && self.manifests.is_empty()
    }

    /// Encodes everything. Blocks for as long as that takes.
    pub(super) fn assemble(mut self, program: &Program) -> Burst<Payload> {
        let mut batches = Vec::new();
        let mut deltas: BTreeMap<u32, Vec<OperatorDelta>> = BTreeMap::new();
        let mut rows_out = 0;
        for lane in &mut self.lanes {
            rows_out += lane.rows_out;
            batches.extend(lane.outputs.drain(..).map(|(partition, bytes)| Batch { partition, bytes: bytes.into() }));
            let dead = |bytes: Vec<u8>| Batch { partition: dead_letters(program), bytes: bytes.into() };
            batches.extend(lane.dead_letters.drain(..).map(dead));
            lane.deltas.drain(..).for_each(|(k, delta)| deltas.entry(k).or_default().push(delta));
        }
        for (hash, operator, note) in &self.files {
            deltas.entry(hash.0).or_default().push(note_only(program, *operator, note));
        }
        // Where a record says all there is to know, it says this every time.
        if self.standing_moved || !program.keeps_state {
            deltas.entry(0).or_default().push(note_only(program, STANDING, &self.standing.encode()));
        }
        let mut touched: BTreeSet<u32> = deltas.keys().copied().chain(self.manifests.iter().map(|(hash, _)| hash.0)).collect();
        if touched.is_empty() {
            // Positions always have a witness in a state partition.
            touched.insert(0);
        }
        let mut state = Vec::new();
        let mut hashes = Vec::with_capacity(touched.len());
        let mut delta_bytes = BTreeMap::new();
        for k in touched {
            let manifest = self.manifests.iter().find(|(hash, _)| hash.0 == k).and_then(|(_, manifest)| manifest.clone());
            let operators = deltas.get(&k).cloned().unwrap_or_default();
            let bytes = self.state_batches(program, k, operators, manifest.as_ref(), &mut batches, &mut state);
            let whole = program.state_topic.is_some() && !program.keeps_state;
            hashes.push(TouchedHash { hash: HashPartition(k), delta_bytes: bytes, manifest: manifest.is_some(), whole });
            delta_bytes.insert(k, bytes);
        }
        let bytes = batches.iter().map(|batch| batch.bytes.len() as u64).sum();
        let partitions: BTreeSet<&TopicPartition> = batches.iter().map(|batch| &batch.partition).collect();
        let markers = u32::try_from(partitions.len() + 1).unwrap_or(u32::MAX);
        let committing = Committing {
            deltas: std::sync::Mutex::new(deltas),
            positions: self.positions,
            sources: self.sources.clone(),
            delta_bytes,
            standing: self.standing,
            rows_out,
        };
        let payload = Payload { batches: Arc::new(Mutex::new(batches)), state: state.into(), committing: Arc::new(committing) };
        Burst { sources: self.sources, exchanges: Vec::new(), hashes, bytes, markers, payload }
    }

    /// The records of one state partition; gives the bytes of its deltas.
    fn state_batches(
        &self,
        program: &Program,
        k: u32,
        operators: Vec<OperatorDelta>,
        manifest: Option<&ManifestRecord>,
        batches: &mut Vec<Batch>,
        state: &mut Vec<(usize, HashPartition, u32)>,
    ) -> u64 {
        let Some(partition) = program.place(Input::State(HashPartition(k))) else { return 0 };
        let deltas = Delta { positions: self.positions.clone(), operators }.encode(RECORD_BYTES);
        let bytes = if program.keeps_state { deltas.iter().map(state::EncodedDelta::bytes).sum() } else { 0 };
        assert!(program.keeps_state || deltas.len() == 1, "what says all there is to know is one record");
        let content = if program.keeps_state { Content::Delta } else { Content::Whole };
        let contents = deltas.into_iter().map(content).chain(manifest.cloned().map(Content::Manifest));
        let mut records = contents.map(|content| record(program, k, self.mark, content)).peekable();
        while records.peek().is_some() {
            let mut builder = BatchBuilder::new(Compression::None);
            while let Some(next) = records.next_if(|next| builder.is_empty() || (builder.bytes() + next.len()) as u64 <= RECORD_BYTES) {
                builder.push_plain(status::now(), None, Some(&next));
            }
            state.push((batches.len(), HashPartition(k), builder.record_count()));
            batches.push(Batch { partition: partition.clone(), bytes: builder.finish().into() });
        }
        bytes
    }
}

/// One claim for each state partition and each exchange partition of these hash partitions.
pub(super) fn claims(program: &Program, mark: CommitMark, hashes: &[HashPartition]) -> Payload {
    let (mut batches, mut state) = (Vec::new(), Vec::new());
    for &hash in hashes {
        let exchanges = (0_u32..).zip(&program.aggregates).map(|(index, _)| Input::Exchange(commit::ExchangeIndex(index), hash));
        for input in std::iter::once(Input::State(hash)).chain(exchanges) {
            let Some(partition) = program.place(input) else { continue };
            let mut builder = BatchBuilder::new(Compression::None);
            builder.push_plain(status::now(), None, Some(&record(program, hash.0, mark, Content::Claim)));
            if input == Input::State(hash) {
                state.push((batches.len(), hash, 1));
            }
            batches.push(Batch { partition, bytes: builder.finish().into() });
        }
    }
    let committing = Committing {
        deltas: std::sync::Mutex::default(),
        positions: Vec::new(),
        sources: Vec::new(),
        delta_bytes: BTreeMap::new(),
        standing: Standing::default(),
        rows_out: 0,
    };
    Payload { batches: Arc::new(Mutex::new(batches)), state: state.into(), committing: Arc::new(committing) }
}

fn record(program: &Program, k: u32, mark: CommitMark, content: Content) -> Bytes {
    StateRecord { layout: Arc::clone(&program.layout), hash: state::HashPartition(k), commit: of_state(mark), content }.encode()
}

/// A delta of an operator that has no rows.
fn note_only(program: &Program, operator: OperatorId, note: &[u8]) -> OperatorDelta {
    let progress = Progress { note: Bytes::copy_from_slice(note), ..Progress::default() };
    OperatorDelta { operator, progress, rows: program.schemas[&operator].empty() }
}

fn dead_letters(program: &Program) -> TopicPartition {
    TopicPartition { topic: program.desired.dead_letters.clone(), partition: PartitionId(0) }
}
