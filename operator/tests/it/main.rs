//! The operator's tests: YAML in, objects and intentions out.

mod build;
