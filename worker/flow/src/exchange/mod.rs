//! Between the two halves of a keyed operator: which lane or hash partition a row goes to, and how rows travel between pods.

pub mod block;
mod scatter;

pub use scatter::{Scatter, scatter};
