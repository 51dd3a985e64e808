//! One thing to do beside the log's writes, and how it went.

use std::{io, time::Duration};

use units::Offset;

use crate::{
    Disk, DiskFile, TopicPartitionId, checkpoint,
    partition::index::Location,
    wal::{
        files::SpareFile,
        layout::{file_name, summary_name},
    },
};

/// A checkpoint to be written.
#[derive(Debug)]
pub(crate) struct Image {
    pub(super) bytes: Vec<u8>,
    pub(super) location: Location,
    /// It counts in the groups before this one.
    pub(super) next_seq: u64,
    pub(super) shipped: Vec<(TopicPartitionId, Offset)>,
}

/// One thing to do. Then tell [`Engine::on_chore`].
#[derive(Debug)]
pub(crate) enum Chore {
    /// Make a WAL file, by recycling if `recycled` names one.
    Prepare { number: u32, recycled: Option<u32>, bytes: u64 },
    /// Write the list of a file's batches.
    Summarise { number: u32, bytes: Vec<u8> },
    /// Write a checkpoint.
    Checkpoint(Image),
    /// Remove a WAL file.
    Remove { number: u32 },
}

/// How a chore went.
pub(crate) enum ChoreDone {
    Prepared(SpareFile),
    NoRoom,
    /// There was no room for a checkpoint; the one before it stands.
    NotSaved,
    Summarised(u32),
    Checkpointed(Image),
    Removed,
}

/// What the keeper does next.
pub(crate) enum ChorePoll {
    Do(Chore),
    /// Ask again at this time, or when something happens.
    At(Duration),
}

impl Chore {
    /// Does it.
    pub(crate) fn perform(self, disk: &dyn Disk) -> io::Result<ChoreDone> {
        match self {
            Self::Prepare { number, recycled, bytes } => {
                if let Some(old) = recycled {
                    disk.remove(&summary_name(old))?;
                }
                match disk.prepare(&file_name(number), bytes, recycled.map(file_name).as_deref()) {
                    Ok(file) => prepared(number, file),
                    Err(error) if error.kind() == io::ErrorKind::StorageFull => Ok(ChoreDone::NoRoom),
                    Err(error) => Err(error),
                }
            }
            Self::Summarise { number, bytes } => match disk.replace(&summary_name(number), &bytes) {
                // A file without a summary is read when the log is opened: nothing is lost.
                Err(error) if error.kind() != io::ErrorKind::StorageFull => Err(error),
                _ => Ok(ChoreDone::Summarised(number)),
            },
            Self::Checkpoint(image) => match disk.replace(checkpoint::NAME, &image.bytes) {
                Ok(()) => Ok(ChoreDone::Checkpointed(image)),
                Err(error) if error.kind() == io::ErrorKind::StorageFull => Ok(ChoreDone::NotSaved),
                Err(error) => Err(error),
            },
            Self::Remove { number } => {
                disk.remove(&summary_name(number))?;
                disk.remove(&file_name(number))?;
                Ok(ChoreDone::Removed)
            }
        }
    }
}

fn prepared(number: u32, file: std::sync::Arc<dyn DiskFile>) -> io::Result<ChoreDone> {
    let length = file.length()?;
    Ok(ChoreDone::Prepared(SpareFile { number, file, length }))
}
