//! What the tests share: a `streamwright dev` of their own, and the real clients that talk to it.

pub mod clients;
pub mod cluster;
pub mod dice;
pub mod flights;
pub mod installed;
pub mod ledger;
pub mod patience;
pub mod platform;
pub mod results;
pub mod server;
pub mod volume;
