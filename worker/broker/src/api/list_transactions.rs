//! ListTransactions (66): transactional ids, by state, producer and age (KIP-664, KIP-994).

use coordinators::transactions::{TransactionListing, TransactionState, Transactions};
use wire::{ListTransactionsRequest, ListTransactionsResponse, Str, list_transactions as l};

use crate::{clock, dispatch::Call, errors};

/// Every state a filter may name.
const STATES: [TransactionState; 6] = [
    TransactionState::Empty,
    TransactionState::Ongoing,
    TransactionState::PrepareCommit,
    TransactionState::PrepareAbort,
    TransactionState::CompleteCommit,
    TransactionState::CompleteAbort,
];

pub(crate) async fn answer(call: Call, request: ListTransactionsRequest) -> ListTransactionsResponse {
    let (known, unknown): (Vec<Str>, Vec<Str>) =
        request.state_filters.into_iter().partition(|filter| STATES.iter().any(|state| **filter == *state.name()));
    let is_wanted = |listing: &TransactionListing| {
        let state = known.is_empty() && unknown.is_empty() || known.iter().any(|filter| **filter == *listing.state.name());
        let producer = request.producer_id_filters.is_empty() || request.producer_id_filters.contains(&listing.producer.id);
        let age = request.duration_filter < 0 || listing.open_for.is_some_and(|open_for| open_for.0 >= request.duration_filter);
        // A Pipeline's inside is shown only to those who ask for its producer.
        let is_shown = !listing.transactional_id.as_str().starts_with("_sw.") || !request.producer_id_filters.is_empty();
        state && producer && age && is_shown
    };
    let looked = call.shared.transactions.read(|transactions: &Transactions| transactions.list(clock::now())).await;
    let listed = match looked {
        Some(Ok(listed)) => listed,
        Some(Err(refusal)) => {
            return ListTransactionsResponse { error_code: errors::of_refusal(refusal), ..ListTransactionsResponse::default() };
        }
        None => {
            return ListTransactionsResponse {
                error_code: wire::ErrorCode::CoordinatorNotAvailable,
                ..ListTransactionsResponse::default()
            };
        }
    };
    let state = |listing: TransactionListing| l::TransactionState {
        transactional_id: Str::from(listing.transactional_id.as_str()),
        producer_id: listing.producer.id,
        transaction_state: Str::from_static(listing.state.name()),
    };
    let transaction_states = listed.into_iter().filter(is_wanted).map(state).collect();
    ListTransactionsResponse { unknown_state_filters: unknown, transaction_states, ..ListTransactionsResponse::default() }
}
