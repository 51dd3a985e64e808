//! What is sent and what comes back, whichever the worker is.

use serde::{Deserialize, Serialize};

use crate::{ActualBroker, ActualPipeline, DesiredBroker, DesiredPipeline, ObjectRef};

/// What a worker shall be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Desired {
    /// For a broker.
    Broker(DesiredBroker),
    /// For a pod of a pipeline.
    Pipeline(DesiredPipeline),
}

impl Desired {
    /// Its number: a worker follows the highest it has seen.
    #[must_use]
    pub fn generation(&self) -> u64 {
        match self {
            Self::Broker(desired) => desired.generation,
            Self::Pipeline(desired) => desired.generation,
        }
    }

    /// The object that it is of: a Cluster, or a Pipeline.
    #[must_use]
    pub fn object(&self) -> &ObjectRef {
        match self {
            Self::Broker(desired) => &desired.cluster,
            Self::Pipeline(desired) => &desired.pipeline,
        }
    }
}

/// What a worker is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Actual {
    /// Of a broker.
    Broker(ActualBroker),
    /// Of a pod of a pipeline.
    Pipeline(ActualPipeline),
}

impl Actual {
    /// The [`Desired::generation`] that is followed; 0 before the first.
    #[must_use]
    pub fn generation(&self) -> u64 {
        match self {
            Self::Broker(actual) => actual.generation,
            Self::Pipeline(actual) => actual.generation,
        }
    }
}
