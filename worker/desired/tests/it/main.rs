//! YAML in, desired state and conditions out.

mod clusters;
mod house;
mod pipelines;
mod retention;
mod sql_text;
mod topics;
