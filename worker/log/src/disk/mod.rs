//! The seam to the volume: preallocated files written durably at a position, and small files replaced as a whole.
//!
//! [`RealDisk`] is a folder; [`SimulatedDisk`] is memory that tears, loses and flips on demand. The calls block, and all
//! deciding code is above them.

mod probe;
mod real;
mod simulated;

use std::{io, sync::Arc};

use bytes::Bytes;

pub use real::RealDisk;
pub use simulated::{Damage, SimulatedDisk};

/// Writes to a [`DiskFile`] begin and end at multiples of this many bytes, from memory aligned to it.
pub const BLOCK_BYTES: usize = 4096;

/// A volume's folder. Names are plain file names with at most one folder, such as `wal/7`.
pub trait Disk: Send + Sync + 'static {
    /// Names of the files in `folder`, without the folder, in no order.
    ///
    /// # Errors
    /// Where the folder cannot be read; a missing one is empty.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;

    /// Makes `name` a file of `bytes` bytes that takes durable writes without growing: by renaming `recycled`, whose bytes
    /// stay as they are, or else anew, full of zeros. The name is durable on return.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] where there is no room; nothing is left behind then.
    fn prepare(&self, name: &str, bytes: u64, recycled: Option<&str>) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a file made by [`Disk::prepare`].
    ///
    /// # Errors
    /// Where it cannot be opened.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// The whole of a small file; `None` where there is none.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>>;

    /// Replaces a small file: after a crash it holds the old bytes or the new ones, and the new ones once this returned.
    ///
    /// # Errors
    /// Where it cannot be written; the old file is untouched then.
    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Removes a file; a missing one is fine.
    ///
    /// # Errors
    /// Where it cannot be removed.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Bytes that may still be written to the volume.
    ///
    /// # Errors
    /// Where the volume cannot be asked.
    fn free_bytes(&self) -> io::Result<u64>;

    /// Bytes of the whole volume.
    ///
    /// # Errors
    /// Where the volume cannot be asked.
    fn capacity_bytes(&self) -> io::Result<u64>;
}

/// A preallocated file. Several threads may write to disjoint ranges of it at once.
pub trait DiskFile: Send + Sync + 'static {
    /// Writes `bytes` at `position`, both multiples of [`BLOCK_BYTES`]; durable on return.
    ///
    /// # Errors
    /// Any error leaves the range undefined and the volume unusable: it must never be tried again.
    fn write_durable(&self, position: u64, bytes: &[u8]) -> io::Result<()>;

    /// Fills `bytes` from `position`.
    ///
    /// # Errors
    /// Where the file is shorter or cannot be read.
    fn read_exact_at(&self, position: u64, bytes: &mut [u8]) -> io::Result<()>;

    /// The `length` bytes from `position`, which nobody will want again soon: they leave nothing behind in the page cache.
    ///
    /// # Errors
    /// As [`DiskFile::read_exact_at`].
    fn read_once(&self, position: u64, length: usize) -> io::Result<Bytes> {
        let mut bytes = vec![0; length];
        self.read_exact_at(position, &mut bytes)?;
        Ok(bytes.into())
    }

    /// Length in bytes.
    ///
    /// # Errors
    /// Where the file cannot be asked.
    fn length(&self) -> io::Result<u64>;
}
