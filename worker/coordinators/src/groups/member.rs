//! One member of a group, between its requests.

use std::sync::Arc;

use bytes::Bytes;
use units::DurationMs;

use super::{InstanceId, Join, MemberId, Protocol, record::StoredMember};
use crate::Token;

/// A member: what it told us, and what it waits for.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) id: MemberId,
    pub(crate) instance: Option<InstanceId>,
    pub(crate) client_id: Arc<str>,
    pub(crate) client_host: Arc<str>,
    pub(crate) rebalance_timeout: DurationMs,
    pub(crate) session_timeout: DurationMs,
    pub(crate) protocols: Vec<Protocol>,
    pub(crate) assignment: Bytes,
    /// Its JoinGroup, while that waits for the others.
    pub(crate) joining: Option<Token>,
    /// Its SyncGroup, while that waits for the leader.
    pub(crate) syncing: Option<Token>,
    /// It has never completed a join: it may be a client that went away without knowing its id.
    pub(crate) is_new: bool,
    /// It has not asked for its assignment in this generation yet.
    pub(crate) owes_sync: bool,
}

impl Member {
    pub(crate) fn new(id: MemberId, join: &Join) -> Self {
        Self {
            id,
            instance: join.instance.clone(),
            client_id: join.client_id.clone(),
            client_host: join.client_host.clone(),
            rebalance_timeout: join.rebalance_timeout,
            session_timeout: join.session_timeout,
            protocols: join.protocols.clone(),
            assignment: Bytes::new(),
            joining: None,
            syncing: None,
            is_new: true,
            owes_sync: false,
        }
    }

    pub(crate) fn restored(stored: &StoredMember) -> Self {
        Self {
            id: stored.id.clone(),
            instance: stored.instance.clone(),
            client_id: stored.client_id.clone(),
            client_host: stored.client_host.clone(),
            rebalance_timeout: stored.rebalance_timeout,
            session_timeout: stored.session_timeout,
            protocols: stored.protocols.clone(),
            assignment: stored.assignment.clone(),
            joining: None,
            syncing: None,
            is_new: false,
            owes_sync: false,
        }
    }

    pub(crate) fn stored(&self, assignment: Bytes) -> StoredMember {
        StoredMember {
            id: self.id.clone(),
            instance: self.instance.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            rebalance_timeout: self.rebalance_timeout,
            session_timeout: self.session_timeout,
            assignment,
            protocols: self.protocols.clone(),
        }
    }

    /// Takes over what a new join says of it.
    pub(crate) fn update(&mut self, join: &Join) {
        self.client_id = join.client_id.clone();
        self.client_host = join.client_host.clone();
        self.rebalance_timeout = join.rebalance_timeout;
        self.session_timeout = join.session_timeout;
        self.protocols = join.protocols.clone();
    }

    /// Its metadata for `protocol`; empty if it does not support it.
    pub(crate) fn metadata(&self, protocol: &str) -> Bytes {
        self.protocols.iter().find(|known| &*known.name == protocol).map(|known| known.metadata.clone()).unwrap_or_default()
    }
}
