//! EndTxn (26): commit or abort; answered when the decision is durable. From version 5 on the producer goes on with a new epoch (KIP-890).

use coordinators::{
    Outcome, Refusal,
    transactions::{End, Producer, Request, Response, Version},
};
use units::TransactionalId;
use wire::{EndTxnRequest, EndTxnResponse, ErrorCode};

use crate::{dispatch::Call, errors};

/// The first version whose end bumps the epoch.
const BUMPS_EPOCH: i16 = 5;

pub(crate) fn answer(call: Call, request: EndTxnRequest) -> impl Future<Output = EndTxnResponse> + Send + 'static {
    let end = End {
        transactional_id: TransactionalId::from(&*request.transactional_id),
        producer: Producer { id: request.producer_id, epoch: request.producer_epoch },
        outcome: if request.committed { Outcome::Commit } else { Outcome::Abort },
        version: if call.version >= BUMPS_EPOCH { Version::V2 } else { Version::V1 },
    };
    let ending = call.shared.transactions.request(Request::End(end));
    async move {
        let refused = |refusal| {
            let code = if refusal == Refusal::ProducerFenced && call.version < 2 {
                ErrorCode::InvalidProducerEpoch
            } else {
                errors::of_refusal(refusal)
            };
            EndTxnResponse { error_code: code, ..EndTxnResponse::default() }
        };
        match ending.await {
            Some(Response::End(Ok(producer))) => {
                EndTxnResponse { producer_id: producer.id, producer_epoch: producer.epoch, ..EndTxnResponse::default() }
            }
            Some(Response::End(Err(refusal))) => refused(refusal),
            _ => refused(Refusal::CoordinatorNotAvailable),
        }
    }
}
