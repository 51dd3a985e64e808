//! Whole pods against a modelled broker, group, object store and network: every message may be late, lost, doubled or out of order,
//! everyone may pause, die and come back.

mod rules;
mod schedules;
mod sim;
