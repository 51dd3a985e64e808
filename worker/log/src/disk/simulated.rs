//! A volume in memory that fails as volumes do: torn and lost writes at a crash, flipped bits, no room, failed flushes.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard},
};

use super::{BLOCK_BYTES, Disk, DiskFile};

/// What a write that was under way at a crash leaves behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Nothing of it.
    Lost,
    /// All of it.
    Whole,
    /// Those of its blocks for which the list says true; blocks past the list are lost.
    Torn(Vec<bool>),
}

#[derive(Debug, Default)]
struct Volume {
    files: BTreeMap<String, Arc<Mutex<Vec<u8>>>>,
    capacity_bytes: u64,
    /// Writes that still succeed before one fails.
    writes_left: Option<u64>,
}

/// A volume in memory. Clones share it: what a crash leaves is seen by whoever opens it next.
#[derive(Clone, Debug)]
pub struct SimulatedDisk(Arc<Mutex<Volume>>);

impl SimulatedDisk {
    /// An empty volume.
    #[must_use]
    pub fn new(capacity_bytes: u64) -> Self {
        Self(Arc::new(Mutex::new(Volume { capacity_bytes, ..Volume::default() })))
    }

    fn volume(&self) -> MutexGuard<'_, Volume> {
        self.0.lock().expect("no holder panics")
    }

    /// Sets how much the volume holds; less than it does means full.
    pub fn set_capacity(&self, bytes: u64) {
        self.volume().capacity_bytes = bytes;
    }

    /// Lets `count` more writes succeed and fails those after; `None` lets all succeed.
    pub fn fail_after(&self, count: Option<u64>) {
        self.volume().writes_left = count;
    }

    /// Bytes of all files.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.volume().used_bytes()
    }

    /// Leaves `damage` of a write of `bytes` at `position` of `name`.
    pub fn leave(&self, name: &str, position: u64, bytes: &[u8], damage: &Damage) {
        let Some(file) = self.volume().files.get(name).cloned() else { return };
        let mut file = file.lock().expect("no holder panics");
        let start = usize::try_from(position).expect("files are small");
        for (index, block) in bytes.chunks(BLOCK_BYTES).enumerate() {
            let is_kept = match damage {
                Damage::Lost => false,
                Damage::Whole => true,
                Damage::Torn(kept) => kept.get(index).copied().unwrap_or(false),
            };
            let at = start + index * BLOCK_BYTES;
            if is_kept {
                file[at..at + block.len()].copy_from_slice(block);
            }
        }
    }

    /// Flips one bit of `name`; no such byte, no flip.
    pub fn flip(&self, name: &str, position: u64, bit: u8) {
        let Some(file) = self.volume().files.get(name).cloned() else { return };
        let mut file = file.lock().expect("no holder panics");
        if let Some(byte) = usize::try_from(position).ok().and_then(|position| file.get_mut(position)) {
            *byte ^= 1 << (bit % 8);
        }
    }
}

impl Volume {
    fn used_bytes(&self) -> u64 {
        self.files.values().map(|file| file.lock().expect("no holder panics").len() as u64).sum()
    }

    fn count_write(&mut self) -> io::Result<()> {
        match &mut self.writes_left {
            Some(0) => Err(io::Error::other("the simulated volume fails this write")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

fn full() -> io::Error {
    io::Error::from(io::ErrorKind::StorageFull)
}

impl Disk for SimulatedDisk {
    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let prefix = format!("{folder}/");
        Ok(self.volume().files.keys().filter_map(|name| name.strip_prefix(&prefix).map(str::to_owned)).collect())
    }

    fn prepare(&self, name: &str, bytes: u64, recycled: Option<&str>) -> io::Result<Arc<dyn DiskFile>> {
        let mut volume = self.volume();
        let file = match recycled {
            Some(old) => volume.files.remove(old).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?,
            None if volume.used_bytes() + bytes > volume.capacity_bytes => return Err(full()),
            None => Arc::new(Mutex::new(vec![0; usize::try_from(bytes).expect("files are small")])),
        };
        volume.files.insert(name.to_owned(), file.clone());
        Ok(Arc::new(SimulatedFile { volume: self.clone(), file }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.volume().files.get(name).cloned().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(Arc::new(SimulatedFile { volume: self.clone(), file }))
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.volume().files.get(name).map(|file| file.lock().expect("no holder panics").clone()))
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut volume = self.volume();
        volume.count_write()?;
        if volume.used_bytes() + bytes.len() as u64 > volume.capacity_bytes {
            return Err(full());
        }
        volume.files.insert(name.to_owned(), Arc::new(Mutex::new(bytes.to_vec())));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.volume().files.remove(name);
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let volume = self.volume();
        Ok(volume.capacity_bytes.saturating_sub(volume.used_bytes()))
    }

    fn capacity_bytes(&self) -> io::Result<u64> {
        Ok(self.volume().capacity_bytes)
    }
}

struct SimulatedFile {
    volume: SimulatedDisk,
    file: Arc<Mutex<Vec<u8>>>,
}

impl DiskFile for SimulatedFile {
    fn write_durable(&self, position: u64, bytes: &[u8]) -> io::Result<()> {
        assert!(position.is_multiple_of(BLOCK_BYTES as u64) && bytes.len().is_multiple_of(BLOCK_BYTES), "writes are whole blocks");
        self.volume.volume().count_write()?;
        let start = usize::try_from(position).expect("files are small");
        let mut file = self.file.lock().expect("no holder panics");
        file[start..start + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn read_exact_at(&self, position: u64, bytes: &mut [u8]) -> io::Result<()> {
        let file = self.file.lock().expect("no holder panics");
        let start = usize::try_from(position).expect("files are small");
        let source = file.get(start..start + bytes.len()).ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        bytes.copy_from_slice(source);
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.file.lock().expect("no holder panics").len() as u64)
    }
}
