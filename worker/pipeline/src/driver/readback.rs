//! Reading state and exchange partitions back, up to the pod's own claims.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use client::{FetchError, Fetched, Position};
use commit::{CommitMark, CommitNumber, Event, ExchangeIndex, HashPartition, Input, StateHeader, StateKind, Until, Upstream, Verdict};
use control::{Phase, PipelineReason};
use records::{BatchHeader, Records};
use state::{Content, Readback, StateRecord};
use units::{LeaderEpoch, Offset, TimestampMs, TopicPartition};

use super::{Driver, FetchOutcome, jobs, report::Past};
use crate::program::Program;

/// No state record is larger decompressed: they are written below 1 MiB, uncompressed.
const RECORDS_BYTES_MAX: usize = 64 << 20;

/// What is being read back.
#[derive(Default)]
pub(super) struct Reading {
    /// Wanted, with the claims that end them; not asked for yet.
    wanted: BTreeMap<u32, CommitMark>,
    /// Log starts are being asked for.
    asked: BTreeMap<u32, CommitMark>,
    states: BTreeMap<u32, (CommitMark, Readback, Past)>,
    /// Exchange partitions whose claims were not read yet.
    exchanges: BTreeSet<TopicPartition>,
}

impl Reading {
    pub(super) fn is_any(&self) -> bool {
        !self.states.is_empty() || !self.exchanges.is_empty()
    }
}

impl Driver {
    pub(super) fn read_state(&mut self, HashPartition(k): HashPartition, until: Until) {
        let Until::Claim(mark) = until else { unreachable!("only tests of the core read up to anything else") };
        self.status.phase(Phase::Restoring);
        if self.program.state_topic.is_some() {
            self.reading.wanted.insert(k, mark);
            return;
        }
        // Without a state topic there is nothing to read, and the claim is the group's word alone.
        let claim =
            StateHeader { offset: Offset::ZERO, number: mark.number, bytes: 0, kind: StateKind::Claim(mark), positions: Vec::new() };
        self.pod.on_state_start(HashPartition(k), Offset::ZERO);
        self.pod.on_state_record(self.now(), HashPartition(k), &claim);
    }

    /// Asks where the wanted state partitions start.
    pub(super) fn start_reading(&mut self) {
        if self.reading.wanted.is_empty() || !self.reading.asked.is_empty() {
            return;
        }
        self.reading.asked = std::mem::take(&mut self.reading.wanted);
        let places = self.reading.asked.keys().filter_map(|&k| self.program.place(Input::State(HashPartition(k)))).collect();
        self.ask_log_starts(places);
    }

    pub(super) fn log_starts(&mut self, starts: Result<Vec<(TopicPartition, Offset)>, String>) {
        let asked = std::mem::take(&mut self.reading.asked);
        let starts = match starts {
            Ok(starts) => starts,
            Err(error) => return self.fail(PipelineReason::ClusterNotReady, format!("where state begins: {error}")),
        };
        for (at, start) in starts {
            let Some(Input::State(HashPartition(k))) = self.program.input(&at) else { continue };
            let Some(&mark) = asked.get(&k) else { continue };
            let readback = Readback::new(&self.program.layout, state::HashPartition(k), of_state(mark));
            self.reading.states.insert(k, (mark, readback, Past::default()));
            self.pod.on_state_start(HashPartition(k), start);
            self.readback.assign([Position { partition: at, offset: start, leader_epoch: LeaderEpoch(-1) }]);
        }
    }

    /// Reads the claims in the exchanges of these hash partitions.
    pub(super) fn read_exchanges(&mut self, hashes: &[commit::AdoptHash]) {
        for adopted in hashes {
            for (exchange, &offset) in (0_u32..).zip(&adopted.exchanges) {
                let Some(at) = self.program.place(Input::Exchange(ExchangeIndex(exchange), adopted.hash)) else { continue };
                self.reading.exchanges.insert(at.clone());
                self.readback.assign([Position { partition: at, offset, leader_epoch: LeaderEpoch(-1) }]);
            }
        }
    }

    pub(super) fn read_back(&mut self, fetched: FetchOutcome) {
        match fetched {
            Ok(fetched) => match self.program.input(&fetched.partition) {
                Some(Input::State(hash)) => self.state_fetched(hash, &fetched),
                Some(Input::Exchange(exchange, hash)) => self.exchange_fetched(exchange, hash, &fetched),
                _ => {}
            },
            Err(FetchError::OffsetOutOfRange { partition, asked, log_start, log_end }) => match self.program.input(&partition) {
                // Its owner has trimmed it meanwhile: begin again where it begins now.
                Some(Input::State(HashPartition(k))) => {
                    if let Some((mark, ..)) = self.reading.states.remove(&k) {
                        self.reading.wanted.insert(k, mark);
                    }
                }
                Some(input) => self.pod.on(self.now(), Event::OutOfRange { input, asked, log_start, log_end }),
                None => {}
            },
            Err(error) => self.fail(jobs::reason(&error), error.to_string()),
        }
    }

    fn state_fetched(&mut self, hash: HashPartition, fetched: &Fetched) {
        for records in values(fetched) {
            let records = match records {
                Ok(records) => records,
                Err(what) => return self.fail(PipelineReason::DataLoss, what),
            };
            for read in records {
                if !self.state_record(hash, &fetched.partition, read) {
                    return;
                }
            }
        }
    }

    /// Takes in one record of a state partition; false where nothing more is to be read.
    fn state_record(&mut self, hash: HashPartition, at: &TopicPartition, Read { offset, time, value }: Read) -> bool {
        let Some((_, readback, past)) = self.reading.states.get_mut(&hash.0) else { return false };
        let bytes = value.len() as u64;
        let told = StateRecord::decode(value.clone()).map_err(|error| error.to_string());
        let told = told.and_then(|record| Ok((readback.push(offset, value).map_err(|error| error.to_string())?, record)));
        let record = match told {
            Ok((_, record)) => record,
            Err(what) => {
                self.fail(PipelineReason::DataLoss, format!("{what} (in {at} at offset {offset})"));
                return false;
            }
        };
        let header = header(&self.program, offset, bytes, &record);
        past.read(&header.kind, time);
        match self.pod.on_state_record(self.now(), hash, &header) {
            Verdict::Keep | Verdict::Replace | Verdict::Skip => true,
            Verdict::Complete => {
                self.readback.revoke([at]);
                let (_, readback, past) = self.reading.states.remove(&hash.0).expect("looked at above");
                self.load(readback.complete(offset), past);
                false
            }
            Verdict::Stop => {
                self.readback.revoke([at]);
                self.reading.states.remove(&hash.0);
                false
            }
        }
    }

    fn exchange_fetched(&mut self, exchange: ExchangeIndex, hash: HashPartition, fetched: &Fetched) {
        for records in values(fetched) {
            let records = match records {
                Ok(records) => records,
                Err(what) => return self.fail(PipelineReason::DataLoss, what),
            };
            for Read { offset, value, .. } in records {
                let mark = match StateRecord::decode(value) {
                    Ok(StateRecord { content: Content::Claim, commit, .. }) => of_commit(commit),
                    Ok(_) => {
                        let at = &fetched.partition;
                        let message = format!("{at} holds rows of another pod at offset {offset}, and this version does not read them");
                        return self.fail(PipelineReason::Internal, message);
                    }
                    Err(error) => {
                        let message = format!("{} at offset {offset} cannot be read: {error}", fetched.partition);
                        return self.fail(PipelineReason::DataLoss, message);
                    }
                };
                self.pod.on_exchange_claim(self.now(), exchange, hash, mark);
                if self.life == Some(mark.life) {
                    self.readback.revoke([&fetched.partition]);
                    self.reading.exchanges.remove(&fetched.partition);
                    return;
                }
            }
        }
    }
}

/// One record that was read back.
struct Read {
    offset: Offset,
    /// When it was written.
    time: TimestampMs,
    value: Bytes,
}

/// What was fetched, a batch at a time: only one of them is decompressed at once.
fn values(fetched: &Fetched) -> impl Iterator<Item = Result<Vec<Read>, String>> {
    let of_batch = move |(header, bytes): &(BatchHeader, Bytes)| -> Result<Vec<Read>, String> {
        let (at, base) = (&fetched.partition, header.base_offset);
        let records =
            Records::decode(bytes, RECORDS_BYTES_MAX).map_err(|error| format!("{at} at offset {base} cannot be read: {error}"))?;
        let mut read = Vec::new();
        for record in records.iter() {
            let record = record.map_err(|error| format!("{at} after offset {base} cannot be read: {error}"))?;
            if record.offset >= fetched.from {
                let value = Bytes::copy_from_slice(record.value.unwrap_or_default());
                read.push(Read { offset: record.offset, time: record.timestamp, value });
            }
        }
        Ok(read)
    };
    fetched.batches.iter().map(of_batch)
}

fn header(program: &Arc<Program>, offset: Offset, bytes: u64, record: &StateRecord) -> StateHeader {
    let (kind, positions) = match &record.content {
        Content::Claim => (StateKind::Claim(of_commit(record.commit)), &[][..]),
        Content::Delta(delta) => (StateKind::Delta, &delta.positions[..]),
        Content::Whole(delta) => (StateKind::Whole, &delta.positions[..]),
        Content::Manifest(manifest) => {
            let covers = CommitNumber(manifest.covers.number);
            (StateKind::Manifest { covers, floor: manifest.floor }, &manifest.positions[..])
        }
        Content::Closed { by } => (StateKind::Closed { by: by.to_string() }, &[][..]),
    };
    let positions = positions.iter().filter_map(|position| {
        let topic = units::TopicName::new(&position.upstream.name).ok()?;
        let at = TopicPartition { topic, partition: units::PartitionId(position.upstream.partition) };
        Some((Upstream::Source(program.source(&at)?), position.next))
    });
    StateHeader { offset, number: CommitNumber(record.commit.number), bytes, kind, positions: positions.collect() }
}

/// The core's mark in the words of `state`.
pub(super) fn of_state(mark: CommitMark) -> state::CommitMark {
    let life = state::Life { producer_id: mark.life.producer_id, epoch: mark.life.epoch };
    state::CommitMark { life, number: mark.number.0 }
}

fn of_commit(mark: state::CommitMark) -> CommitMark {
    let life = commit::Life { producer_id: mark.life.producer_id, epoch: mark.life.epoch };
    CommitMark { life, number: CommitNumber(mark.number) }
}
