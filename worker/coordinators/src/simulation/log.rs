//! A log of a coordinator's partition: what is in it, and what is on its way to it.

use std::collections::VecDeque;

use units::{Offset, TimestampMs};

use super::oracle::Oracle;
use crate::{AppendToken, Record};

/// Whose log it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Core {
    Groups,
    Transactions,
}

#[derive(Default)]
pub(super) struct Log {
    pub(super) records: Vec<Record>,
    pub(super) start: usize,
    pub(super) in_flight: VecDeque<(AppendToken, Vec<Record>)>,
    pub(super) last_ack: TimestampMs,
}

impl Log {
    pub(super) fn write(&mut self, core: Core, partition: i32, records: Vec<Record>, oracle: &mut Oracle) -> Offset {
        let base = Offset(self.records.len() as i64);
        for record in records {
            let at = Offset(self.records.len() as i64);
            match core {
                Core::Groups => oracle.on_group_record(partition, at, &record),
                Core::Transactions => oracle.on_transaction_record(&record),
            }
            self.records.push(record);
        }
        base
    }

    pub(super) fn kept(&self) -> impl Iterator<Item = (Offset, &Record)> {
        self.records.iter().enumerate().skip(self.start).map(|(at, record)| (Offset(at as i64), record))
    }
}
