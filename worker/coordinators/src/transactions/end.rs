//! EndTxn, timeouts and fences: how an open transaction is decided.

use units::{ProducerEpoch, TimestampMs, TransactionalId};

use super::{
    Decider, EPOCH_MAX, End, Producer, Request, Response, Rule, Step, Stored, Timer, TransactionState, Transactions, Version, bumped,
};
use crate::{Outcome, Refusal, Token, timers::after};

/// What an EndTxn comes to.
enum Verdict {
    /// The transaction is to be decided so.
    Decide,
    /// It was, and is complete: the producer goes on with what it was told then.
    Done,
}

impl Transactions {
    pub(super) fn end(&mut self, now: TimestampMs, token: Token, end: End) {
        if let Err(refusal) = self.try_end(now, token, end) {
            self.respond(token, Response::End(Err(refusal)));
        }
    }

    fn try_end(&mut self, now: TimestampMs, token: Token, end: End) -> Result<(), Refusal> {
        let id = end.transactional_id.clone();
        self.check_ready(&id)?;
        let stored = self.stored(&id).ok_or(Refusal::InvalidProducerIdMapping)?.clone();
        if self.pending.contains(&id) {
            return Err(Refusal::ConcurrentTransactions);
        }
        let given = if self.is_broken(Rule::EndChecksEpoch) { stored.producer } else { end.producer };
        match judge(&stored, given, end.outcome, end.version)? {
            Verdict::Done => self.respond(token, Response::End(Ok(stored.producer))),
            Verdict::Decide => {
                let is_bumped = end.version == Version::V2 && !self.is_broken(Rule::EndBumpsEpoch);
                let next_id = if is_bumped && stored.producer.epoch >= EPOCH_MAX {
                    let Some(next) = self.producer_ids.take() else { return self.wait_for_ids(token, Request::End(end)) };
                    Some(next)
                } else {
                    None
                };
                let epoch = if is_bumped { bumped(stored.producer.epoch) } else { stored.producer.epoch };
                let goes_on_with = match next_id {
                    Some(id) => Producer { id, epoch: ProducerEpoch(0) },
                    None => Producer { epoch, ..stored.producer },
                };
                let next = Stored {
                    producer: Producer { epoch, ..stored.producer },
                    previous: is_bumped.then_some(stored.producer),
                    next_id,
                    ..decided(stored, end.outcome, now)
                };
                self.append(&id, next, Step::Decided { answer: Some(Decider::End(token, goes_on_with)) });
            }
        }
        Ok(())
    }

    pub(super) fn on_timeout(&mut self, now: TimestampMs, id: &TransactionalId) {
        if self.pending.contains(id) {
            let at = after(now, self.config.retry_backoff);
            self.timers.set(Timer::Timeout(id.clone()), at);
        } else if self.stored(id).is_some_and(|stored| stored.state == TransactionState::Ongoing) {
            self.fence(now, id, None);
        }
    }

    /// Aborts what is open and bumps the epoch, so that its producer can neither go on nor end it.
    pub(super) fn fence(&mut self, now: TimestampMs, id: &TransactionalId, answer: Option<Decider>) {
        let stored = self.stored(id).expect("the caller saw it open").clone();
        let keeps_epoch = self.is_broken(Rule::TimeoutFences) && answer.is_none();
        let epoch = if keeps_epoch { stored.producer.epoch } else { bumped(stored.producer.epoch) };
        let producer = Producer { epoch, ..stored.producer };
        let next = Stored { producer, previous: None, next_id: None, ..decided(stored, Outcome::Abort, now) };
        self.append(id, next, Step::Decided { answer });
    }
}

/// The transaction's state once it is decided, but for its producer.
fn decided(stored: Stored, outcome: Outcome, now: TimestampMs) -> Stored {
    let state = match outcome {
        Outcome::Commit => TransactionState::PrepareCommit,
        Outcome::Abort => TransactionState::PrepareAbort,
    };
    Stored { transaction_epoch: stored.producer.epoch, state, updated: now, ..stored }
}

/// Whether an end is right in the present state. With V2 the epoch tells a repeated end from a new one: the one before the last bump, or
/// the present one (KIP-890).
fn judge(stored: &Stored, given: Producer, outcome: Outcome, version: Version) -> Result<Verdict, Refusal> {
    let state = stored.state;
    let ended = match state {
        TransactionState::PrepareCommit | TransactionState::CompleteCommit => Some(Outcome::Commit),
        TransactionState::PrepareAbort | TransactionState::CompleteAbort => Some(Outcome::Abort),
        TransactionState::Empty | TransactionState::Ongoing => None,
    };
    let is_present = given == stored.producer;
    let is_repeated = match version {
        Version::V1 => is_present && ended.is_some(),
        Version::V2 => stored.previous == Some(given) && ended.is_some(),
    };
    if is_repeated {
        return match (ended == Some(outcome), stored.decided()) {
            (false, _) => Err(Refusal::InvalidTxnState),
            (true, Some(_)) => Err(Refusal::ConcurrentTransactions),
            (true, None) => Ok(Verdict::Done),
        };
    }
    if !is_present || stored.decided().is_some() {
        let is_other_id = given.id != stored.producer.id && stored.previous.is_none_or(|previous| given.id != previous.id);
        return Err(if is_other_id { Refusal::InvalidProducerIdMapping } else { Refusal::ProducerFenced });
    }
    match state {
        TransactionState::Ongoing => Ok(Verdict::Decide),
        // A V2 producer may abort without knowing whether anything of its transaction arrived.
        _ if version == Version::V2 && outcome == Outcome::Abort => Ok(Verdict::Decide),
        _ => Err(Refusal::InvalidTxnState),
    }
}

impl Transactions {
    /// The producer of a complete transaction: of the next id where that was the last epoch.
    pub(super) fn complete_state(stored: &Stored, now: TimestampMs) -> Stored {
        let outcome = stored.decided().expect("only what is decided is completed");
        let producer = match stored.next_id {
            Some(id) => Producer { id, epoch: ProducerEpoch(0) },
            None => stored.producer,
        };
        Stored {
            producer,
            next_id: None,
            state: if outcome == Outcome::Commit { TransactionState::CompleteCommit } else { TransactionState::CompleteAbort },
            started: None,
            updated: now,
            partitions: std::collections::BTreeSet::new(),
            group_partitions: std::collections::BTreeSet::new(),
            ..stored.clone()
        }
    }
}
