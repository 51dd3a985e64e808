//! The faults a server can be asked for: one by one, or from a seed.

use crate::Operation;
use std::{collections::VecDeque, time::Duration};

/// What befalls one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not performed; answered with this status and S3 error code: `(503, "SlowDown")`.
    Refuse(u16, &'static str),
    /// Performed; answered with this status and S3 error code all the same.
    RefuseAfter(u16, &'static str),
    /// Performed after this time.
    Delay(Duration),
    /// The connection is closed; not performed.
    CutBefore,
    /// Performed, and the connection is closed before the answer.
    CutAfter,
    /// The connection is closed, and the request is performed so much later.
    Late(Duration),
    /// The answer's body ends after so many bytes, with the connection.
    Truncate(usize),
    /// The answer's body stops after so many bytes, and the connection stays open.
    Stall(usize),
    /// The answer's body comes in pieces of so many bytes, with a pause before each.
    Trickle(usize, Duration),
    /// A bit of the answer's body is flipped.
    Flip,
}

/// Lets some later requests meet a fault.
#[derive(Clone, Debug)]
pub struct Injection {
    operation: Operation,
    fault: Fault,
    key_part: String,
    skip: u64,
    left: u64,
}

impl Injection {
    /// `fault` befalls the next request of this kind.
    #[must_use]
    pub fn next(operation: Operation, fault: Fault) -> Self {
        Self { operation, fault, key_part: String::new(), skip: 0, left: 1 }
    }

    /// Only requests count whose key or prefix contains `key_part`.
    #[must_use]
    pub fn of(mut self, key_part: &str) -> Self {
        self.key_part = key_part.into();
        self
    }

    /// So many requests that it fits go unharmed before.
    #[must_use]
    pub fn after(mut self, requests: u64) -> Self {
        self.skip = requests;
        self
    }

    /// It befalls so many requests, one after the other.
    #[must_use]
    pub fn times(mut self, requests: u64) -> Self {
        self.left = requests;
        self
    }
}

/// Faults drawn from a seed; each rate is in thousandths of requests.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What the draws begin with. Requests that race meet the draws in the order in which they arrive.
    pub seed: u64,
    /// Of 503 `SlowDown`, for every request.
    pub slow_down: u32,
    /// Of 500 `InternalError` without effect, for every request.
    pub refuse: u32,
    /// Of 409 `ConditionalRequestConflict`, for writes.
    pub conflict: u32,
    /// Of 500 `InternalError` after the effect, for writes.
    pub refuse_after: u32,
    /// Of [`Fault::CutBefore`], for every request.
    pub cut_before: u32,
    /// Of [`Fault::CutAfter`], for writes.
    pub cut_after: u32,
    /// Of [`Fault::Late`], up to 30 ms, for writes.
    pub late: u32,
}

#[derive(Debug, Default)]
pub(crate) struct Faults {
    script: VecDeque<Injection>,
    plan: Option<Plan>,
    random: u64,
}

impl Faults {
    pub(crate) fn inject(&mut self, injection: Injection) {
        self.script.push_back(injection);
    }

    pub(crate) fn plan(&mut self, plan: Option<Plan>) {
        self.random = plan.as_ref().map_or(0, |plan| plan.seed);
        self.plan = plan;
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The fault that befalls this request. Of several injections that fit it, the earliest strikes.
    pub(crate) fn draw(&mut self, operation: Operation, key: &str) -> Option<Fault> {
        self.scripted(operation, key).or_else(|| self.planned(operation))
    }

    fn scripted(&mut self, operation: Operation, key: &str) -> Option<Fault> {
        let mut struck = None;
        for injection in self.script.iter_mut().filter(|injection| injection.operation == operation && key.contains(&injection.key_part)) {
            if injection.skip > 0 {
                injection.skip -= 1;
            } else if struck.is_none() && injection.left > 0 {
                injection.left -= 1;
                struck = Some(injection.fault.clone());
            }
        }
        self.script.retain(|injection| injection.left > 0);
        struck
    }

    fn planned(&mut self, operation: Operation) -> Option<Fault> {
        let Plan { slow_down, refuse, conflict, refuse_after, cut_before, cut_after, late, .. } = self.plan.clone()?;
        let late_ms = self.below(30);
        let all = [
            (slow_down, Fault::Refuse(503, "SlowDown")),
            (refuse, Fault::Refuse(500, "InternalError")),
            (cut_before, Fault::CutBefore),
            (conflict, Fault::Refuse(409, "ConditionalRequestConflict")),
            (refuse_after, Fault::RefuseAfter(500, "InternalError")),
            (cut_after, Fault::CutAfter),
            (late, Fault::Late(Duration::from_millis(late_ms))),
        ];
        let possible = if operation.is_write() { all.len() } else { 3 };
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
