//! What a log and each of its partitions are told: sizes, intervals, budgets, retention.

use std::{path::PathBuf, time::Duration};

use units::{BrokerId, ByteCount};

/// How one broker keeps its log. [`LogConfig::new`] gives the defaults; every field may be set.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// Kafka's `node.id`; names the broker's objects in the store.
    pub broker: BrokerId,
    /// Names the cluster in object keys: `a-z A-Z 0-9 . _ -`.
    pub cluster: String,
    /// Folder on the volume. One process at a time holds it.
    pub folder: PathBuf,
    /// Length of each WAL file; preallocated, written once, recycled. Bounds one append, see
    /// [`LogConfig::append_bytes_max`]. Default 16 MiB.
    pub wal_file_bytes: u64,
    /// WAL bytes above which shipping to the store is asked for, so that files can be recycled. Default 1 GiB.
    pub wal_target_bytes: u64,
    /// WAL bytes at which appends wait for shipping to free files, as long as the store takes what is shipped. While it does
    /// not, the WAL goes on growing into the volume's free room. Default 2 GiB.
    pub wal_bytes_max: u64,
    /// Batches that the index of the WAL lists, 32 bytes of memory each, above which shipping is asked for; at twice as many
    /// appends wait for it, at four times they are refused as on a full volume. Default 524,288.
    pub wal_entries_max: u64,
    /// WAL files kept ready ahead of need. Default 4.
    pub wal_spare_files: usize,
    /// A group closes at this many bytes. Default 2 MiB.
    pub group_bytes_max: usize,
    /// A group waits no longer than this for company while another flush is under way. Default 1 ms, at most 2 ms.
    pub linger_max: Duration,
    /// Flushes that may overlap; acknowledgements keep their order all the same. Default 2, from 1 to 4.
    pub flushes_in_flight: usize,
    /// Most recent bytes kept in memory for readers. Default 8 MiB.
    pub tail_bytes_max: usize,
    /// A mixed segment holds at most this many bytes of batches, or one WAL file. Default 16 MiB.
    pub segment_bytes_max: u64,
    /// A partition's manifest is replaced once this many parts of segments are not named in it yet. Default 32.
    pub manifest_parts_max: usize,
    /// Or this many bytes. Default 4 MiB.
    pub manifest_bytes_max: u64,
    /// References that a manifest keeps itself; the oldest above move into objects of their own. Default 2048.
    pub manifest_references_max: usize,
    /// Small segments of a partition are merged into one of about this many bytes; 0 merges none. Default 8 MiB.
    pub merge_bytes: u64,
    /// So many at least make one: larger ones stay as they are. Default 8.
    pub merge_pieces_min: u64,
    /// Whether it is tried at each start that the store arbitrates between conditional puts, before anything is entrusted to it.
    /// Default false, as a folder store needs no trial.
    pub probe_store: bool,
    /// Requests to the store that a start on an empty volume makes at once. Default 32.
    pub restore_requests_max: usize,
    /// How long a start with an intact volume waits for the store's word on which incarnation was the last. Default 3 s.
    pub open_patience: Duration,
    /// Memory for what readers of the store have read ahead. Default 32 MiB; 0 reads nothing ahead.
    pub cold_bytes_max: usize,
    /// When batches leave for the object store. Default [`Ship::WhenAsked`], as a folder store wants it.
    pub ship: Ship,
    /// At least this often, while anything changes, the state that recovery starts from is saved. Default 5 s.
    pub checkpoint_interval: Duration,
    /// And after this many bytes of WAL, which bounds the scan at start. Default 256 MiB.
    pub checkpoint_bytes: u64,
    /// Free bytes of the volume that WAL files leave for objects and checkpoints; at most an eighth of the volume. Default 256 MiB.
    pub disk_reserve_bytes: u64,
    /// How often retention is looked at. Default 30 s.
    pub retention_interval: Duration,
    /// An object that nothing names any more is deleted after this long. Default 60 s.
    pub object_grace: Duration,
    /// A producer that has no open transaction is forgotten this long after its last batch (`producer.id.expiration.ms`). Default 24 h.
    pub producer_expiration: Duration,
    /// Producers remembered in one partition; the longest silent without an open transaction go first. Default 10,000.
    pub producers_per_partition_max: usize,
    /// Whether WAL writes bypass the page cache. Default [`WriteMode::Probe`].
    pub write_mode: WriteMode,
}

/// When batches leave for the object store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ship {
    /// At this interval, or when a segment is full; what an object store wants, since a lost volume then costs seconds.
    Every(Duration),
    /// Only when the WAL passes its target or local retention says so; what a folder on the same volume wants.
    WhenAsked,
}

/// How the WAL is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteMode {
    /// Measure both at start and take the faster.
    Probe,
    /// `O_DIRECT | O_DSYNC` from aligned buffers.
    Direct,
    /// `pwrite` and `fdatasync`.
    Buffered,
}

impl LogConfig {
    /// The defaults, in `folder`.
    #[must_use]
    pub fn new(broker: BrokerId, cluster: &str, folder: impl Into<PathBuf>) -> Self {
        Self {
            broker,
            cluster: cluster.to_owned(),
            folder: folder.into(),
            wal_file_bytes: 16 << 20,
            wal_target_bytes: 1 << 30,
            wal_bytes_max: 2 << 30,
            wal_entries_max: 512 << 10,
            wal_spare_files: 4,
            group_bytes_max: 2 << 20,
            linger_max: Duration::from_millis(1),
            flushes_in_flight: 2,
            tail_bytes_max: 8 << 20,
            segment_bytes_max: 16 << 20,
            manifest_parts_max: 32,
            manifest_bytes_max: 4 << 20,
            manifest_references_max: crate::chunk::LOOSE_MAX,
            merge_bytes: 8 << 20,
            merge_pieces_min: 8,
            probe_store: false,
            restore_requests_max: 32,
            open_patience: Duration::from_secs(3),
            cold_bytes_max: 32 << 20,
            ship: Ship::WhenAsked,
            checkpoint_interval: Duration::from_secs(5),
            checkpoint_bytes: 256 << 20,
            disk_reserve_bytes: 256 << 20,
            retention_interval: Duration::from_secs(30),
            object_grace: Duration::from_secs(60),
            producer_expiration: Duration::from_secs(24 * 3600),
            producers_per_partition_max: 10_000,
            write_mode: WriteMode::Probe,
        }
    }

    /// The largest append that is taken, in bytes: three quarters of a WAL file, since a group lies in one file with room to spare.
    #[must_use]
    pub fn append_bytes_max(&self) -> usize {
        usize::try_from(self.wal_file_bytes / 4 * 3).unwrap_or(usize::MAX)
    }
}

/// How long one partition's batches are kept. Absent means without bound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionConfig {
    /// Batches whose newest record is older than this are deleted (`retention.ms`).
    pub total_time: Option<Duration>,
    /// The oldest batches are deleted above this many bytes (`retention.bytes`).
    pub total_bytes: Option<ByteCount>,
    /// Batches older than this are kept by the object store alone (`local.retention.ms`).
    pub local_time: Option<Duration>,
    /// The oldest batches are kept by the object store alone above this many bytes (`local.retention.bytes`).
    pub local_bytes: Option<ByteCount>,
}
