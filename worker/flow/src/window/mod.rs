//! Window aggregates in two halves: [`PartialAggregate`] sums up each batch before the exchange, [`FinalAggregate`] keeps what has been
//! summed up, per hash partition, pane and key, and gives out windows when the watermark completes them.
//!
//! The results depend on the rows alone: not on their order (as long as none is late), not on how they were cut into batches, lanes or
//! hash partitions, not on restores. Sums are exact until they are read, and the rows of a window come out by key hash and key.

mod accumulator;
mod exact;
mod final_half;
mod groups;
mod layout;
pub(crate) mod pane;
pub(crate) mod partial;
mod state;
#[cfg(test)]
mod tests;

pub use final_half::{DeltaShape, FailedGroup, FinalAggregate, Fired};
pub use layout::LayoutError;
pub use partial::PartialAggregate;
pub use state::StateError;
