//! The course of one conditional put: what an answer means for it, and what to do next. Does no I/O and reads no clock.
//!
//! One rule runs through it. An attempt whose answer was lost may have happened, or happen yet; from then on the put is in
//! *doubt*, and only an answer about this very write may end that: its version, or its write id on the object that is there.

use super::trouble::Kind;
use crate::{Head, Version, WriteId};

/// What the put expects to find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// No object.
    Absent,
    /// The object of this version.
    Match(Version),
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Send it again after a pause, if patience lasts; else [`Course::give_up`].
    Retry,
    /// Ask whose object is there.
    Ask,
    /// It is decided.
    Answer(Answer),
}

/// What the put came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The object is there, and ours.
    Made(Version),
    /// The condition did not hold, and none of our attempts happened, as far as can be known.
    Lost(Option<Head>),
    /// It happened, or did not, or will yet.
    Unknown,
    /// It did not happen; the last trouble says why.
    Failed,
}

/// One put under way.
#[derive(Debug)]
pub(super) struct Course {
    condition: Condition,
    write_id: WriteId,
    in_doubt: bool,
}

impl Course {
    pub(super) fn new(condition: Condition, write_id: WriteId) -> Self {
        Self { condition, write_id, in_doubt: false }
    }

    /// An attempt failed.
    pub(super) fn failed(&mut self, kind: Kind) -> Next {
        match kind {
            Kind::Doubtful => {
                self.in_doubt = true;
                Next::Retry
            }
            Kind::ConditionFailed => Next::Ask,
            // Its upload may be gone because it was completed.
            Kind::NoUpload if self.in_doubt => Next::Ask,
            Kind::NoUpload | Kind::Conflict | Kind::Busy | Kind::Unreachable | Kind::Credentials => Next::Retry,
            Kind::Absent if self.in_doubt => Next::Answer(Answer::Unknown),
            Kind::Absent if self.condition != Condition::Absent => Next::Answer(Answer::Lost(None)),
            Kind::Absent | Kind::NoBucket | Kind::Denied | Kind::PastTheEnd | Kind::Unsupported | Kind::Refused => {
                Next::Answer(self.give_up())
            }
        }
    }

    /// The store said whose object is there.
    pub(super) fn asked(&self, head: Option<Head>) -> Answer {
        match head {
            Some(head) if head.write_id == Some(self.write_id) => Answer::Made(head.version),
            // Ours may have been there until theirs replaced it.
            Some(_) if self.in_doubt && self.condition != Condition::Absent => Answer::Unknown,
            None if self.in_doubt => Answer::Unknown,
            head => Answer::Lost(head),
        }
    }

    /// The store did not say whose object is there.
    pub(super) fn ask_failed(&self) -> Answer {
        if self.in_doubt { Answer::Unknown } else { Answer::Lost(None) }
    }

    /// Patience is at an end.
    pub(super) fn give_up(&self) -> Answer {
        if self.in_doubt { Answer::Unknown } else { Answer::Failed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: WriteId = WriteId(7);

    fn head(write_id: u128) -> Option<Head> {
        Some(Head { size: 1, version: Version::new("now"), write_id: Some(WriteId(write_id)) })
    }

    fn courses() -> [Course; 2] {
        [Course::new(Condition::Absent, OURS), Course::new(Condition::Match(Version::new("before")), OURS)]
    }

    #[test]
    fn a_refused_condition_is_settled_by_whose_object_is_there() {
        for mut course in courses() {
            assert_eq!(course.failed(Kind::ConditionFailed), Next::Ask);
            assert_eq!(course.asked(head(7)), Answer::Made(Version::new("now")));
            assert_eq!(course.asked(head(8)), Answer::Lost(head(8)));
            assert_eq!(course.asked(None), Answer::Lost(None));
            assert_eq!(course.ask_failed(), Answer::Lost(None));
        }
    }

    #[test]
    fn after_a_lost_answer_nothing_but_its_own_write_says_what_became_of_it() {
        let [mut absent, mut matching] = courses();
        for course in [&mut absent, &mut matching] {
            assert_eq!(course.failed(Kind::Doubtful), Next::Retry);
            for kind in [Kind::Denied, Kind::NoBucket, Kind::Refused, Kind::Absent] {
                assert_eq!(course.failed(kind), Next::Answer(Answer::Unknown), "{kind:?}");
            }
            assert_eq!(course.give_up(), Answer::Unknown);
            assert_eq!(course.ask_failed(), Answer::Unknown);
            assert_eq!(course.asked(None), Answer::Unknown);
            assert_eq!(course.asked(head(7)), Answer::Made(Version::new("now")));
        }
        assert_eq!(matching.asked(head(8)), Answer::Unknown, "theirs may have replaced ours");
        assert_eq!(absent.asked(head(8)), Answer::Lost(head(8)), "theirs was first, and holds its key");
    }

    #[test]
    fn what_was_certainly_not_done_is_tried_again_and_then_told_as_such() {
        for mut course in courses() {
            for kind in [Kind::Conflict, Kind::Busy, Kind::Unreachable, Kind::Credentials, Kind::NoUpload] {
                assert_eq!(course.failed(kind), Next::Retry, "{kind:?}");
            }
            assert_eq!(course.give_up(), Answer::Failed);
        }
    }

    #[test]
    fn an_absent_object_loses_a_put_that_expects_one() {
        let [mut absent, mut matching] = courses();
        assert_eq!(matching.failed(Kind::Absent), Next::Answer(Answer::Lost(None)));
        assert_eq!(absent.failed(Kind::Absent), Next::Answer(Answer::Failed));
    }

    #[test]
    fn an_upload_that_is_gone_may_have_been_completed() {
        for mut course in courses() {
            assert_eq!(course.failed(Kind::NoUpload), Next::Retry);
            course.failed(Kind::Doubtful);
            assert_eq!(course.failed(Kind::NoUpload), Next::Ask);
        }
    }
}
