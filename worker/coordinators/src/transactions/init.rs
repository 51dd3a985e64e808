//! InitProducerId: a producer gets its id and epoch, and with a transactional id fences its predecessors (KIP-98, KIP-360).

use std::collections::BTreeSet;

use units::{ProducerEpoch, TimestampMs, TransactionalId};

use super::{
    Decider, EPOCH_MAX, InitProducer, Producer, Request, Response, Rule, Step, Stored, Then, TransactionState, Transactions, Version,
    bumped, record::Change,
};
use crate::{Refusal, Token};

/// What an InitProducerId comes to.
enum Decision {
    /// A new id with epoch 0.
    NewId { previous: Option<Producer> },
    /// The next epoch.
    Bump { previous: Option<Producer> },
    /// It was asked before and the answer was lost: the same answer.
    Repeat,
    /// A transaction is open: it is aborted first.
    Fence,
}

impl Transactions {
    pub(super) fn init_producer(&mut self, now: TimestampMs, token: Token, init: InitProducer) {
        let result = match init.transactional_id.clone() {
            None => self.init_idempotent(token, init),
            Some(id) => self.init_transactional(now, token, id, init),
        };
        if let Err(refusal) = result {
            self.respond(token, Response::InitProducer(Err(refusal)));
        }
    }

    fn init_idempotent(&mut self, token: Token, init: InitProducer) -> Result<(), Refusal> {
        match self.producer_ids.take() {
            Some(id) => {
                self.respond(token, Response::InitProducer(Ok(Producer { id, epoch: ProducerEpoch(0) })));
                Ok(())
            }
            None => self.wait_for_ids(token, Request::InitProducer(init)),
        }
    }

    fn init_transactional(&mut self, now: TimestampMs, token: Token, id: TransactionalId, init: InitProducer) -> Result<(), Refusal> {
        self.check_ready(&id)?;
        if init.timeout.0 <= 0 || init.timeout > self.config.timeout_max {
            return Err(Refusal::InvalidTransactionTimeout);
        }
        if self.pending.contains(&id) {
            return Err(Refusal::ConcurrentTransactions);
        }
        let stored = self.stored(&id).cloned();
        let has_asked = init.current.is_some() && self.asked.get(&id) == init.current.as_ref();
        let decision = stored.as_ref().map_or(Ok(Decision::NewId { previous: None }), |stored| decide(stored, init.current, has_asked))?;
        let (producer, previous) = match decision {
            Decision::Fence if self.is_broken(Rule::InitAbortsOpen) => {
                let producer = stored.as_ref().expect("something is open").producer;
                (Producer { epoch: bumped(producer.epoch), ..producer }, None)
            }
            Decision::Fence => {
                if let Some(current) = init.current {
                    self.asked.insert(id.clone(), current);
                }
                self.fence(now, &id, Some(Decider::Init(token)));
                return Ok(());
            }
            Decision::Repeat => {
                let producer = stored.expect("only what was asked before is repeated").producer;
                self.respond(token, Response::InitProducer(Ok(producer)));
                return Ok(());
            }
            Decision::Bump { previous } => {
                let producer = stored.expect("only a known producer has a next epoch").producer;
                (Producer { epoch: bumped(producer.epoch), ..producer }, previous)
            }
            Decision::NewId { previous } => match self.producer_ids.take() {
                Some(id) => (Producer { id, epoch: ProducerEpoch(0) }, previous),
                None => return self.wait_for_ids(token, Request::InitProducer(init)),
            },
        };
        self.asked.remove(&id);
        let stored = Stored {
            producer,
            previous,
            next_id: None,
            transaction_epoch: producer.epoch,
            timeout: init.timeout,
            state: TransactionState::Empty,
            version: Version::V1,
            started: None,
            updated: now,
            partitions: BTreeSet::new(),
            group_partitions: BTreeSet::new(),
        };
        self.append(&id, stored, Step::Initialised { token, answer: producer });
        Ok(())
    }

    /// Lets a request wait until more producer ids are durably reserved.
    pub(super) fn wait_for_ids(&mut self, token: Token, request: Request) -> Result<(), Refusal> {
        let partition = self.config.producer_id_partition;
        // It may be asked for by a client of any transactional id: that this broker keeps no ids now is nothing it can look up.
        self.journal.check_ready(partition).map_err(|refusal| match refusal {
            Refusal::NotCoordinator => Refusal::CoordinatorNotAvailable,
            refusal => refusal,
        })?;
        self.waiting.push_back((token, request));
        let used = self.stores.get(&partition).and_then(|store| store.producer_ids.get(&self.config.broker)).copied();
        if let Some(end) = self.producer_ids.reserve(used, self.config.producer_id_block) {
            let written = if self.is_broken(Rule::IdsAreReserved) { used.unwrap_or_default() } else { end };
            let change = Change::ProducerIds(self.config.broker, written);
            self.journal.append(partition, vec![change], Then { id: None, step: Step::Reserved(end) });
        }
        Ok(())
    }

    /// Ids have come: whoever waits for one asks again.
    pub(super) fn serve_waiting(&mut self, now: TimestampMs) {
        for (token, request) in std::mem::take(&mut self.waiting) {
            self.handle(now, token, request);
        }
    }

    pub(super) fn refuse_waiting(&mut self, refusal: Refusal) {
        for (token, request) in std::mem::take(&mut self.waiting) {
            let response = match request {
                Request::InitProducer(_) => Response::InitProducer(Err(refusal)),
                Request::AddPartitions(_) => Response::AddPartitions(Err(refusal)),
                Request::AddGroup(_) => Response::AddGroup(Err(refusal)),
                Request::End(_) => Response::End(Err(refusal)),
            };
            self.respond(token, response);
        }
    }
}

/// What a producer that says it has `current` gets. Stricter than Kafka in one point: who names an epoch that is not the present one does
/// not abort what is open, so a fence that names what it saw never hits a producer that came back (KIP-360).
///
/// `has_asked`: this very producer asked before, what it had open was aborted for it, and nobody has got an epoch since.
fn decide(stored: &Stored, current: Option<Producer>, has_asked: bool) -> Result<Decision, Refusal> {
    let is_present = has_asked || current.is_none_or(|current| current == stored.producer);
    match stored.state {
        TransactionState::PrepareCommit | TransactionState::PrepareAbort => Err(Refusal::ConcurrentTransactions),
        TransactionState::Ongoing if is_present => Ok(Decision::Fence),
        TransactionState::Ongoing => Err(Refusal::ProducerFenced),
        _ if is_present && stored.producer.epoch >= EPOCH_MAX => Ok(Decision::NewId { previous: current }),
        _ if is_present => Ok(Decision::Bump { previous: current }),
        _ if current == stored.previous => Ok(Decision::Repeat),
        _ => Err(Refusal::ProducerFenced),
    }
}
