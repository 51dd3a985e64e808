//! Adds that come while a step of their transactional id is on its way, or its last transaction is being completed, and that said they
//! would rather wait than be told to come again: produces and offset commits that have begun and cannot be asked twice.

use std::collections::VecDeque;

use units::{DurationMs, TimestampMs, TransactionalId};

use super::{Request, Response, Timer, Transactions};
use crate::{
    Refusal, Token,
    timers::{after, elapsed},
};

/// One that waits, in the order in which they came.
#[derive(Debug)]
pub(super) struct Parked {
    token: Token,
    request: Request,
    until: TimestampMs,
}

impl Transactions {
    /// Gives the request back where it need not, or will not, wait.
    pub(super) fn park(&mut self, now: TimestampMs, token: Token, request: Request) -> Option<Request> {
        let (id, patience) = match &request {
            Request::AddPartitions(add) => (&add.transactional_id, add.patience),
            Request::AddGroup(add) => (&add.transactional_id, add.patience),
            Request::InitProducer(_) | Request::End(_) => return Some(request),
        };
        if patience <= DurationMs(0) || !self.is_busy(id) {
            return Some(request);
        }
        let (id, until) = (id.clone(), after(now, patience));
        let parked: &mut VecDeque<_> = self.parked.entry(id.clone()).or_default();
        parked.push_back(Parked { token, request, until });
        let first = parked.iter().map(|parked| parked.until).min().expect("one was just put there");
        self.timers.set(Timer::Parked(id), first);
        None
    }

    /// Something has changed for `id`, or time is over for the first that waits: each is looked at again, with the patience it has left.
    pub(super) fn serve_parked(&mut self, now: TimestampMs, id: &TransactionalId) {
        self.timers.clear(&Timer::Parked(id.clone()));
        for Parked { token, mut request, until } in self.parked.remove(id).unwrap_or_default() {
            if let Request::AddPartitions(super::AddPartitions { patience, .. }) | Request::AddGroup(super::AddGroup { patience, .. }) =
                &mut request
            {
                *patience = elapsed(now, until);
            }
            self.handle(now, token, request);
        }
    }

    pub(super) fn refuse_parked(&mut self, id: &TransactionalId, refusal: Refusal) {
        self.timers.clear(&Timer::Parked(id.clone()));
        for Parked { token, request, .. } in self.parked.remove(id).unwrap_or_default() {
            let response = match request {
                Request::AddGroup(_) => Response::AddGroup(Err(refusal)),
                _ => Response::AddPartitions(Err(refusal)),
            };
            self.respond(token, response);
        }
    }
}
