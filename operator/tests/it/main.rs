//! The operator's tests: what it builds, from YAML to objects; and how it lives, against an API server that fails in every way it can.

mod build;
mod fake;
mod faults;
mod kit;
mod leaders;
mod lifecycle;
mod planning;
mod wishes;
