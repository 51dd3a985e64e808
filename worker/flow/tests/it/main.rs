//! What the rooms around `flow` rely on, seen from outside.

mod csv;
mod json;
mod seeds;
