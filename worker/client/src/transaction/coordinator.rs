//! Asking coordinators, that of the transaction and that of the group, until they do not say "not now".

use std::time::Duration;

use units::GroupId;
use wire::{ApiKey, ErrorCode, Request, TxnOffsetCommitRequest};

use super::{TransactionError, TransactionalProducer};
use crate::{ClientError, Connection, CoordinatorKey, patience::Patience};

/// TxnOffsetCommit in this version adds the group to the transaction by itself (KIP-890).
const TXN_OFFSET_COMMIT_TV2: i16 = 5;
/// The last transaction is still ending: that takes milliseconds (KAFKA-18654 asks not to wait longer).
const CONCURRENT_PAUSE: Duration = Duration::from_millis(5);

impl TransactionalProducer {
    /// This goes to the coordinator of the group, not to that of the transaction.
    pub(super) async fn name_offsets(&self, group: &GroupId, request: &TxnOffsetCommitRequest) -> Result<(), TransactionError> {
        let key = CoordinatorKey::Group(group.clone());
        let mut patience = self.cluster.patience();
        loop {
            let asked = async {
                let broker = self.cluster.coordinator(&key).await?;
                let connection = self.cluster.shared(broker).await?;
                Ok::<_, ClientError>(connection.call_from(request, TXN_OFFSET_COMMIT_TV2, Duration::ZERO).await?)
            };
            let error = match asked.await {
                Ok(response) => {
                    let results = response.topics.iter().flat_map(|topic| &topic.partitions);
                    match results.map(|result| result.error_code).find(|code| !code.is_ok()) {
                        None => return Ok(()),
                        Some(code) => TransactionError::of(ApiKey::TxnOffsetCommit, code, None),
                    }
                }
                Err(error) => TransactionError::unanswered(error),
            };
            if !self.pause_after(&error, &key, &mut patience).await {
                return Err(error);
            }
        }
    }

    /// Asks the transaction's coordinator, wherever it is, until it does not answer "not now". A lost answer is asked for again only where
    /// doing twice `is_harmless`.
    pub(super) async fn ask_coordinator<R: Request>(
        &mut self,
        request: &R,
        needed: i16,
        is_harmless: bool,
        code: impl Fn(&R::Response) -> ErrorCode,
    ) -> Result<R::Response, TransactionError> {
        let mut patience = self.cluster.patience();
        loop {
            let error = match self.connect_coordinator().await? {
                Err(error) => error,
                Ok(connection) => match connection.call_from(request, needed, Duration::ZERO).await {
                    Ok(response) if code(&response).is_ok() => return Ok(response),
                    Ok(response) => TransactionError::of(R::API, code(&response), None),
                    Err(error) => error.into(),
                },
            };
            if matches!(error, TransactionError::UnknownOutcome(_)) && !is_harmless {
                self.coordinator = None;
                self.cluster.forget_coordinator(&self.key);
                return Err(error);
            }
            if !self.pause_after(&error, &self.key, &mut patience).await {
                return Err(error);
            }
            if !is_concurrent(&error) {
                self.coordinator = None;
            }
        }
    }

    /// The coordinator's connection; the inner error is one that passes.
    async fn connect_coordinator(&mut self) -> Result<Result<Connection, TransactionError>, TransactionError> {
        if let Some(open) = self.coordinator.as_ref().filter(|connection| connection.is_open()) {
            return Ok(Ok(open.clone()));
        }
        let opened = async { Ok::<_, ClientError>(self.cluster.open(self.cluster.coordinator(&self.key).await?).await?) };
        match opened.await {
            Ok(connection) => {
                require_transaction_version(&connection)?;
                Ok(Ok(self.coordinator.insert(connection).clone()))
            }
            Err(error) => Ok(Err(TransactionError::unanswered(error))),
        }
    }

    /// Waits before the same is asked again; false where it is not to be.
    async fn pause_after(&self, error: &TransactionError, key: &CoordinatorKey, patience: &mut Patience) -> bool {
        match error {
            TransactionError::Retriable(_) | TransactionError::UnknownOutcome(_) => {
                if !is_concurrent(error) {
                    self.cluster.forget_coordinator(key);
                }
                pause(patience, is_concurrent(error)).await
            }
            _ => false,
        }
    }
}

pub(super) fn is_concurrent(error: &TransactionError) -> bool {
    matches!(error, TransactionError::Retriable(error) if error.code() == Some(ErrorCode::ConcurrentTransactions))
}

pub(super) async fn pause(patience: &mut Patience, is_concurrent: bool) -> bool {
    if is_concurrent { patience.pause_for(CONCURRENT_PAUSE).await } else { patience.pause().await }
}

/// Refuses a broker without KIP-890, by name.
pub(super) fn require_transaction_version(connection: &Connection) -> Result<(), TransactionError> {
    let level = connection.feature("transaction.version").unwrap_or(0);
    if level < 2 {
        return Err(TransactionError::TransactionVersion { address: connection.address().to_string(), level });
    }
    Ok(())
}
