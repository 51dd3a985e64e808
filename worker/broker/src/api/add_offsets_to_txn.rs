//! AddOffsetsToTxn (25): a group becomes part of the transaction, for clients before KIP-890.

use coordinators::{
    Refusal,
    transactions::{AddGroup, Producer, Request, Response, Version},
};
use units::{DurationMs, GroupId, TransactionalId};
use wire::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, ErrorCode};

use crate::{dispatch::Call, errors};

pub(crate) fn answer(call: Call, request: AddOffsetsToTxnRequest) -> impl Future<Output = AddOffsetsToTxnResponse> + Send + 'static {
    let add = AddGroup {
        transactional_id: TransactionalId::from(&*request.transactional_id),
        producer: Producer { id: request.producer_id, epoch: request.producer_epoch },
        group: GroupId::from(&*request.group_id),
        version: Version::V1,
        patience: DurationMs(0),
    };
    let adding = call.shared.transactions.request(Request::AddGroup(add));
    async move {
        let error_code = match adding.await {
            Some(Response::AddGroup(added)) => added.map_or_else(errors::of_refusal, |()| ErrorCode::None),
            _ => errors::of_refusal(Refusal::CoordinatorNotAvailable),
        };
        AddOffsetsToTxnResponse { error_code, ..AddOffsetsToTxnResponse::default() }
    }
}
