//! One transaction from its first byte to its known outcome: produce, name offsets, end; settle and ask when an answer is lost.

use std::collections::BTreeMap;

use units::Offset;

use super::{Ask, Pod, adoption::Hash};
use crate::{
    Burst, CommitMark, CommitNumber, Committed, Failure, HashPartition, Input, Intention, NamedOffset, TRANSACTION_TIMEOUT_MAX_MS, Ticket,
    Time,
    intention::ManifestDue,
    rules::{burst, fence, waiting},
};

/// What a transaction holds. Kept until the outcome is known, so that the same bytes can be sent again.
#[derive(Clone, Debug)]
enum Content<B> {
    /// A cut was asked for; the manifests it shall hold.
    Awaited(Vec<ManifestDue>),
    Claims(Vec<HashPartition>),
    Burst(Burst<B>, Vec<ManifestDue>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Cut,
    Produce,
    Name,
    /// The group refused the generation: join first, then name again in the same transaction.
    NameInNextGeneration,
    End,
    /// Have the transaction decided; the outcome matters if its end was asked for.
    Settle {
        may_have_committed: bool,
        keep_identity: bool,
    },
    AskOutcome,
}

#[derive(Debug)]
pub(super) struct Transaction<B> {
    mark: CommitMark,
    content: Content<B>,
    step: Step,
    ask: Ask,
    cut_at: Time,
    /// When the first byte of this attempt was sent.
    opened: Option<Time>,
    /// Offsets after the records written to state partitions.
    ends: Vec<(HashPartition, Offset)>,
    named: Vec<NamedOffset>,
}

impl<B> Transaction<B> {
    pub(super) fn waits_for_generation(&self) -> bool {
        self.step == Step::NameInNextGeneration
    }

    /// The coordinator gives a transaction up after its timeout; the pod does so earlier, so that it is not taken for a stranger.
    fn gives_up_at(&self, timeout_ms: u64) -> Option<Time> {
        let early = matches!(self.step, Step::Produce | Step::Name | Step::NameInNextGeneration);
        self.opened.filter(|_| early).map(|opened| opened.plus(timeout_ms / 3 * 2))
    }

    pub(super) fn deadline(&self, timeout_ms: u64) -> Option<Time> {
        self.ask.deadline().into_iter().chain(self.gives_up_at(timeout_ms)).min()
    }
}

impl<B: Clone> Pod<B> {
    pub(super) fn advance_transaction(&mut self, now: Time) {
        if self.transaction.is_none() && !self.is_joining() {
            self.begin(now);
        }
        let gives_up = self.transaction.as_ref().and_then(|transaction| transaction.gives_up_at(self.transaction_timeout_ms));
        if gives_up.is_some_and(|at| now >= at) {
            self.transaction_timeout_ms = (2 * self.transaction_timeout_ms).min(TRANSACTION_TIMEOUT_MAX_MS);
            self.step_to(Step::Settle { may_have_committed: false, keep_identity: true }, Ask::Now);
        }
        self.send(now);
    }

    /// Begins the next transaction, if one is due: claims before commits.
    fn begin(&mut self, now: Time) {
        if self.fetch_wanted(now) && !self.hashes.values().any(super::Hash::is_ready) {
            return;
        }
        let Some(life) = self.life else { return };
        let mark = CommitMark { life, number: CommitNumber(self.number.0 + 1) };
        let claims = self.to_be_claimed();
        let cut_first = self.cut_before_claims && self.hashes.values().any(super::Hash::is_ready);
        let (content, step) = if !claims.is_empty() && !self.fetch.is_sent() && !cut_first {
            (Content::Claims(claims), Step::Produce)
        } else if cut_first || self.is_cut_due(now) {
            (Content::Awaited(self.checkpoint.due()), Step::Cut)
        } else {
            return;
        };
        if step == Step::Cut {
            self.cut_taken();
        }
        self.number = mark.number;
        self.transaction =
            Some(Transaction { mark, content, step, ask: Ask::Now, cut_at: now, opened: None, ends: Vec::new(), named: Vec::new() });
    }

    /// Sends the request of the current step, if it is due.
    fn send(&mut self, now: Time) {
        let reads = self.reads_outstanding() + self.claims_in_flight();
        let next_ticket = Ticket(self.tickets + 1);
        let Some(transaction) = self.transaction.as_mut() else { return };
        if !transaction.ask.is_due(now) {
            return;
        }
        let ticket = next_ticket;
        let intention = match transaction.step {
            Step::NameInNextGeneration => return,
            Step::End if !waiting::may_end(&self.rules, reads) => return,
            Step::Cut => {
                let Content::Awaited(manifests) = &transaction.content else { unreachable!("a cut is asked for once") };
                Intention::Cut { ticket, number: transaction.mark.number, manifests: manifests.clone() }
            }
            Step::Produce => {
                transaction.opened = Some(now);
                match &transaction.content {
                    Content::Claims(hashes) => Intention::ProduceClaims { ticket, mark: transaction.mark, hashes: hashes.clone() },
                    Content::Burst(burst, _) => Intention::Produce { ticket, payload: burst.payload.clone() },
                    Content::Awaited(_) => unreachable!("a burst is produced after its cut"),
                }
            }
            // Only with rule 1 switched off is there a commit that names nothing.
            Step::Name if names(&self.rules, transaction, &self.hashes).is_empty() => {
                transaction.step = Step::End;
                return self.send(now);
            }
            Step::Name => {
                let membership = self.membership.as_ref().expect("a pod makes transactions only as a member");
                transaction.named = names(&self.rules, transaction, &self.hashes);
                Intention::NameOffsets {
                    ticket,
                    mark: transaction.mark,
                    member_id: membership.member_id.clone(),
                    generation: membership.generation,
                    offsets: transaction.named.clone(),
                }
            }
            Step::End => Intention::EndTransaction(ticket),
            Step::Settle { keep_identity, .. } => Intention::Settle { ticket, keep_identity, timeout_ms: self.transaction_timeout_ms },
            Step::AskOutcome => Intention::FetchOffsets(ticket, transaction.named.iter().map(|named| named.input).collect()),
        };
        transaction.ask = Ask::Sent(ticket);
        self.tickets = ticket.0;
        self.out.push_back(intention);
    }

    /// Claims of this very transaction: they cannot be read before it ends.
    fn claims_in_flight(&self) -> usize {
        let claims = |transaction: &Transaction<B>| if let Content::Claims(hashes) = &transaction.content { hashes.len() } else { 0 };
        self.transaction.as_ref().map_or(0, claims)
    }

    pub(super) fn cut(&mut self, now: Time, ticket: Ticket, burst: Option<Burst<B>>) {
        let Some(transaction) = self.transaction.as_mut().filter(|t| t.step == Step::Cut && t.ask.expects(ticket)) else { return };
        let Content::Awaited(manifests) = &transaction.content else { unreachable!("a cut is answered once") };
        let Some(burst) = burst else {
            assert!(manifests.is_empty(), "a cut that was to hold manifests is not empty");
            self.transaction = None;
            self.drained = true;
            self.cut_before_claims = false;
            self.pace.idle(now);
            return;
        };
        let touched = |hash| burst.hashes.iter().any(|touched| touched.hash == hash);
        assert!(!burst.hashes.is_empty(), "every commit has a witness in a state partition");
        assert!(burst.exchanges.iter().all(|&(_, hash, _)| touched(hash)), "rows taken from an exchange are witnessed in their state");
        let due = std::mem::take(&mut transaction.content);
        let Content::Awaited(mut manifests) = due else { unreachable!("looked at above") };
        // A floor may move only with the manifest that makes what is below it superfluous.
        manifests.retain(|manifest| burst.hashes.iter().any(|touched| touched.hash == manifest.hash && touched.manifest));
        transaction.content = Content::Burst(burst, manifests);
        (transaction.step, transaction.ask) = (Step::Produce, Ask::Now);
    }

    pub(super) fn produced(&mut self, now: Time, ticket: Ticket, answer: Result<Vec<(HashPartition, Offset)>, Failure>) {
        if !self.answers(Step::Produce, ticket) {
            return;
        }
        match answer {
            Ok(ends) => {
                let transaction = self.transaction.as_mut().expect("it was just asked");
                transaction.ends = ends;
                (transaction.step, transaction.ask) = (Step::Name, Ask::Now);
            }
            Err(Failure::Fenced(which)) => self.fenced(now, which),
            Err(failure) => self.settle_after(now, &failure, false),
        }
    }

    pub(super) fn offsets_named(&mut self, now: Time, ticket: Ticket, answer: Result<(), Failure>) {
        if !self.answers(Step::Name, ticket) {
            return;
        }
        match answer {
            Ok(()) => self.step_to(Step::End, Ask::Now),
            Err(Failure::Fenced(which)) => {
                self.step_to(Step::NameInNextGeneration, Ask::Now);
                self.fenced(now, which);
            }
            Err(Failure::Generation) => {
                self.step_to(Step::NameInNextGeneration, Ask::Now);
                self.join_wanted = true;
            }
            // Naming the same offsets twice in one transaction changes nothing.
            Err(failure @ (Failure::Retry(_) | Failure::Unknown(_))) => {
                let again = self.wait(now, &failure);
                self.step_to(Step::Name, again);
            }
            Err(failure @ Failure::Refused(_)) => self.settle_after(now, &failure, false),
        }
    }

    /// A generation came in which the pod still owns what it owned: what was refused is repeated.
    pub(super) fn generation_came(&mut self) {
        if self.transaction.as_ref().is_some_and(Transaction::waits_for_generation) {
            self.step_to(Step::Name, Ask::Now);
        }
    }

    pub(super) fn ended(&mut self, now: Time, ticket: Ticket, answer: Result<(), Failure>) {
        if !self.answers(Step::End, ticket) {
            return;
        }
        match answer {
            Ok(()) => self.committed(now),
            Err(Failure::Fenced(which)) => self.fenced(now, which),
            Err(failure @ Failure::Retry(_)) => {
                let again = self.wait(now, &failure);
                self.step_to(Step::End, again);
            }
            Err(failure) => self.settle_after(now, &failure, true),
        }
    }

    pub(super) fn settled(&mut self, now: Time, ticket: Ticket, answer: Result<(), Failure>) {
        let Some(transaction) = self.transaction.as_mut().filter(|transaction| transaction.ask.expects(ticket)) else { return };
        let Step::Settle { may_have_committed, .. } = transaction.step else { return };
        match answer {
            Ok(()) => {
                let next = if may_have_committed { Step::AskOutcome } else { Step::Produce };
                self.succeeded();
                self.step_to(next, Ask::Now);
            }
            Err(Failure::Fenced(which)) => self.fenced(now, which),
            Err(failure) => {
                // A coordinator may allow less than is asked for: what it took first it takes again.
                if matches!(failure, Failure::Refused(_)) {
                    self.transaction_timeout_ms = self.config.transaction_timeout_ms;
                }
                let again = self.wait(now, &failure);
                let step = self.transaction.as_ref().expect("it was just asked").step;
                self.step_to(step, again);
            }
        }
    }

    pub(super) fn outcome_fetched(&mut self, now: Time, ticket: Ticket, answer: Result<Vec<(Input, Option<Committed>)>, Failure>) {
        if !self.answers(Step::AskOutcome, ticket) {
            return;
        }
        match answer {
            Ok(offsets) => {
                let mark = self.transaction.as_ref().expect("it was just asked").mark;
                if burst::was_committed(&self.rules, mark, &offsets) {
                    self.committed(now);
                } else {
                    self.step_to(Step::Produce, Ask::Now);
                }
            }
            Err(Failure::Fenced(which)) => self.fenced(now, which),
            Err(failure) => {
                let again = self.wait(now, &failure);
                self.step_to(Step::AskOutcome, again);
            }
        }
    }

    /// The transaction is known committed.
    fn committed(&mut self, now: Time) {
        let transaction = self.transaction.take().expect("only an existing transaction commits");
        self.succeeded();
        let mark = transaction.mark;
        match transaction.content {
            Content::Awaited(_) => unreachable!("nothing commits before its cut"),
            Content::Claims(hashes) => self.claimed(mark, &hashes),
            Content::Burst(burst, manifests) => {
                self.cut_before_claims = false;
                let members = self.membership.as_ref().map_or(1, |membership| membership.members);
                self.pace.committed(transaction.cut_at, now, burst.markers, members);
                for touched in &burst.hashes {
                    let Some(slot) = self.hashes.get_mut(&touched.hash) else { continue };
                    slot.last = mark.number;
                    slot.delta_bytes += touched.delta_bytes;
                }
                for &(hash, end) in &transaction.ends {
                    self.hashes.entry(hash).and_modify(|slot| slot.end = end);
                }
                self.wholes_committed(&burst);
                self.manifests_committed(&manifests);
                self.trim.exchanges_read(&burst.exchanges);
                self.last_commit = Some((mark.number, now));
                self.out.push_back(Intention::Committed { mark, manifests });
            }
        }
    }

    /// A producer fence that does not drop what is held: only with the rule switched off.
    pub(super) fn settle_anew(&mut self) {
        let ended = |step| matches!(step, Step::End | Step::AskOutcome | Step::Settle { may_have_committed: true, .. });
        let may_have_committed = self.transaction.as_ref().is_some_and(|transaction| ended(transaction.step));
        self.step_to(Step::Settle { may_have_committed, keep_identity: false }, Ask::Now);
    }

    fn settle_after(&mut self, now: Time, failure: &Failure, may_have_committed: bool) {
        let after = self.wait(now, failure);
        self.step_to(Step::Settle { may_have_committed, keep_identity: true }, after);
    }

    fn step_to(&mut self, step: Step, ask: Ask) {
        if let Some(transaction) = self.transaction.as_mut() {
            (transaction.step, transaction.ask) = (step, ask);
            // The clock of an attempt starts with its first byte.
            transaction.opened = transaction.opened.filter(|_| step != Step::Produce);
        }
    }

    fn answers(&self, step: Step, ticket: Ticket) -> bool {
        self.transaction.as_ref().is_some_and(|transaction| transaction.step == step && transaction.ask.expects(ticket))
    }
}

impl<B> Default for Content<B> {
    fn default() -> Self {
        Self::Claims(Vec::new())
    }
}

/// What this transaction's `TxnOffsetCommit` names: a claim names the state partitions claimed, with the floor and the content they
/// have.
fn names<B>(rules: &crate::Rules, transaction: &Transaction<B>, hashes: &BTreeMap<HashPartition, Hash>) -> Vec<NamedOffset> {
    match &transaction.content {
        Content::Awaited(_) => Vec::new(),
        Content::Claims(claimed) => {
            let slots = claimed.iter().filter_map(|hash| Some((hash, hashes.get(hash)?)));
            slots.map(|(&hash, slot)| NamedOffset { input: Input::State(hash), position: slot.floor, content: slot.last }).collect()
        }
        Content::Burst(burst, manifests) => {
            let mut floors: BTreeMap<HashPartition, Offset> = hashes.iter().map(|(&hash, slot)| (hash, slot.floor)).collect();
            floors.extend(manifests.iter().map(|manifest| (manifest.hash, manifest.floor)));
            fence::named(rules, burst, transaction.mark.number, &floors)
        }
    }
}
