//! The stores as their users meet them: the conformance suite, and several processes that race and die.

mod conformance;
mod full;
mod processes;
