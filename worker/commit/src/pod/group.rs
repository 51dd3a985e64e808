//! Registering, joining, being fenced: how a life begins and ends.

use std::collections::BTreeSet;

use super::{Ask, Phase, Pod};
use crate::{
    Assignment, Failure, Fence, Intention, Joined, Life, Membership, Route, StopReason, Time,
    rules::{burst, fence},
};

impl<B: Clone> Pod<B> {
    pub(super) fn advance_registration(&mut self, now: Time) {
        if self.register.is_due(now) {
            let ticket = self.ticket();
            self.register = Ask::Sent(ticket);
            self.transaction_timeout_ms = self.config.transaction_timeout_ms;
            self.out.push_back(Intention::Register(ticket));
        }
    }

    pub(super) fn registered(&mut self, now: Time, answer: Result<Life, Failure>) {
        match answer {
            Ok(life) => {
                self.succeeded();
                self.life = Some(life);
                self.phase = Phase::Member;
                (self.join, self.join_wanted) = (Ask::Now, true);
            }
            Err(Failure::Fenced(Fence::Instance)) => self.halt(StopReason::Fenced(Fence::Instance)),
            Err(failure) => self.register = self.wait(now, &failure),
        }
    }

    /// A pod finishes its commit, or has not begun it, before it joins; unless the commit waits for a generation.
    pub(super) fn advance_join(&mut self, now: Time) {
        if self.join_again_at.take_if(|at| now >= *at).is_some() {
            self.join_wanted = true;
        }
        let free = self.transaction.as_ref().is_none_or(|transaction| transaction.waits_for_generation());
        if self.join_wanted && free && self.join.is_due(now) {
            let ticket = self.ticket();
            self.join = Ask::Sent(ticket);
            self.join_wanted = false;
            let owned = Assignment { sources: self.sources.keys().copied().collect(), hashes: self.hashes.keys().copied().collect() };
            let generation = self.membership.as_ref().map_or(-1, |membership| membership.generation);
            self.out.push_back(Intention::Join { ticket, owned, generation });
        }
    }

    pub(super) fn is_joining(&self) -> bool {
        self.join_wanted || self.join.is_sent()
    }

    pub(super) fn joined(&mut self, now: Time, answer: Result<Joined, Failure>) {
        let Joined { member_id, generation, share } = match answer {
            Ok(joined) => joined,
            Err(Failure::Fenced(which)) => {
                (self.join, self.join_wanted) = (Ask::Now, true);
                return self.fenced(now, which);
            }
            Err(failure) => {
                (self.join, self.join_wanted) = (self.wait(now, &failure), true);
                return;
            }
        };
        self.join = Ask::Now;
        self.join_again_at = (!share.complete).then(|| now.plus(self.config.session_timeout_ms));
        let membership = Membership { member_id, generation, members: share.members };
        let kept = self.membership.as_ref().is_none_or(|before| burst::may_repeat(&self.rules, before, &membership));
        if !kept {
            return self.reset(now, "the group went on without this member");
        }
        self.membership = Some(membership);
        if share.members > 0 && share.of != (self.config.sources, self.config.hash_partitions) {
            self.refuse_share(now);
        } else {
            self.succeeded();
            self.take_assignment(share.assignment);
        }
        self.generation_came();
    }

    /// A share of another plan: the group gave back what this pod had before it restarted, or its leader sees a topic that has grown since,
    /// or has not yet. Nothing of it is taken; the pod joins again, with another generation in its metadata, so that all is shared anew.
    fn refuse_share(&mut self, now: Time) {
        let why = Failure::Retry("the group has shared out other partitions than there are".into());
        (self.join, self.join_wanted) = (self.wait(now, &why), true);
    }

    /// New partitions are wanted; lost ones are committed and released if they run, and forgotten if they do not yet.
    fn take_assignment(&mut self, assignment: Assignment) {
        for &source in &assignment.sources {
            self.sources.entry(source).or_default().leaving = false;
        }
        for &hash in &assignment.hashes {
            self.hashes.entry(hash).or_default().leaving = false;
        }
        let listed = self.sources.len() + self.hashes.len();
        self.sources.retain(|source, slot| {
            slot.leaving = !assignment.sources.contains(source);
            !slot.leaving || slot.is_running()
        });
        self.hashes.retain(|hash, slot| {
            slot.leaving = !assignment.hashes.contains(hash);
            !slot.leaving || slot.is_ready()
        });
        // What was listed as owned and is dropped at once goes to another in the next generation.
        self.join_wanted |= self.sources.len() + self.hashes.len() < listed;
        self.drained = false;
        let alone = self.membership.as_ref().is_some_and(|membership| membership.members == 1);
        if alone && self.route == Route::Log {
            // What others left in the exchanges is before a new claim there: only then may rows go around the log.
            self.hashes.values_mut().for_each(super::Hash::claim_again);
            self.cut_before_claims = true;
        }
    }

    /// Lost partitions whose effects are committed are let go, and the group told so.
    pub(super) fn release(&mut self) {
        let sources: BTreeSet<_> = self.sources.iter().filter(|(_, slot)| slot.leaving).map(|(&source, _)| source).collect();
        let hashes: BTreeSet<_> = self.hashes.iter().filter(|(_, slot)| slot.leaving).map(|(&hash, _)| hash).collect();
        self.sources.retain(|_, slot| !slot.leaving);
        self.hashes.retain(|_, slot| !slot.leaving);
        self.group.retain(|input, _| match input {
            crate::Input::Source(source) => !sources.contains(source),
            crate::Input::Exchange(_, hash) | crate::Input::State(hash) => !hashes.contains(hash),
        });
        self.trim.forget(&hashes);
        self.out.push_back(Intention::Release(Assignment { sources, hashes }));
        self.join_wanted = true;
        self.drained = false;
    }

    pub(super) fn is_releasing(&self) -> bool {
        self.sources.values().any(|slot| slot.leaving) || self.hashes.values().any(|slot| slot.leaving)
    }

    /// One of the pod's identities is gone.
    pub(super) fn fenced(&mut self, now: Time, which: Fence) {
        match which {
            Fence::Instance if fence::drops_everything(&self.rules, which) => self.halt(StopReason::Fenced(which)),
            Fence::Producer | Fence::Member if fence::drops_everything(&self.rules, which) => self.reset(now, &which.to_string()),
            // What follows happens only with a rule switched off.
            Fence::Producer => self.settle_anew(),
            Fence::Member | Fence::Instance => self.join_wanted = true,
        }
    }

    /// Drops everything and begins a new life.
    pub(super) fn reset(&mut self, now: Time, why: &str) {
        self.trouble = Some(why.to_owned());
        self.phase = Phase::Registering;
        self.register = self.backoff.next(now, self.config.backoff_ms);
        self.life = None;
        // The member id is forgotten too: a static member is known by its name and gets a new one.
        self.membership = None;
        (self.join, self.join_wanted, self.join_again_at, self.fetch) = (Ask::Now, true, None, Ask::Now);
        self.group.clear();
        self.sources.clear();
        self.hashes.clear();
        self.transaction = None;
        (self.changed, self.pending_bytes, self.drained, self.paused) = (false, 0, false, false);
        self.cut_before_claims = false;
        self.route = Route::Undecided;
        self.checkpoint.reset();
        self.trim = super::upkeep::Trim::default();
        self.verify = super::upkeep::Verify::default();
        self.out.push_back(Intention::Reset(why.to_owned()));
    }
}
