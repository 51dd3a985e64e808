//! What the rooms around `flow` rely on, seen from outside.

mod block;
mod csv;
mod files;
mod json;
mod plan;
mod seeds;
