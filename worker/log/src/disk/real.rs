//! A folder on a real volume: `O_DIRECT | O_DSYNC` from aligned buffers where that is better, else `fdatasync`.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, Write},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use rustix::fs::{FlockOperation, OFlags};

use super::{BLOCK_BYTES, Disk, DiskFile, probe};
use crate::{LogConfig, OpenError, WriteMode, aligned};

/// Bytes written at once when a new file is filled with zeros.
const FILL_BYTES: usize = 4 << 20;

/// A folder that this process holds alone while the value lives.
#[derive(Debug)]
pub struct RealDisk {
    folder: PathBuf,
    is_direct: bool,
    /// Held, never read: its lock ends with the process.
    _lock: File,
}

impl RealDisk {
    /// Makes and locks the folder, and finds out how its file system is written to best.
    ///
    /// # Errors
    /// [`OpenError::InUse`] where another process holds it; [`OpenError::Disk`] where it cannot be made or probed.
    pub fn open(config: &LogConfig) -> Result<Self, OpenError> {
        let failed = |action, name: &str| {
            let name = name.to_owned();
            move |source| OpenError::Disk { action, name, source }
        };
        let folder = config.folder.clone();
        let shown = folder.display().to_string();
        let made: Vec<_> = folder.ancestors().take_while(|ancestor| !ancestor.exists()).map(Path::to_owned).collect();
        for inner in ["wal", "index", "named"] {
            fs::create_dir_all(folder.join(inner)).map_err(failed("make the folder", &shown))?;
        }
        let lock = lock(&folder)?;
        sync_folder(&folder).map_err(failed("sync the folder", &shown))?;
        // A folder is an entry of the one above it: without that, a power cut takes all that was acknowledged.
        made.iter().try_for_each(|made| sync_parent(made)).map_err(failed("sync the folder above", &shown))?;
        let is_direct = match config.write_mode {
            WriteMode::Direct => true,
            WriteMode::Buffered => false,
            WriteMode::Probe => probe::direct_is_better(&folder).map_err(failed("probe writes in", &shown))?,
        };
        tracing::debug!(folder = shown, is_direct, "volume opened");
        Ok(Self { folder, is_direct, _lock: lock })
    }

    /// Whether writes bypass the page cache.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        self.is_direct
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn file(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.path(name);
        let reader = OpenOptions::new().read(true).open(&path)?;
        let direct = self.is_direct.then(|| OpenOptions::new().read(true).custom_flags(OFlags::DIRECT.bits().cast_signed()).open(&path));
        let direct_reader = direct.transpose()?;
        Ok(Arc::new(RealFile { writer: open_writer(&path, self.is_direct)?, reader, direct_reader }))
    }

    fn make(&self, name: &str, bytes: u64) -> io::Result<()> {
        let path = self.path(name);
        let made = fill(&path, bytes, self.is_direct);
        if made.is_err() {
            drop(fs::remove_file(&path));
        }
        made
    }
}

/// Opens a file for durable writes at positions.
pub(super) fn open_writer(path: &Path, is_direct: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true);
    if is_direct {
        options.custom_flags((OFlags::DIRECT | OFlags::DSYNC).bits().cast_signed());
    }
    options.open(path)
}

/// Makes a file of zeros: written, not only allocated, so that a later write need not journal an extent's state.
fn fill(path: &Path, bytes: u64, is_direct: bool) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
    match rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes) {
        Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => {}
        Err(error) => return Err(error.into()),
    }
    let mut options = OpenOptions::new();
    options.write(true);
    if is_direct {
        options.custom_flags(OFlags::DIRECT.bits().cast_signed());
    }
    let writer = options.open(path)?;
    let zeros = aligned::zeros(FILL_BYTES.min(usize::try_from(bytes).unwrap_or(FILL_BYTES)));
    let mut position = 0;
    while position < bytes {
        let length = (bytes - position).min(zeros.len() as u64);
        writer.write_all_at(&zeros[..usize::try_from(length).expect("bounded by the buffer")], position)?;
        position += length;
    }
    file.sync_all()
}

fn lock(folder: &Path) -> Result<File, OpenError> {
    let path = folder.join("lock");
    let shown = path.display().to_string();
    let failed = |action| {
        let name = shown.clone();
        move |source| OpenError::Disk { action, name, source }
    };
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed("open the lock"))?;
    if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        let mut holder = String::new();
        let holder = file.read_to_string(&mut holder).ok().map(|_| holder.trim().to_owned()).filter(|text| !text.is_empty());
        return Err(OpenError::InUse { folder: folder.display().to_string(), holder: holder.unwrap_or_else(|| "?".into()) });
    }
    file.set_len(0).map_err(failed("empty the lock"))?;
    file.rewind().map_err(failed("rewind the lock"))?;
    write!(file, "{}", std::process::id()).map_err(failed("write the lock"))?;
    Ok(file)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => sync_folder(Path::new(".")),
        Some(parent) => sync_folder(parent),
        None => Ok(()),
    }
}

impl Disk for RealDisk {
    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.path(folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn prepare(&self, name: &str, bytes: u64, recycled: Option<&str>) -> io::Result<Arc<dyn DiskFile>> {
        match recycled {
            Some(old) => fs::rename(self.path(old), self.path(name))?,
            None => self.make(name, bytes)?,
        }
        sync_parent(&self.path(name))?;
        self.file(name)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.file(name)
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.path(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(name);
        let beside = self.path(&format!("{name}.new"));
        let write = || {
            let mut file = File::create(&beside)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&beside, &path)?;
            sync_parent(&path)
        };
        let written = write();
        if written.is_err() {
            drop(fs::remove_file(&beside));
        }
        written
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.folder)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn capacity_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.folder)?;
        Ok(stat.f_blocks.saturating_mul(stat.f_frsize))
    }
}

struct RealFile {
    writer: File,
    reader: File,
    /// Past the page cache, where that is written past it too.
    direct_reader: Option<File>,
}

impl DiskFile for RealFile {
    fn write_durable(&self, position: u64, bytes: &[u8]) -> io::Result<()> {
        assert!(position.is_multiple_of(BLOCK_BYTES as u64) && bytes.len().is_multiple_of(BLOCK_BYTES), "writes are whole blocks");
        self.writer.write_all_at(bytes, position)?;
        if self.direct_reader.is_some() { Ok(()) } else { self.writer.sync_data() }
    }

    fn read_exact_at(&self, position: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.reader.read_exact_at(bytes, position)
    }

    fn read_once(&self, position: u64, length: usize) -> io::Result<Bytes> {
        let Some(reader) = &self.direct_reader else {
            let mut bytes = vec![0; length];
            self.read_exact_at(position, &mut bytes)?;
            return Ok(bytes.into());
        };
        let before = usize::try_from(position % BLOCK_BYTES as u64).expect("less than a block");
        let mut bytes = aligned::buffer(aligned::round_up(before + length));
        bytes.resize(aligned::round_up(before + length), 0);
        reader.read_exact_at(&mut bytes, position - before as u64)?;
        Ok(bytes.freeze().slice(before..before + length))
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.reader.metadata()?.len())
    }
}
