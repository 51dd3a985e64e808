//! Changes that clients asked for and a custom resource must bring about: held, shown to whoever makes the desired state, and answered when
//! they are in force, are refused, or the client has waited long enough.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use control::{DesiredBroker, ProposalKind, ProposalRefusal, RefusalReason, TopicProblem, TopicProposal, TopicReason};
use tokio::sync::oneshot;
use units::Incarnation;
use wire::{ErrorCode, Str};

use crate::{
    catalogue::{Catalogue, Change, Topic, apply},
    errors,
    topics::{Topics, TopicsError},
};

/// Held at once; a client that asks for more is told to wait.
const HELD_MAX: usize = 1000;
/// No client is kept waiting for longer than this, whatever it asks for.
const PATIENCE_MAX: Duration = Duration::from_secs(300);

/// What a client is told.
pub(crate) type Answer = Result<Arc<Catalogue>, (ErrorCode, Str)>;

/// Every proposal that is held. One per broker.
#[derive(Debug)]
pub(crate) struct Proposals {
    incarnation: Incarnation,
    state: Mutex<State>,
    revision: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    held: BTreeMap<u64, Held>,
}

#[derive(Debug)]
struct Held {
    proposal: TopicProposal,
    change: Change,
    reply: Option<oneshot::Sender<Answer>>,
}

impl Proposals {
    pub(crate) fn new(incarnation: Incarnation) -> Self {
        Self { incarnation, state: Mutex::default(), revision: AtomicU64::new(0) }
    }

    /// Asks for `change` and waits until it is in force, at most for `patience`.
    ///
    /// # Cancel safety
    /// Dropping the future withdraws the proposal, which may come into force all the same.
    pub(crate) async fn ask(&self, topics: &Topics, change: Change, client_id: &str, patience: Duration) -> Answer {
        let (reply, answer) = oneshot::channel();
        let number = self.hold(topics, change, client_id, Some(reply))?;
        let _held = Withdraw { proposals: self, number };
        match tokio::time::timeout(patience.min(PATIENCE_MAX), answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err((ErrorCode::UnknownServerError, Str::from_static("the broker dropped the request"))),
            Err(_) => Err((
                ErrorCode::RequestTimedOut,
                Str::from_static("the operator did not bring it about in time; nothing is half done, and it may still come"),
            )),
        }
    }

    /// Asks for `change` without waiting for it, for as long as `patience`; once, however often it is asked for.
    pub(crate) fn ask_for_later(self: &Arc<Self>, topics: &Topics, change: Change, client_id: &str, patience: Duration) {
        let is_held =
            self.state().held.values().any(|held| held.proposal.kind == kind_of(&change) && held.change.topic() == change.topic());
        if is_held {
            return;
        }
        if let Ok(number) = self.hold(topics, change, client_id, None) {
            let proposals = Arc::clone(self);
            tokio::spawn(async move {
                tokio::time::sleep(patience).await;
                proposals.withdraw(number);
            });
        }
    }

    fn hold(
        &self,
        topics: &Topics,
        change: Change,
        client_id: &str,
        reply: Option<oneshot::Sender<Answer>>,
    ) -> Result<u64, (ErrorCode, Str)> {
        let mut state = self.state();
        // Under the lock: what comes into force from here on is seen by `follow`, which takes it after that.
        let (now, next) = topics.propose(&change).map_err(|refused| errors::of_topics(&TopicsError::Refused(refused)))?;
        if state.held.len() >= HELD_MAX {
            return Err((
                ErrorCode::RequestTimedOut,
                Str::from_static("too many changes of topics wait for the operator; try again later"),
            ));
        }
        state.next += 1;
        let number = state.next;
        let id = format!("{}-{number}", self.incarnation);
        let proposal = proposal(id, &change, &now, &next, client_id);
        tracing::info!(id = proposal.id, topic = %proposal.topic, kind = ?proposal.kind, client_id, "a client asks for a change; it waits for the operator");
        state.held.insert(number, Held { proposal, change, reply });
        drop(state);
        self.revision.fetch_add(1, Ordering::Relaxed);
        Ok(number)
    }

    fn withdraw(&self, number: u64) {
        if self.state().held.remove(&number).is_some() {
            self.revision.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Answers those that `desired`, which is in force now, settles.
    pub(crate) fn follow(&self, topics: &Topics, desired: &DesiredBroker) {
        let mut state = self.state();
        let (catalogue, (_, problems)) = (topics.now(), topics.progress());
        let settled = state.held.extract_if(.., |_, held| outcome(held, desired, &catalogue, &problems).is_some());
        let mut count = 0;
        for (_, mut held) in settled {
            count += 1;
            let outcome = outcome(&held, desired, &catalogue, &problems).expect("it was just settled");
            if let Err((code, message)) = &outcome {
                tracing::info!(id = held.proposal.id, topic = %held.proposal.topic, ?code, "a change is refused: {}", &**message);
            }
            if let Some(reply) = held.reply.take() {
                let _ = reply.send(outcome.map(|()| Arc::clone(&catalogue)));
            }
        }
        drop(state);
        if count > 0 {
            self.revision.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Those that wait, oldest first.
    pub(crate) fn held(&self) -> Vec<TopicProposal> {
        self.state().held.values().map(|held| held.proposal.clone()).collect()
    }

    /// Another number whenever [`Proposals::held`] changes.
    pub(crate) fn revision(&self) -> u64 {
        self.revision.load(Ordering::Relaxed)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A proposal whose client no longer waits is not held.
struct Withdraw<'a> {
    proposals: &'a Proposals,
    number: u64,
}

impl Drop for Withdraw<'_> {
    fn drop(&mut self) {
        self.proposals.withdraw(self.number);
    }
}

fn kind_of(change: &Change) -> ProposalKind {
    match change {
        Change::Create { .. } => ProposalKind::Create,
        Change::Delete { .. } => ProposalKind::Delete,
        Change::Grow { .. } => ProposalKind::Grow,
        Change::Configure { .. } | Change::Reconfigure { .. } => ProposalKind::Configure,
    }
}

/// The change as whoever makes the desired state sees it: the topic as it shall be, or as it is where it shall go.
fn proposal(id: String, change: &Change, now: &Catalogue, next: &Catalogue, client_id: &str) -> TopicProposal {
    let name = change.topic();
    let current = now.get(name.as_str());
    let shown = next.get(name.as_str()).or(current).expect("a change that was accepted is about a topic");
    TopicProposal {
        id,
        kind: kind_of(change),
        topic: name.clone(),
        topic_id: current.map(|topic| topic.id),
        partitions: shown.partitions,
        retention: shown.retention,
        config: shown.config.clone(),
        client_id: client_id.chars().take(256).collect(),
    }
}

/// Whether a proposal is settled, and how; `None` where it waits on.
fn outcome(
    held: &Held,
    desired: &DesiredBroker,
    catalogue: &Catalogue,
    problems: &BTreeMap<units::TopicName, TopicProblem>,
) -> Option<Result<(), (ErrorCode, Str)>> {
    if let Some(refusal) = desired.refused_proposals.iter().find(|refusal| refusal.id == held.proposal.id) {
        return Some(Err(refused(refusal)));
    }
    if is_in_force(held, catalogue) {
        return Some(Ok(()));
    }
    // Somebody declared it so, and it does not work: that is the answer, unless it is only not yet.
    let problem = problems.get(held.change.topic()).filter(|problem| problem.reason != TopicReason::BrokerUnavailable)?;
    (held.proposal.kind != ProposalKind::Delete).then(|| Err((code_of(problem.reason), Str::from(problem.message.as_str()))))
}

/// Whether asking again would change nothing.
fn is_in_force(held: &Held, catalogue: &Catalogue) -> bool {
    let current = catalogue.get(held.proposal.topic.as_str());
    let Some(id) = held.proposal.topic_id else { return current.is_some() };
    let Some(current) = current.filter(|current| current.id == id) else { return held.proposal.kind == ProposalKind::Delete };
    match &held.change {
        Change::Create { .. } => true,
        Change::Delete { .. } => false,
        Change::Grow { partitions, .. } => current.partitions >= *partitions,
        change @ (Change::Configure { .. } | Change::Reconfigure { .. }) => {
            // Whoever owns it: only its settings count.
            let mut alone = Catalogue::default();
            alone.insert(Topic { owner: None, ..Topic::clone(current) });
            let changed = apply(&alone, change, id).ok();
            changed
                .as_ref()
                .and_then(|changed| changed.get(held.proposal.topic.as_str()))
                .is_some_and(|changed| (changed.retention, &changed.config) == (current.retention, &current.config))
        }
    }
}

fn refused(refusal: &ProposalRefusal) -> (ErrorCode, Str) {
    let code = match refusal.reason {
        RefusalReason::Policy => ErrorCode::PolicyViolation,
        RefusalReason::InvalidConfig => ErrorCode::InvalidConfig,
        RefusalReason::InvalidPartitions => ErrorCode::InvalidPartitions,
        RefusalReason::Exists => ErrorCode::TopicAlreadyExists,
    };
    (code, Str::from(refusal.message.as_str()))
}

fn code_of(reason: TopicReason) -> ErrorCode {
    match reason {
        TopicReason::Conflict | TopicReason::TopicIdMismatch => ErrorCode::PolicyViolation,
        TopicReason::PartitionsAboveSpec => ErrorCode::InvalidPartitions,
        TopicReason::InvalidConfig => ErrorCode::InvalidConfig,
        TopicReason::BrokerUnavailable => ErrorCode::KafkaStorageError,
    }
}
