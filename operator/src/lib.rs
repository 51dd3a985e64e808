//! The operator: custom resources in, Kubernetes objects, words to workers and status out.
//!
//! ```text
//! API server --observe--> cache --desired::resolve, Builder--> plan --apply--> API server
//!                            ^                                   '--workers--> brokers, pipelines
//!                            '------------- workers: what they say ------------------'
//! ```
//!
//! Deciding is pure and takes the whole world; only [`observe`], [`apply`], [`lease`] and [`workers`] touch anything outside. See
//! `ARCHITECTURE.md` beside this crate.

pub mod apply;
pub mod bounded;
pub mod build;
pub mod builder;
pub mod cache;
pub mod certificates;
pub mod config;
pub mod health;
pub mod lease;
pub mod metrics;
pub mod note;
pub mod object;
pub mod observe;
pub mod plan;
pub mod planner;
pub mod product;
pub mod resource;
pub mod shell;
pub mod workers;
pub mod write;
