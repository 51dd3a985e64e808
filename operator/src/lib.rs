//! The operator: from custom resources to Kubernetes objects and desired state of workers, and back into status.
//!
//! - [`build`]: what shall be there, as objects and as intentions (which pod to delete, which claim to grow). Pure.
//! - [`certificates`]: the operator's own authority, and the certificates of workers and listeners. Pure but for the keys it draws.

pub mod build;
pub mod certificates;
