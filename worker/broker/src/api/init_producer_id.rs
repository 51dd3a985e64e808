//! InitProducerId (22): an id and epoch; with a transactional id, whoever had it before is fenced (KIP-98, KIP-360).

use coordinators::{
    Refusal,
    transactions::{InitProducer, Producer, Request, Response},
};
use units::{DurationMs, ProducerId, TransactionalId};
use wire::{ErrorCode, InitProducerIdRequest, InitProducerIdResponse};

use crate::{dispatch::Call, errors};

pub(crate) fn answer(call: Call, request: InitProducerIdRequest) -> impl Future<Output = InitProducerIdResponse> + Send + 'static {
    let has_one = request.producer_id != ProducerId::NONE;
    let init = InitProducer {
        transactional_id: request.transactional_id.as_deref().map(TransactionalId::from),
        timeout: DurationMs(i64::from(request.transaction_timeout_ms)),
        current: has_one.then_some(Producer { id: request.producer_id, epoch: request.producer_epoch }),
    };
    let making = call.shared.transactions.request(Request::InitProducer(init));
    async move {
        let refused = |refusal| {
            // Old clients know of fencing only by the code of Produce (KIP-588).
            let code = if refusal == Refusal::ProducerFenced && call.version < 4 {
                ErrorCode::InvalidProducerEpoch
            } else {
                errors::of_refusal(refusal)
            };
            InitProducerIdResponse { error_code: code, ..InitProducerIdResponse::default() }
        };
        match making.await {
            Some(Response::InitProducer(Ok(producer))) => {
                InitProducerIdResponse { producer_id: producer.id, producer_epoch: producer.epoch, ..InitProducerIdResponse::default() }
            }
            Some(Response::InitProducer(Err(refusal))) => refused(refusal),
            _ => refused(Refusal::CoordinatorNotAvailable),
        }
    }
}
