//! The seam to the workers: brokers and pipeline pods, by the `control` contract.

mod connections;

pub use connections::Connections;

use control::{ActualBroker, ActualPipeline, DesiredBroker, DesiredPipeline, ObjectRef};
use crds::Kind;
use futures::future::BoxFuture;
use std::collections::BTreeMap;

/// Where a worker is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// `host:port` of its control endpoint.
    pub address: String,
    /// The name that its certificate must have.
    pub server_name: String,
}

/// What workers say, as far as it is known and not too old.
#[derive(Clone, Debug, Default)]
pub struct Actual {
    /// Brokers, by their Cluster.
    pub brokers: BTreeMap<ObjectRef, ActualBroker>,
    /// Pipelines, the pods of each merged.
    pub pipelines: BTreeMap<ObjectRef, ActualPipeline>,
}

/// The workers that there are. They keep working with the last word they were given; every call may be lost and is made again.
pub trait Workers: Send + Sync {
    /// These are the workers to be in touch with; others are let go.
    fn follow(&self, workers: BTreeMap<(Kind, ObjectRef), Address>);

    /// What they say now. A worker that has not been heard of for half a minute is not in it.
    fn actual(&self) -> Actual;

    /// Whether this one, which is followed, has not been heard of for longer than its signs of life are apart, nor since it is followed. That of
    /// one that is not followed is not known: it is not silent.
    fn is_silent(&self, kind: Kind, worker: &ObjectRef) -> bool;

    /// Comes back when one says something new. May come back for nothing.
    ///
    /// # Cancel safety
    /// Nothing is lost where it is dropped: what is new is in [`Workers::actual`].
    fn changed(&self) -> BoxFuture<'_, ()>;

    /// Hands a broker its desired state; comes back when it has gone through it, or has not.
    fn push_broker(&self, cluster: ObjectRef, desired: DesiredBroker) -> BoxFuture<'static, Result<(), String>>;

    /// Hands a pipeline its desired state.
    fn push_pipeline(&self, pipeline: ObjectRef, desired: DesiredPipeline) -> BoxFuture<'static, Result<(), String>>;
}
