//! One group's way: open, closed, being written, durable, acknowledged.

use std::{io, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};

use super::layout::{GroupHeader, Seal};
use crate::{DiskFile, partition::index::Location};

/// The group that takes entries. Its bytes are what the arena holds.
pub(super) struct Open<E> {
    pub(super) seq: u64,
    pub(super) position: u32,
    pub(super) opened_at: Duration,
    pub(super) is_due: bool,
    pub(super) last_change: u64,
    pub(super) effects: Vec<E>,
}

/// A group that takes no more entries and is not acknowledged.
pub(super) struct Closed<E> {
    pub(super) seq: u64,
    pub(super) location: Location,
    pub(super) last_change: u64,
    pub(super) state: GroupState,
    pub(super) effects: Vec<E>,
}

pub(super) enum GroupState {
    Waiting {
        buffer: BytesMut,
        body_bytes: u32,
    },
    Writing,
    /// There, but perhaps behind one that is not.
    Durable(Bytes),
}

impl<E> Closed<E> {
    pub(super) fn into_acked(self) -> Acked<E> {
        let GroupState::Durable(bytes) = self.state else { panic!("only a durable group is acknowledged") };
        Acked { location: self.location, bytes, effects: self.effects }
    }
}

/// One group to be written.
pub(crate) struct FlushJob {
    pub(crate) location: Location,
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) header: GroupHeader,
    pub(super) seal: Seal,
    pub(super) buffer: BytesMut,
}

impl FlushJob {
    /// Fills in the header and its checksums.
    pub(crate) fn seal(mut self) -> SealedGroup {
        self.header.write(&mut self.buffer, self.seal);
        SealedGroup { seq: self.header.seq, location: self.location, file: self.file, bytes: self.buffer.freeze() }
    }
}

/// One group, ready to be written.
pub(crate) struct SealedGroup {
    pub(crate) seq: u64,
    pub(crate) location: Location,
    pub(super) file: Arc<dyn DiskFile>,
    pub(crate) bytes: Bytes,
}

impl SealedGroup {
    /// Writes the group; durable on return.
    pub(crate) fn write(&self) -> io::Result<()> {
        self.file.write_durable(u64::from(self.location.position), &self.bytes)
    }
}

/// A group that is durable, with all before it.
pub(crate) struct Acked<E> {
    pub(crate) location: Location,
    pub(crate) bytes: Bytes,
    pub(crate) effects: Vec<E>,
}
