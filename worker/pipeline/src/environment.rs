//! What a pipeline finds around it.

use std::sync::Arc;

use store::ObjectStore;

use crate::Lanes;

/// The cluster, the object store and the lanes that pipelines of one process share.
#[derive(Clone)]
pub struct Environment {
    /// `host:port` of some brokers.
    pub bootstrap: Vec<String>,
    /// TLS towards brokers; `None`: plain text.
    pub tls: Option<tls::Client>,
    /// Where checkpoints are kept.
    pub store: Arc<dyn ObjectStore>,
    /// Where rows are computed.
    pub lanes: Lanes,
    /// Number of this pod among the pipeline's pods, from 0: part of its transactional id and its name in the group.
    pub ordinal: u32,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment").field("bootstrap", &self.bootstrap).field("ordinal", &self.ordinal).finish_non_exhaustive()
    }
}
