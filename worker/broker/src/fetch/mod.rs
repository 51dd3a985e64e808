//! Reading for consumers: sessions, long polls, and the bytes of each partition.

mod cold;
mod poll;
mod session;

pub(crate) use cold::ColdReads;
pub(crate) use poll::{Limits, Polled, check_epoch, poll};
pub(crate) use session::{FINAL_EPOCH, FetchKey, FetchTopic, Plan, Sessions, Told, Wanted};
