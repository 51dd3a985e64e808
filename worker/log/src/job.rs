//! Reads that block: from the WAL's files or from the object store, on the thread of whoever runs them.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use units::Offset;

use crate::{
    Fetched, Read, ReadError, TopicPartitionId,
    cold::READ_BYTES_MAX,
    engine::{Engine, read::Found},
    manifest::Manifest,
    partition::index::IndexEntry,
    shell::Shared,
    spans::{self, FileMap, SpanError},
    wal::layout,
};

/// Reads from the volume or the object store on the thread that runs it.
pub struct ReadJob {
    pub(crate) shared: Arc<Shared>,
    pub(crate) partition: TopicPartitionId,
    pub(crate) read: Read,
    pub(crate) place: Place,
}

/// Where the batches are.
pub(crate) enum Place {
    Wal(FileMap, Vec<IndexEntry>),
    Cold(Option<Arc<Manifest>>, Offset),
}

impl fmt::Debug for ReadJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadJob").field("partition", &self.partition).field("read", &self.read).finish_non_exhaustive()
    }
}

impl ReadJob {
    /// Whether it asks the object store, which may take long: a broker runs such jobs apart from those that read its volume.
    #[must_use]
    pub fn is_cold(&self) -> bool {
        matches!(self.place, Place::Cold(..))
    }

    /// Does the I/O.
    ///
    /// # Errors
    /// See [`ReadError`]; the partition's start may have moved past the wanted offset meanwhile.
    pub fn run(self) -> Result<Fetched, ReadError> {
        self.run_while(&|| true)
    }

    /// The same, for as long as `is_wanted`: where it is not, the object store is asked for nothing more, and what comes back is not all
    /// that is there.
    ///
    /// # Errors
    /// As [`ReadJob::run`].
    pub fn run_while(self, is_wanted: &dyn Fn() -> bool) -> Result<Fetched, ReadError> {
        let (id, read, shared) = (self.partition, self.read, self.shared);
        let found = match self.place {
            Place::Cold(manifest, end) => read_cold(&shared, id, &read, (manifest, end), is_wanted),
            Place::Wal(files, entries) => match spans::read(&files, &entries) {
                Ok(batches) => Ok((batches, entries.last().map_or(read.from, IndexEntry::end))),
                Err(error) => read_elsewhere(&shared, id, &read, error),
            },
        };
        shared.with(|engine| match found {
            Ok((batches, end)) => engine.fetched(id, &read, batches, end),
            Err(error) => Err(engine.deleted_meanwhile(id, &read).unwrap_or(error)),
        })
    }
}

/// A partition's part of one segment may be small: reads go on into the next ones, up to what one read may give.
fn read_cold(
    shared: &Shared,
    id: TopicPartitionId,
    read: &Read,
    (manifest, end): (Option<Arc<Manifest>>, Offset),
    is_wanted: &dyn Fn() -> bool,
) -> Result<(Vec<Bytes>, Offset), ReadError> {
    if !is_wanted() {
        return Ok((Vec::new(), read.from));
    }
    let manifest = known_manifest(shared, id, manifest)?;
    let (mut batches, mut at) = shared.cold.read_while(id, &manifest, read, end, is_wanted)?;
    let bytes_max = read.bytes_max.min(READ_BYTES_MAX);
    let mut bytes: usize = batches.iter().map(Bytes::len).sum();
    while bytes > 0 && bytes < bytes_max && at < end.min(manifest.end()) && is_wanted() {
        let rest = Read { from: at, bytes_max: bytes_max - bytes, whole_first_batch: false, isolation: read.isolation };
        // What fails here is read first the next time, and told then.
        let Some((more, next)) = shared.cold.read_while(id, &manifest, &rest, end, is_wanted).ok().filter(|(more, _)| !more.is_empty())
        else {
            break;
        };
        bytes += more.iter().map(Bytes::len).sum::<usize>();
        batches.extend(more);
        at = next;
    }
    Ok((batches, at))
}

/// The manifest, read from the store where nobody has yet.
pub(crate) fn known_manifest(shared: &Shared, id: TopicPartitionId, known: Option<Arc<Manifest>>) -> Result<Arc<Manifest>, ReadError> {
    if let Some(manifest) = known {
        return Ok(manifest);
    }
    let is_caught_up = shared.with(|engine| engine.shipping.is_caught_up());
    let manifest = shared.cold.manifest(id, is_caught_up)?;
    shared.with(|engine| engine.learn_manifest(id, &manifest));
    Ok(manifest)
}

/// The WAL's copy is damaged: the store may have another.
fn read_elsewhere(shared: &Shared, id: TopicPartitionId, read: &Read, error: SpanError) -> Result<(Vec<Bytes>, Offset), ReadError> {
    let error = local_error(id, error);
    let place = shared.with(|engine| engine.find_elsewhere(id, read))?;
    match read_cold(shared, id, read, place, &|| true) {
        Ok(found) => {
            tracing::warn!(%error, "the volume is damaged; the object store serves what it holds");
            Ok(found)
        }
        Err(_) => Err(error),
    }
}

fn local_error(partition: TopicPartitionId, error: SpanError) -> ReadError {
    match error {
        SpanError::Disk(source) => ReadError::Disk { partition, source },
        SpanError::Corrupt(entry) => {
            let place = format!("{} at byte {}", layout::file_name(entry.location.file), entry.location.position);
            ReadError::Corrupt { partition, offset: entry.base, place }
        }
    }
}

/// Reads, blocking where it must.
pub(crate) fn read_now(shared: &Arc<Shared>, partition: TopicPartitionId, read: Read) -> Result<Fetched, ReadError> {
    match shared.with(|engine: &mut Engine| engine.find(partition, &read))? {
        Found::Ready(fetched) => Ok(fetched),
        Found::Wal(files, entries) => ReadJob { shared: shared.clone(), partition, read, place: Place::Wal(files, entries) }.run(),
        Found::Cold(manifest, end) => ReadJob { shared: shared.clone(), partition, read, place: Place::Cold(manifest, end) }.run(),
    }
}

/// The first batch at or after `from`, whole.
pub(crate) fn first_batch(
    shared: &Arc<Shared>,
    partition: TopicPartitionId,
    from: Offset,
    isolation: crate::Isolation,
) -> Result<Option<Bytes>, ReadError> {
    let read = Read { from, bytes_max: 0, whole_first_batch: true, isolation };
    Ok(read_now(shared, partition, read)?.batches.into_iter().next())
}
