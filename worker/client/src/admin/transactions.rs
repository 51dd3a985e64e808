//! Transactions of others: find them, look at them, end them (KIP-664, KIP-360).

use std::time::Duration;

use units::{BrokerId, ProducerEpoch, ProducerId, TimestampMs, TransactionalId};
use wire::{ApiKey, DescribeTransactionsRequest, ErrorCode, InitProducerIdRequest, ListTransactionsRequest, Str};

use super::Admin;
use crate::{ClientError, CoordinatorKey};

/// A transactional id and how its last transaction stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedTransaction {
    /// The id.
    pub transactional_id: Str,
    /// Its producer id.
    pub producer_id: ProducerId,
    /// Kafka's name for the state: `Ongoing`, `Empty`, `PrepareCommit` …
    pub state: Str,
}

/// A transactional id, looked at closely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenTransaction {
    /// Its producer id.
    pub producer_id: ProducerId,
    /// The producer's epoch.
    pub producer_epoch: ProducerEpoch,
    /// Kafka's name for the state.
    pub state: Str,
    /// When the transaction began; -1 where none is open.
    pub started: TimestampMs,
}

impl Admin {
    /// Transactions in one of `states` (all where empty) that `brokers` coordinate.
    ///
    /// # Errors
    /// Where one of the brokers does not answer.
    pub async fn list_transactions(&self, brokers: &[BrokerId], states: &[&str]) -> Result<Vec<ListedTransaction>, ClientError> {
        let request = ListTransactionsRequest { state_filters: states.iter().map(|state| (*state).into()).collect(), ..Default::default() };
        let mut listed = Vec::new();
        for broker in brokers {
            let response = self.cluster.shared(*broker).await?.call_from(&request, 0, Duration::ZERO).await?;
            response.error_code.check().map_err(|code| ClientError::refused(ApiKey::ListTransactions, code))?;
            listed.extend(response.transaction_states.into_iter().map(|found| ListedTransaction {
                transactional_id: found.transactional_id,
                producer_id: found.producer_id,
                state: found.transaction_state,
            }));
        }
        Ok(listed)
    }

    /// How the transaction of `id` stands; `None` where the coordinator knows no such id.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn describe_transaction(&self, id: &TransactionalId) -> Result<Option<OpenTransaction>, ClientError> {
        let key = CoordinatorKey::Transaction(id.clone());
        let request = DescribeTransactionsRequest { transactional_ids: vec![id.into()] };
        let mut patience = self.patience();
        loop {
            let response = self.to_coordinator(&key, &request, 0).await?;
            let found = response.transaction_states.into_iter().next().ok_or(ClientError::Incomplete(ApiKey::DescribeTransactions))?;
            match found.error_code {
                ErrorCode::None => {
                    return Ok(Some(OpenTransaction {
                        producer_id: found.producer_id,
                        producer_epoch: found.producer_epoch,
                        state: found.transaction_state,
                        started: found.transaction_start_time_ms,
                    }));
                }
                ErrorCode::TransactionalIdNotFound => return Ok(None),
                code if crate::error::is_passing(code) && patience.pause().await => self.cluster.forget_coordinator(&key),
                code => return Err(ClientError::refused(ApiKey::DescribeTransactions, code)),
            }
        }
    }

    /// Ends the transaction of another, if it still has the producer id and epoch that were seen: a producer that came back meanwhile is
    /// not hit (KIP-360). True where it was ended, false where the epoch has moved on.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn fence_producer(&self, id: &TransactionalId, seen: ProducerId, epoch: ProducerEpoch) -> Result<bool, ClientError> {
        let key = CoordinatorKey::Transaction(id.clone());
        let request = InitProducerIdRequest {
            transactional_id: Some(id.into()),
            transaction_timeout_ms: 1000,
            producer_id: seen,
            producer_epoch: epoch,
        };
        let mut patience = self.patience();
        loop {
            let code = self.to_coordinator(&key, &request, 3).await?.error_code;
            match code {
                ErrorCode::None => return Ok(true),
                ErrorCode::ProducerFenced | ErrorCode::InvalidProducerEpoch => return Ok(false),
                code if crate::error::is_passing(code) => {
                    if matches!(code, ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable) {
                        self.cluster.forget_coordinator(&key);
                    }
                    if !patience.pause().await {
                        return Err(ClientError::refused(ApiKey::InitProducerId, code));
                    }
                }
                code => return Err(ClientError::refused(ApiKey::InitProducerId, code)),
            }
        }
    }
}
