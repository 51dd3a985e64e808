//! The faults that a store can be asked for, one by one or from a seed.

use crate::{Body, WriteId};
use std::{collections::VecDeque, time::Duration};

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `get` and `get_range`.
    Get,
    /// `head`.
    Head,
    /// `put_if_absent` and `put_if_match`.
    Put,
    /// `list`.
    List,
    /// `delete`.
    Delete,
}

/// What befalls one call.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The call is performed, its answer is lost: `Unknown` for a put, `Unavailable` for others.
    AnswerLost,
    /// The call is not performed and nobody says so: `Unknown` for a put, `Unavailable` for others.
    RequestLost,
    /// The caller is told what it is told when the answer is lost, and the call arrives when so many further calls were
    /// made (1: just before the next), on its own condition. Reads are only lost.
    Late {
        /// How many calls later.
        calls: u32,
    },
    /// The store refuses for now (503): not performed, `Unavailable`.
    Unavailable,
    /// The store has no room: not performed; `Full` for a put, `Unavailable` for others.
    Full,
    /// Just before this put, somebody else puts this under the same key, whatever is there. Others are `Unavailable`.
    Rival {
        /// What the rival puts.
        body: Body,
        /// The rival's write id.
        write_id: WriteId,
    },
    /// The call is performed after this time.
    Slow(Duration),
}

/// One fault of a script: which call it befalls.
#[derive(Clone, Debug)]
pub struct Injection {
    operation: Operation,
    key_part: String,
    skip: u32,
    fault: Fault,
}

impl Injection {
    /// `fault` befalls the next call of this kind.
    #[must_use]
    pub fn next(operation: Operation, fault: Fault) -> Self {
        Self { operation, key_part: String::new(), skip: 0, fault }
    }

    /// Only calls count whose key or prefix contains `key_part`.
    #[must_use]
    pub fn of(mut self, key_part: &str) -> Self {
        self.key_part = key_part.into();
        self
    }

    /// So many calls that it fits go unharmed before.
    #[must_use]
    pub fn after(mut self, calls: u32) -> Self {
        self.skip = calls;
        self
    }
}

/// Faults drawn from a seed; each rate is in thousandths of calls. Only puts and deletes are lost or late.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What the draws begin with: the same seed and calls give the same faults.
    pub seed: u64,
    /// Rate of [`Fault::AnswerLost`].
    pub answer_lost: u32,
    /// Rate of [`Fault::RequestLost`].
    pub request_lost: u32,
    /// Rate of [`Fault::Late`], 1 to 64 calls.
    pub late: u32,
    /// Rate of [`Fault::Unavailable`], for every kind of call.
    pub unavailable: u32,
}

#[derive(Debug, Default)]
pub(super) struct Faults {
    script: VecDeque<Injection>,
    plan: Option<Plan>,
    random: u64,
}

impl Faults {
    pub(super) fn inject(&mut self, injection: Injection) {
        self.script.push_back(injection);
    }

    pub(super) fn plan(&mut self, plan: Option<Plan>) {
        self.random = plan.as_ref().map_or(0, |plan| plan.seed);
        self.plan = plan;
    }

    /// The fault that befalls this call.
    pub(super) fn draw(&mut self, operation: Operation, key: &str) -> Option<Fault> {
        self.scripted(operation, key).or_else(|| self.planned(operation))
    }

    fn scripted(&mut self, operation: Operation, key: &str) -> Option<Fault> {
        let mut struck = None;
        for (index, injection) in self.script.iter_mut().enumerate() {
            if injection.operation != operation || !key.contains(&injection.key_part) {
                continue;
            }
            if injection.skip > 0 {
                injection.skip -= 1;
            } else if struck.is_none() {
                struck = Some(index);
            }
        }
        self.script.remove(struck?).map(|injection| injection.fault)
    }

    fn planned(&mut self, operation: Operation) -> Option<Fault> {
        let Plan { answer_lost, request_lost, late, unavailable, .. } = self.plan.clone()?;
        let arrives_after = 1 + self.below(64) as u32;
        let all = [
            (unavailable, Fault::Unavailable),
            (answer_lost, Fault::AnswerLost),
            (request_lost, Fault::RequestLost),
            (late, Fault::Late { calls: arrives_after }),
        ];
        let is_write = matches!(operation, Operation::Put | Operation::Delete);
        let possible = if is_write { all.len() } else { 1 };
        let mut draw = self.below(1000);
        for (rate, fault) in all.into_iter().take(possible) {
            match draw.checked_sub(u64::from(rate)) {
                Some(rest) => draw = rest,
                None => return Some(fault),
            }
        }
        None
    }

    /// The next draw, in `0..bound` (splitmix64, Steele et al. 2014).
    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}
