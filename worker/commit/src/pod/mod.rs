//! The pod core: one value that everything happens to, and the order in which it wants things done.

mod adoption;
mod ask;
mod group;
mod transaction;
mod upkeep;

use std::collections::{BTreeMap, VecDeque};

use adoption::{Hash, Source};
use ask::{Ask, Backoff};
use transaction::Transaction;

use crate::{
    CommitNumber, Committed, Config, DataLoss, Event, Failure, HashPartition, Input, Intention, Life, Membership, Pace, Route, Rules,
    SourceIndex, StopReason, Ticket, Time,
};

/// The state machine of one pod of one pipeline.
///
/// Drive it like this: hand it an [`Event`] or the time, perform every [`Intention`] that [`Pod::next_intention`] gives, in order, and wake up
/// again at [`Pod::deadline`] at the latest. Requests are answered by ticket; whatever a pod no longer waits for, it ignores, so a late
/// answer does no harm.
#[derive(Debug)]
pub struct Pod<B> {
    config: Config,
    rules: Rules,
    phase: Phase,
    out: VecDeque<Intention<B>>,
    tickets: u64,
    life: Option<Life>,
    /// Greatest commit number known to be taken, in offsets or state.
    number: CommitNumber,
    register: Ask,
    membership: Option<Membership>,
    join: Ask,
    join_wanted: bool,
    /// Join then if no generation has come: something was left unassigned, and whoever was to give it up may be gone.
    join_again_at: Option<Time>,
    fetch: Ask,
    /// What the group knew of inputs before this pod claimed them.
    group: BTreeMap<Input, Committed>,
    sources: BTreeMap<SourceIndex, Source>,
    hashes: BTreeMap<HashPartition, Hash>,
    transaction: Option<Transaction<B>>,
    /// As last told to the coordinator, in milliseconds.
    transaction_timeout_ms: u64,
    pace: Pace,
    changed: bool,
    pending_bytes: u64,
    /// Rows on their way to the exchanges are committed before the exchanges are claimed again: they belong before the claim.
    cut_before_claims: bool,
    /// The last cut made while draining found nothing.
    drained: bool,
    paused: bool,
    route: Route,
    stop: Option<upkeep::Stop>,
    checkpoint: upkeep::Checkpoint,
    trim: upkeep::Trim,
    verify: upkeep::Verify,
    backoff: Backoff,
    trouble: Option<String>,
    last_commit: Option<(CommitNumber, Time)>,
    /// Everything due until then was done, or waits for an event.
    advanced_to: Time,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// A life begins: `InitProducerId` comes before `JoinGroup`, so that an earlier life of this name is fenced before it can
    /// be replaced in the group.
    Registering,
    /// Registered; joins, and then works.
    Member,
    Leaving(Ticket),
    Stopped(StopReason),
}

/// What a pod looks like from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its place in the group, once it has one.
    pub membership: Option<Membership>,
    /// Hash partitions whose state is complete.
    pub ready_hashes: u32,
    /// Hash partitions being taken over.
    pub restoring_hashes: u32,
    /// Source partitions that are read.
    pub running_sources: u32,
    /// Last commit known committed, and when.
    pub last_commit: Option<(CommitNumber, Time)>,
    /// Time between commits as it is now, in milliseconds.
    pub interval_ms: u64,
    /// The last failure, until something succeeds.
    pub trouble: Option<String>,
    /// Why it does nothing more, if so.
    pub stopped: Option<StopReason>,
}

impl<B: Clone> Pod<B> {
    /// A pod that owns nothing yet. Ask [`Pod::tick`] to begin.
    #[must_use]
    pub fn new(config: Config, rules: Rules) -> Self {
        let pace = Pace::new(config.commit_interval_ms);
        Self {
            transaction_timeout_ms: config.transaction_timeout_ms,
            config,
            rules,
            phase: Phase::Registering,
            out: VecDeque::new(),
            tickets: 0,
            life: None,
            number: CommitNumber(0),
            register: Ask::Now,
            membership: None,
            join: Ask::Now,
            join_wanted: true,
            join_again_at: None,
            fetch: Ask::Now,
            group: BTreeMap::new(),
            sources: BTreeMap::new(),
            hashes: BTreeMap::new(),
            transaction: None,
            pace,
            changed: false,
            pending_bytes: 0,
            cut_before_claims: false,
            drained: false,
            paused: false,
            route: Route::Undecided,
            stop: None,
            checkpoint: upkeep::Checkpoint::default(),
            trim: upkeep::Trim::default(),
            verify: upkeep::Verify::default(),
            backoff: Backoff::default(),
            trouble: None,
            last_commit: None,
            advanced_to: Time(0),
        }
    }

    /// Something happened.
    pub fn on(&mut self, now: Time, event: Event<B>) {
        if matches!(self.phase, Phase::Stopped(_)) {
            return;
        }
        self.take(now, event);
        self.advance(now);
    }

    /// Time went by.
    pub fn tick(&mut self, now: Time) {
        self.advance(now);
    }

    /// The next thing to do, in order.
    pub fn next_intention(&mut self) -> Option<Intention<B>> {
        self.out.pop_front()
    }

    /// When [`Pod::tick`] has something to do even if nothing happens.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        let transaction = self.transaction.as_ref().and_then(|transaction| transaction.deadline(self.transaction_timeout_ms));
        let cut = (self.transaction.is_none() && (self.changed || self.checkpoint.is_due())).then(|| self.pace.due_at());
        let asks = [
            self.register.deadline(),
            self.join.deadline(),
            self.fetch.deadline(),
            self.checkpoint.deadline(),
            self.trim.deadline(),
            self.verify.ask.deadline(),
        ];
        asks.into_iter().chain([transaction, cut, self.join_again_at]).flatten().filter(|&at| at > self.advanced_to).min()
    }

    /// What can be told to others.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let ready = self.hashes.values().filter(|hash| hash.is_ready()).count();
        let running = self.sources.values().filter(|source| source.is_running()).count();
        Snapshot {
            membership: self.membership.clone(),
            ready_hashes: u32::try_from(ready).unwrap_or(u32::MAX),
            restoring_hashes: u32::try_from(self.hashes.len() - ready).unwrap_or(u32::MAX),
            running_sources: u32::try_from(running).unwrap_or(u32::MAX),
            last_commit: self.last_commit,
            interval_ms: self.pace.interval_ms(),
            trouble: self.trouble.clone(),
            stopped: match &self.phase {
                Phase::Stopped(reason) => Some(reason.clone()),
                _ => None,
            },
        }
    }

    /// Changes the wished time between commits, in milliseconds.
    pub fn set_commit_interval(&mut self, interval_ms: u64) {
        self.pace.ask(interval_ms);
    }

    fn take(&mut self, now: Time, event: Event<B>) {
        match event {
            Event::Registered(ticket, answer) if self.register.expects(ticket) => self.registered(now, answer),
            Event::Joined(ticket, answer) if self.join.expects(ticket) => self.joined(now, answer),
            Event::OffsetsFetched(ticket, answer) if self.fetch.expects(ticket) => self.offsets_fetched(now, answer),
            Event::OffsetsFetched(ticket, answer) if self.verify.ask.expects(ticket) => self.verified(now, answer),
            Event::OffsetsFetched(ticket, answer) => self.outcome_fetched(now, ticket, answer),
            Event::Cut(ticket, burst) => self.cut(now, ticket, burst),
            Event::Produced(ticket, answer) => self.produced(now, ticket, answer),
            Event::OffsetsNamed(ticket, answer) => self.offsets_named(now, ticket, answer),
            Event::Ended(ticket, answer) => self.ended(now, ticket, answer),
            Event::Settled(ticket, answer) => self.settled(now, ticket, answer),
            Event::Checkpointed(ticket, answer) => self.checkpointed(now, ticket, answer),
            Event::Left(ticket) if self.phase == Phase::Leaving(ticket) => self.halt(StopReason::Asked),
            Event::RebalanceNeeded => self.join_wanted = true,
            Event::MembershipLost(fence) => self.fenced(now, fence),
            Event::OutOfRange { input, asked, log_start, log_end } => {
                self.out_of_range(DataLoss::RecordsGone { input, needed: asked, log_start, log_end });
            }
            Event::Changed { pending_bytes } => (self.changed, self.pending_bytes, self.drained) = (true, pending_bytes, false),
            Event::StateSize { bytes } => self.checkpoint.state_bytes = bytes,
            Event::RestoreFailed(reason) => self.halt(StopReason::Restore(reason)),
            Event::Stop { leave } => self.stop_asked(leave),
            Event::Registered(..) | Event::Joined(..) | Event::Left(_) => {}
        }
    }

    fn advance(&mut self, now: Time) {
        self.advanced_to = now;
        match self.phase {
            Phase::Stopped(_) | Phase::Leaving(_) => return,
            Phase::Registering => self.advance_registration(now),
            Phase::Member => {
                self.advance_join(now);
                self.advance_adoption();
                self.advance_route();
                self.advance_transaction(now);
                self.advance_route();
                self.advance_upkeep(now);
            }
        }
        self.advance_stop();
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// Remembers a failure for status and says when to try again.
    fn wait(&mut self, now: Time, failure: &Failure) -> Ask {
        self.trouble = Some(failure.to_string());
        self.backoff.next(now, self.config.backoff_ms)
    }

    fn succeeded(&mut self) {
        self.backoff.succeeded();
        self.trouble = None;
    }

    /// Stops for good; whoever runs the pod decides whether another is started.
    fn halt(&mut self, reason: StopReason) {
        self.out.push_back(Intention::Stopped(reason.clone()));
        self.phase = Phase::Stopped(reason);
    }
}
