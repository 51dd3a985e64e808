//! Transactions: producer ids and two-phase commits over the log, as one synchronous core.
//!
//! Behaves as Kafka's coordinator does with `transaction.version` 2 (KIP-98, 360, 447, 588, 664, 890): an open transaction is *decided* by
//! a durable record, then markers go to every partition in it, and when all are acknowledged it is *complete*.
//!
//! ```text
//!            add            end, timeout, fence          markers written
//! Empty ──────────▶ Ongoing ───────────────────▶ Prepare… ──────────────▶ Complete… ──▶ Ongoing …
//! ```
//!
//! Each step is one record with the whole state of the transactional id; nothing is answered, and no marker asked for, before it is
//! durable. While a step is on its way, and while a decision is being completed, other requests are `ConcurrentTransactions`.
//! V2 ends bump the epoch, so that what is late from one transaction is never taken for the next one's; a repeated end is known by the epoch
//! it names. When the epochs of an id are used up the producer gets another id.
//!
//! The shell's part in a produce or TxnOffsetCommit: V1, [`Transactions::verify_partition`] or [`Transactions::verify_group`] right before
//! it is appended; V2, [`Request::AddPartitions`] or [`Request::AddGroup`] with [`Version::V2`] and the append after its answer, later
//! batches of that producer and partition waiting behind it.

mod config;
mod describe;
mod end;
mod init;
mod intention;
mod load;
mod markers;
mod open;
mod parked;
mod producer_ids;
pub(crate) mod record;
mod request;
mod response;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use units::{Offset, PartitionId, ProducerEpoch, ProducerId, TimestampMs, TransactionalId};

pub use config::Config;
pub use intention::{Intention, MarkerToken, Markers, MarkersWritten};
pub use request::{AddGroup, AddPartitions, End, InitProducer, Producer, Request, Version};
pub use response::{Response, TransactionDescription, TransactionListing, TransactionState};

use self::{
    markers::Marking,
    parked::Parked,
    producer_ids::ProducerIds,
    record::{Change, Store, Stored},
};
use crate::{
    AppendFailed, AppendToken, Refusal, Token,
    journal::{Journal, Outcome, Output},
    partition_for,
    timers::{Timers, after},
};

/// The transaction coordinator. See the crate's documentation for the contract with its shell.
#[derive(Debug)]
pub struct Transactions {
    config: Config,
    journal: Journal<Change, Then>,
    stores: BTreeMap<PartitionId, Store>,
    /// Transactional ids with a step on its way to the log.
    pending: BTreeSet<TransactionalId>,
    marking: BTreeMap<TransactionalId, Marking>,
    rounds: BTreeMap<MarkerToken, TransactionalId>,
    next_round: u64,
    producer_ids: ProducerIds,
    /// Adds that wait until the coordinator is done with the last step of their id.
    parked: BTreeMap<TransactionalId, VecDeque<Parked>>,
    /// Requests that wait for producer ids to be reserved.
    waiting: VecDeque<(Token, Request)>,
    /// Producers that named themselves when they had an open transaction aborted: told to ask again, they are known by what they had then.
    asked: BTreeMap<TransactionalId, Producer>,
    timers: Timers<Timer>,
    outputs: VecDeque<Intention>,
    #[cfg(test)]
    pub(crate) broken: Option<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// An open transaction has been open for too long.
    Timeout(TransactionalId),
    /// Markers, or the record that all are written, are to be tried again.
    Retry(TransactionalId),
    /// An add has waited for as long as it would.
    Parked(TransactionalId),
    /// Look for transactional ids to forget.
    Expiry,
}

/// What follows when an append is durable.
#[derive(Debug)]
struct Then {
    /// The transactional id it is a step of, if it is one.
    id: Option<TransactionalId>,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// A producer has its id and epoch.
    Initialised { token: Token, answer: Producer },
    /// Partitions, or a group, are in the transaction.
    Opened { token: Token, is_group: bool },
    /// The transaction is decided; `answer` tells who asked.
    Decided { answer: Option<Decider> },
    /// Every marker is written.
    Completed,
    /// Producer ids below this one are ours to give.
    Reserved(ProducerId),
    /// Nothing waits for it.
    Forgotten,
}

/// Who is told that a transaction is decided.
#[derive(Debug)]
enum Decider {
    /// The producer itself, which goes on with this.
    End(Token, Producer),
    /// A producer that fenced it: it must ask again for its own epoch.
    Init(Token),
}

/// Rules that a test can break to see that it is noticed.
#[cfg_attr(not(test), allow(dead_code))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    MarkersWaitForDecision,
    CompleteWaitsForMarkers,
    EndChecksEpoch,
    EndBumpsEpoch,
    InitAbortsOpen,
    AddWaitsWhileCompleting,
    LoadResumesMarkers,
    IdsAreReserved,
    TimeoutFences,
    AddIsDurable,
}

/// The last epoch that a client ever sees; the one above is for the last marker (KIP-890).
const EPOCH_MAX: ProducerEpoch = ProducerEpoch(i16::MAX - 1);

/// The epoch after this one. Only markers reach `i16::MAX`.
fn bumped(epoch: ProducerEpoch) -> ProducerEpoch {
    ProducerEpoch(epoch.0.saturating_add(1))
}

impl Transactions {
    /// A coordinator that has no partition yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            journal: Journal::new(config.snapshot_records),
            stores: BTreeMap::new(),
            pending: BTreeSet::new(),
            marking: BTreeMap::new(),
            rounds: BTreeMap::new(),
            next_round: 0,
            parked: BTreeMap::new(),
            producer_ids: ProducerIds::new(config.broker),
            waiting: VecDeque::new(),
            asked: BTreeMap::new(),
            timers: Timers::default(),
            outputs: VecDeque::new(),
            config,
            #[cfg(test)]
            broken: None,
        }
    }

    /// The partition of this coordinator that keeps `id`.
    #[must_use]
    pub fn partition_of(&self, id: &TransactionalId) -> PartitionId {
        partition_for(id.as_str(), self.config.partition_count)
    }

    /// Takes a request; its answer comes as [`Intention::Respond`], perhaps only after other events.
    pub fn handle(&mut self, now: TimestampMs, token: Token, request: Request) {
        let Some(request) = self.park(now, token, request) else { return };
        match request {
            Request::InitProducer(init) => self.init_producer(now, token, init),
            Request::AddPartitions(add) => self.add_partitions(now, token, add),
            Request::AddGroup(add) => self.add_group(now, token, &add),
            Request::End(end) => self.end(now, token, end),
        }
    }

    /// Takes the outcome of an append: the offset of its first record; or that it is not there and never will be.
    pub fn on_appended(&mut self, now: TimestampMs, token: AppendToken, result: Result<Offset, AppendFailed>) {
        let Some(partition) = self.journal.on_appended(token, result) else { return };
        while let Some(Outcome { result, changes, then }) = self.journal.next_outcome(partition) {
            let id = then.id.clone();
            if let Some(id) = &id {
                self.pending.remove(id);
            }
            match result {
                Ok(_) => {
                    let store = self.stores.entry(partition).or_default();
                    changes.iter().for_each(|change| store.apply(change));
                    self.follow(now, then);
                }
                Err(_) => self.fail(now, then),
            }
            if let Some(id) = &id {
                self.serve_parked(now, id);
            }
        }
        self.write_due_snapshot(partition);
    }

    /// An append is durable: what was to follow it happens.
    fn follow(&mut self, now: TimestampMs, then: Then) {
        match then.step {
            Step::Initialised { token, answer } => self.respond(token, Response::InitProducer(Ok(answer))),
            Step::Opened { token, is_group } => {
                self.set_timeout(now, then.id.as_ref());
                self.respond(token, if is_group { Response::AddGroup(Ok(())) } else { Response::AddPartitions(Ok(())) });
            }
            Step::Decided { answer } => {
                match answer {
                    Some(Decider::End(token, producer)) => self.respond(token, Response::End(Ok(producer))),
                    Some(Decider::Init(token)) => self.respond(token, Response::InitProducer(Err(Refusal::ConcurrentTransactions))),
                    None => {}
                }
                let id = then.id.expect("a decision is about a transactional id");
                self.timers.clear(&Timer::Timeout(id.clone()));
                self.begin_markers(now, &id);
            }
            Step::Completed | Step::Forgotten => {}
            Step::Reserved(end) => {
                self.producer_ids.on_reserved(end);
                self.serve_waiting(now);
            }
        }
    }

    /// An append will never be durable: whoever waits for it is told, and what must happen is tried again.
    fn fail(&mut self, now: TimestampMs, then: Then) {
        let refusal = Refusal::CoordinatorNotAvailable;
        let retry_at = after(now, self.config.retry_backoff);
        match then.step {
            Step::Initialised { token, .. } => self.respond(token, Response::InitProducer(Err(refusal))),
            Step::Opened { token, is_group } => {
                self.respond(token, if is_group { Response::AddGroup(Err(refusal)) } else { Response::AddPartitions(Err(refusal)) });
            }
            Step::Decided { answer } => match answer {
                Some(Decider::End(token, _)) => self.respond(token, Response::End(Err(refusal))),
                Some(Decider::Init(token)) => self.respond(token, Response::InitProducer(Err(refusal))),
                None => self.timers.set(Timer::Timeout(then.id.expect("a decision is about a transactional id")), retry_at),
            },
            Step::Completed => self.timers.set(Timer::Retry(then.id.expect("a completion is about a transactional id")), retry_at),
            Step::Reserved(_) => {
                self.producer_ids.on_not_reserved();
                self.refuse_waiting(refusal);
            }
            Step::Forgotten => {}
        }
    }

    /// When [`Transactions::on_time`] is to be called, at the latest.
    #[must_use]
    pub fn next_timeout(&self) -> Option<TimestampMs> {
        self.timers.next()
    }

    /// Does what is due at `now`.
    pub fn on_time(&mut self, now: TimestampMs) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Timeout(id) => self.on_timeout(now, &id),
                Timer::Retry(id) => self.resume(now, &id),
                Timer::Parked(id) => self.serve_parked(now, &id),
                Timer::Expiry => self.expire(now),
            }
        }
    }

    /// The next thing for the shell to do; `None` when there is nothing more.
    pub fn poll(&mut self) -> Option<Intention> {
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        Some(match self.journal.poll()? {
            Output::Append { partition, records, token } => Intention::Append { partition, records, token },
            Output::Trim { partition, below } => Intention::Trim { partition, below },
        })
    }

    fn respond(&mut self, token: Token, response: Response) {
        self.outputs.push_back(Intention::Respond { token, response });
    }

    fn stored(&self, id: &TransactionalId) -> Option<&Stored> {
        self.stores.get(&self.partition_of(id))?.transactions.get(id)
    }

    /// Sends the next step of a transactional id on its way.
    fn append(&mut self, id: &TransactionalId, stored: Stored, step: Step) {
        #[cfg(test)]
        self.break_on_append(id, &stored);
        let is_first = self.pending.insert(id.clone());
        assert!(is_first, "one step of a transactional id at a time");
        let change = Change::Transaction(id.clone(), Some(stored));
        self.journal.append(self.partition_of(id), vec![change], Then { id: Some(id.clone()), step });
    }

    /// Checks that `id` has a name and that its partition is ours and loaded.
    fn check_ready(&self, id: &TransactionalId) -> Result<(), Refusal> {
        if id.as_str().is_empty() {
            return Err(Refusal::InvalidRequest);
        }
        self.journal.check_ready(self.partition_of(id))
    }

    #[cfg(test)]
    pub(crate) fn store(&self, partition: PartitionId) -> Option<&Store> {
        self.stores.get(&partition)
    }

    #[cfg(test)]
    fn is_broken(&self, rule: Rule) -> bool {
        self.broken == Some(rule)
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "in tests it looks at the rule that is broken")]
    const fn is_broken(&self, _rule: Rule) -> bool {
        false
    }
}
