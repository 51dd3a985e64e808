//! Taking partitions over: stable offsets, claims, state read back, two witnesses, and only then run.

use std::collections::BTreeMap;

use units::Offset;

use super::{Ask, Pod};
use crate::{
    AdoptHash, AdoptSource, CommitMark, CommitNumber, Committed, ExchangeIndex, Failure, HashPartition, Input, Intention, Route,
    SourceIndex, StateHeader, StateKind, StopReason, Time, Upstream, Verdict,
    rules::{
        claim,
        witness::{self, StateWitness},
    },
};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum SourceStage {
    #[default]
    Wanted,
    Fetched,
    Running,
}

/// A source partition the pod owns or is taking over.
#[derive(Debug, Default)]
pub(super) struct Source {
    stage: SourceStage,
    /// No longer assigned: to be released after a commit.
    pub(super) leaving: bool,
}

impl Source {
    pub(super) fn is_running(&self) -> bool {
        self.stage == SourceStage::Running
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum HashStage {
    #[default]
    Wanted,
    Fetched,
    Reading,
    Read,
    Ready,
}

/// A hash partition the pod owns or is taking over.
#[derive(Debug, Default)]
pub(super) struct Hash {
    stage: HashStage,
    pub(super) leaving: bool,
    /// The claim in the exchanges has to be made again, though the state is the pod's.
    reclaim: bool,
    mark: Option<CommitMark>,
    claim: Option<Offset>,
    witness: StateWitness,
    /// The last claim read in each exchange; perhaps before the answer came that it was committed.
    exchange_claims: BTreeMap<ExchangeIndex, CommitMark>,
    /// Restoring needs no state record below.
    pub(super) floor: Offset,
    /// Offset after the last committed state record.
    pub(super) end: Offset,
    /// Last commit that wrote more than a claim, as far as known.
    pub(super) last: CommitNumber,
    /// Bytes of deltas that no manifest covers.
    pub(super) delta_bytes: u64,
}

impl Hash {
    pub(super) fn is_ready(&self) -> bool {
        self.stage == HashStage::Ready
    }

    pub(super) fn claim_again(&mut self) {
        self.reclaim = self.mark.is_some();
    }

    /// Exchanges whose last claim is this pod's last.
    fn own_claims_read(&self) -> usize {
        self.exchange_claims.values().filter(|read| self.mark.is_some_and(|own| claim::is_own(own, **read))).count()
    }

    fn to_be_claimed(&self) -> bool {
        self.stage == HashStage::Fetched || self.reclaim
    }
}

impl<B: Clone> Pod<B> {
    /// Asks the group for the positions of everything newly wanted. Stable ones: a transaction that names them and is open belongs to
    /// the previous owner, and is decided first.
    pub(super) fn fetch_wanted(&mut self, now: Time) -> bool {
        let sources = self.sources.iter().filter(|(_, slot)| slot.stage == SourceStage::Wanted).map(|(&source, _)| Input::Source(source));
        let wanted = self.hashes.iter().filter(|(_, slot)| slot.stage == HashStage::Wanted).map(|(&hash, _)| hash);
        let exchanges = self.config.exchanges;
        let of_hash = |k| (0..exchanges).map(move |e| Input::Exchange(ExchangeIndex(e), k)).chain([Input::State(k)]);
        let inputs: Vec<Input> = sources.chain(wanted.flat_map(of_hash)).collect();
        if inputs.is_empty() || !self.fetch.is_due(now) {
            return !inputs.is_empty();
        }
        let ticket = self.ticket();
        self.fetch = Ask::Sent(ticket);
        self.out.push_back(Intention::FetchOffsets(ticket, inputs));
        true
    }

    pub(super) fn offsets_fetched(&mut self, now: Time, answer: Result<Vec<(Input, Option<Committed>)>, Failure>) {
        let offsets = match answer {
            Ok(offsets) => offsets,
            Err(Failure::Fenced(which)) => return self.fenced(now, which),
            Err(failure) => {
                self.fetch = self.wait(now, &failure);
                return;
            }
        };
        self.succeeded();
        self.fetch = Ask::Now;
        for (input, committed) in offsets {
            self.group.remove(&input);
            if let Some(committed) = committed {
                self.number = self.number.max(committed.mark.number).max(committed.content);
                self.group.insert(input, committed);
            }
            match input {
                Input::Source(source) => self.sources.entry(source).and_modify(Source::fetched),
                Input::State(hash) => {
                    let (floor, content) =
                        committed.map_or((Offset::ZERO, CommitNumber(0)), |committed| (committed.position, committed.content));
                    self.hashes.entry(hash).and_modify(|slot| slot.fetched(floor, content));
                    continue;
                }
                Input::Exchange(..) => continue,
            };
        }
    }

    /// Hash partitions to claim in the next transaction.
    pub(super) fn to_be_claimed(&self) -> Vec<HashPartition> {
        self.hashes.iter().filter(|(_, slot)| slot.to_be_claimed()).map(|(&hash, _)| hash).collect()
    }

    pub(super) fn claimed(&mut self, mark: CommitMark, hashes: &[HashPartition]) {
        for &hash in hashes {
            let Some(slot) = self.hashes.get_mut(&hash) else { continue };
            slot.mark = Some(mark);
            slot.reclaim = false;
            if slot.stage == HashStage::Fetched {
                slot.stage = HashStage::Reading;
                self.out.push_back(Intention::ReadState(hash, claim::until(&self.rules, mark)));
            }
        }
    }

    /// Reading of a state partition begins, or begins again, at its log start.
    pub fn on_state_start(&mut self, hash: HashPartition, log_start: Offset) {
        if let Some(slot) = self.hashes.get_mut(&hash).filter(|slot| slot.stage == HashStage::Reading) {
            slot.witness = StateWitness { log_start, ..StateWitness::default() };
            slot.delta_bytes = 0;
        }
    }

    /// A record of a state partition was read while restoring. Records come in order, aborted ones left out.
    pub fn on_state_record(&mut self, now: Time, hash: HashPartition, header: &StateHeader) -> Verdict {
        let Some(slot) = self.hashes.get_mut(&hash).filter(|slot| slot.stage == HashStage::Reading) else { return Verdict::Stop };
        self.number = self.number.max(header.number);
        if let StateKind::Closed { by } = &header.kind {
            self.halt(StopReason::Closed { by: by.clone() });
            return Verdict::Stop;
        }
        let own = slot.mark.expect("a hash partition is read only after its claim was made");
        let verdict = slot.read(hash, header, own);
        if verdict == Verdict::Complete {
            self.advance(now);
        }
        verdict
    }

    /// The end that was asked for at the start was reached ([`crate::Until::LastStable`]; only in tests).
    pub fn on_state_end(&mut self, now: Time, hash: HashPartition, end: Offset) {
        if let Some(slot) = self.hashes.get_mut(&hash).filter(|slot| slot.stage == HashStage::Reading) {
            slot.complete(end);
            self.advance(now);
        }
    }

    /// A claim was read in an exchange partition of an adopted hash partition.
    pub fn on_exchange_claim(&mut self, now: Time, exchange: ExchangeIndex, hash: HashPartition, mark: CommitMark) {
        if let Some(slot) = self.hashes.get_mut(&hash) {
            slot.exchange_claims.insert(exchange, mark);
            self.advance(now);
        }
    }

    /// State partitions still being read up to a claim.
    pub(super) fn reads_outstanding(&self) -> usize {
        self.hashes.values().filter(|slot| slot.stage == HashStage::Reading).count()
    }

    /// Once every hash partition that is being taken over has been read, both witnesses are heard, and what is new runs.
    pub(super) fn advance_adoption(&mut self) {
        let under_way = self.hashes.values().any(|slot| !matches!(slot.stage, HashStage::Read | HashStage::Ready));
        let read: Vec<HashPartition> =
            self.hashes.iter().filter(|(_, slot)| slot.stage == HashStage::Read).map(|(&hash, _)| hash).collect();
        let fetched: Vec<SourceIndex> =
            self.sources.iter().filter(|(_, slot)| slot.stage == SourceStage::Fetched).map(|(&source, _)| source).collect();
        // Without a hash partition of its own a pod could not witness the positions of its sources: it does not read them.
        let nothing_new = read.is_empty() && (fetched.is_empty() || self.hashes.is_empty());
        if under_way || nothing_new || self.is_joining() || self.sources.values().any(|slot| slot.stage == SourceStage::Wanted) {
            return;
        }
        let states = read.iter().map(|hash| (*hash, self.hashes[hash].witness.clone())).collect();
        let sees_all = read.len() == self.config.hash_partitions as usize;
        match witness::reconcile(&self.rules, &self.group, &states, sees_all) {
            Ok(positions) => self.adopt(&read, &fetched, &positions),
            Err(loss) => self.halt(StopReason::DataLoss(loss)),
        }
    }

    fn adopt(&mut self, read: &[HashPartition], fetched: &[SourceIndex], positions: &BTreeMap<Input, Offset>) {
        let exchanges = self.config.exchanges;
        let mut hashes = Vec::with_capacity(read.len());
        for &hash in read {
            let slot = self.hashes.get_mut(&hash).expect("listed from the map a moment ago");
            slot.stage = HashStage::Ready;
            let claim = slot.claim.expect("set when the state was complete");
            let position = |e| positions.get(&Input::Exchange(ExchangeIndex(e), hash)).copied().unwrap_or(Offset::ZERO);
            hashes.push(AdoptHash { hash, claim, exchanges: (0..exchanges).map(position).collect() });
        }
        let mut sources = Vec::with_capacity(fetched.len());
        for &source in fetched {
            self.sources.entry(source).and_modify(|slot| slot.stage = SourceStage::Running);
            sources.push(AdoptSource { source, position: positions.get(&Input::Source(source)).copied() });
        }
        self.out.push_back(Intention::Adopt { hashes, sources });
    }

    /// How rows may cross exchanges now.
    pub(super) fn route_now(&self) -> Route {
        let members = self.membership.as_ref().map_or(0, |membership| membership.members);
        let missing: usize = self.hashes.values().map(|slot| self.config.exchanges as usize - slot.own_claims_read()).sum();
        let unclaimed = self.hashes.values().filter(|slot| slot.reclaim || !slot.is_ready()).count();
        let elsewhere = (self.config.hash_partitions as usize).saturating_sub(self.hashes.len());
        match members {
            0 => Route::Undecided,
            _ if claim::may_bypass(members, missing + unclaimed + elsewhere) => Route::Memory,
            1 => Route::Undecided,
            _ => Route::Log,
        }
    }
}

impl Source {
    fn fetched(&mut self) {
        if self.stage == SourceStage::Wanted {
            self.stage = SourceStage::Fetched;
        }
    }
}

impl Hash {
    fn fetched(&mut self, floor: Offset, content: CommitNumber) {
        if self.stage == HashStage::Wanted {
            (self.stage, self.floor, self.last) = (HashStage::Fetched, floor, content);
        }
    }

    fn read(&mut self, hash: HashPartition, header: &StateHeader, own: CommitMark) -> Verdict {
        for &(upstream, position) in &header.positions {
            let input = match upstream {
                Upstream::Source(source) => Input::Source(source),
                Upstream::Exchange(exchange) => Input::Exchange(exchange, hash),
            };
            let greatest = self.witness.positions.entry(input).or_insert(position);
            *greatest = position.max(*greatest);
        }
        match header.kind {
            StateKind::Claim(mark) if claim::is_own(own, mark) => {
                self.complete(header.offset);
                return Verdict::Complete;
            }
            StateKind::Manifest { floor, .. } => {
                self.witness.floor = Some(floor);
                self.floor = floor;
                self.delta_bytes = 0;
            }
            StateKind::Whole => {
                self.witness.floor = Some(header.offset);
                self.floor = header.offset;
                self.delta_bytes = 0;
            }
            StateKind::Delta => self.delta_bytes += header.bytes,
            StateKind::Claim(_) | StateKind::Closed { .. } => return Verdict::Skip,
        }
        self.witness.last = self.witness.last.max(Some(header.number));
        if header.kind == StateKind::Delta { Verdict::Keep } else { Verdict::Replace }
    }

    /// Nothing committed lies beyond `claim`.
    fn complete(&mut self, claim: Offset) {
        self.stage = HashStage::Read;
        self.claim = Some(claim);
        self.end = claim.next();
        self.last = self.witness.last.unwrap_or_default();
    }
}
