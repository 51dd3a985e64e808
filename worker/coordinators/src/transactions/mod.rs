//! Transactions: producer ids and two-phase commits over the log, as one synchronous core.

mod config;
mod intention;
mod request;
mod response;

pub use config::Config;
pub use intention::{Intention, MarkerToken, Markers, MarkersWritten};
pub use request::{AddGroup, AddPartitions, End, InitProducer, Producer, Request, Version};
pub use response::{Response, TransactionDescription, TransactionListing, TransactionState};
