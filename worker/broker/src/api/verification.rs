//! The transaction coordinator's word for the first batch of a transaction in a partition (KIP-890).
//!
//! A request asks once for all its partitions, since each question is a durable record of the coordinator; only batches that wait at a gate
//! behind an earlier one ask by themselves. While the coordinator is busy with the transaction before, a question waits there.

use std::sync::{Mutex, PoisonError};

use coordinators::{
    Refusal,
    transactions::{AddPartitions, Producer, Request, Response, Version},
};
use log::{TopicPartitionId, Verification, VerificationGuard};
use records::BatchHeader;
use tokio::sync::watch;
use units::{DurationMs, Sequence, TopicPartition, TransactionalId};
use wire::ErrorCode;

use super::produce::Refused;
use crate::{dispatch::Call, errors};

/// The first version whose produce adds its partition to the transaction by itself (KIP-890).
const IMPLICIT_ADD_VERSION: i16 = 12;
/// The first version that knows TRANSACTION_ABORTABLE (KIP-890).
const ABORTABLE_VERSION: i16 = 11;
/// How long an add waits for the transaction before, rather than that the client sends everything again.
pub(super) const ADD_PATIENCE: DurationMs = DurationMs(1_000);

/// One produce request's question, and the answer that its batches wait for.
pub(super) struct Word {
    pub(super) call: Call,
    transactional_id: Option<TransactionalId>,
    question: Mutex<Option<(Producer, Vec<TopicPartition>)>>,
    answer: watch::Sender<Option<Result<(), Refused>>>,
}

/// What a batch needs before it may be appended.
pub(super) enum Needed {
    /// Nothing.
    Nothing,
    /// The answer to the request's question.
    Answer(VerificationGuard),
    /// An answer of its own.
    Own(VerificationGuard),
}

impl Word {
    pub(super) fn new(call: Call, transactional_id: Option<TransactionalId>) -> Self {
        Self { call, transactional_id, question: Mutex::new(None), answer: watch::Sender::new(None) }
    }

    /// What the batch needs now; its partition becomes part of the request's question where `may_join`.
    pub(super) fn needed(
        &self,
        header: &BatchHeader,
        partition: TopicPartitionId,
        name: &TopicPartition,
        may_join: bool,
    ) -> Result<Needed, Refused> {
        if !header.attributes.is_transactional() {
            return Ok(Needed::Nothing);
        }
        let verification = self.call.shared.log.transaction_verification(partition, header.producer_id, header.producer_epoch);
        let guard = match verification.map_err(|error| Refused::from(errors::of_read(&error)))? {
            Verification::Ongoing => return Ok(Needed::Nothing),
            Verification::Needed(guard) => guard,
        };
        if self.transactional_id.is_none() {
            return Err(Refused::saying(ErrorCode::InvalidRequest, "a transactional batch without a transactional id"));
        }
        if self.call.version < IMPLICIT_ADD_VERSION {
            return Ok(Needed::Own(guard));
        }
        let producer = Producer { id: header.producer_id, epoch: header.producer_epoch };
        let mut question = self.question.lock().unwrap_or_else(PoisonError::into_inner);
        let (asking, partitions) = question.get_or_insert_with(|| (producer, Vec::new()));
        if !may_join || *asking != producer {
            return Ok(Needed::Own(guard));
        }
        partitions.push(name.clone());
        Ok(Needed::Answer(guard))
    }

    /// Whether any batch of the request waits for the request's answer.
    pub(super) fn has_question(&self) -> bool {
        self.question.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(|(_, partitions)| !partitions.is_empty())
    }

    /// Asks, once every batch of the request has been looked at.
    pub(super) async fn ask(&self) {
        let question = self.question.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((producer, partitions)) = question {
            let answer = self.add(producer, partitions).await;
            self.answer.send_replace(Some(answer));
        }
    }

    /// Waits for what the batch needs; gives the guard to append it with.
    pub(super) async fn wait(
        &self,
        needed: Needed,
        header: &BatchHeader,
        name: TopicPartition,
    ) -> Result<Option<VerificationGuard>, Refused> {
        let guard = match needed {
            Needed::Nothing => return Ok(None),
            Needed::Answer(guard) => {
                let mut answer = self.answer.subscribe();
                let answered = answer.wait_for(Option::is_some).await.map_err(|_| Refused::from(ErrorCode::CoordinatorNotAvailable))?;
                answered.clone().expect("it was waited for")?;
                guard
            }
            Needed::Own(guard) => {
                let producer = Producer { id: header.producer_id, epoch: header.producer_epoch };
                if self.call.version >= IMPLICIT_ADD_VERSION {
                    self.add(producer, vec![name]).await?;
                } else {
                    self.verify(producer, name).await?;
                }
                guard
            }
        };
        // Each transaction has an epoch of its own, and each partition begins it at 0: any other first batch has lost one before it.
        if self.call.version >= IMPLICIT_ADD_VERSION && header.base_sequence != Sequence(0) {
            let message = format!("sequence {} comes first in this transaction; an earlier batch was refused", header.base_sequence);
            return Err(Refused::saying(ErrorCode::OutOfOrderSequenceNumber, message));
        }
        Ok(Some(guard))
    }

    async fn add(&self, producer: Producer, partitions: Vec<TopicPartition>) -> Result<(), Refused> {
        let transactional_id = self.transactional_id.clone().expect("a batch is refused before without one");
        let add = AddPartitions { transactional_id, producer, partitions, version: Version::V2, patience: ADD_PATIENCE };
        match self.call.shared.transactions.request(Request::AddPartitions(add)).await {
            Some(Response::AddPartitions(added)) => added.map_err(|refusal| self.refused(refusal)),
            _ => Err(ErrorCode::CoordinatorNotAvailable.into()),
        }
    }

    async fn verify(&self, producer: Producer, name: TopicPartition) -> Result<(), Refused> {
        let transactional_id = self.transactional_id.clone().expect("a batch is refused before without one");
        let verify = move |transactions: &coordinators::transactions::Transactions| {
            transactions.verify_partition(&transactional_id, producer, &name)
        };
        let verified = self.call.shared.transactions.read(verify).await.ok_or(Refused::from(ErrorCode::CoordinatorNotAvailable))?;
        verified.map_err(|refusal| self.refused(refusal))
    }

    fn refused(&self, refusal: Refusal) -> Refused {
        let refusal = match refusal {
            // Producers know this fence from Produce by its older name.
            Refusal::ProducerFenced => Refusal::InvalidProducerEpoch,
            Refusal::TransactionAbortable if self.call.version < ABORTABLE_VERSION => Refusal::InvalidTxnState,
            refusal => refusal,
        };
        Refused::saying(errors::of_refusal(refusal), refusal.to_string())
    }
}
