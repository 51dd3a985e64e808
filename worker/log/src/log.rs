//! The handle that the broker holds.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use store::{ObjectStore, WriteIds};
use units::{Incarnation, LeaderEpoch, Offset, ProducerEpoch, ProducerId, TimestampMs};

use crate::{
    Append, AppendError, Appended, Disk, Done, EpochEnd, Isolation, LogConfig, Marker, OpenError, OpenTransaction, PartitionConfig,
    PartitionError, PartitionOffsets, ProducerState, Read, ReadError, ReadJob, ReadOutcome, Recovered, Stats, TimedOffset,
    TopicPartitionId, Usage, Verification,
    cold::Cold,
    engine::{Engine, NAMED, Request, read::Found},
    job::Place,
    keys::Keys,
    open, roster,
    rules::Rules,
    shell::Shared,
    times::{self, Wanted},
};

/// Called when a partition's high watermark, last stable offset or log start moved: wakes long polls. Runs on a thread of
/// the log; must be cheap and must not call the log.
pub type AdvanceListener = Arc<dyn Fn(TopicPartitionId, PartitionOffsets) + Send + Sync>;

/// The log of one broker. Clones share it; when the last one is dropped, its threads end.
#[derive(Clone)]
pub struct Log {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    incarnation: Incarnation,
    /// Held while a named object changes, so that changes do not overtake each other on the volume.
    naming: Mutex<()>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

impl Log {
    /// Recovers what the volume holds, counts the next incarnation and starts the log's threads. On an empty volume everything
    /// that the store holds of this broker comes back first.
    ///
    /// # Errors
    /// See [`OpenError`]. A store that cannot be reached is no error where the volume holds anything: the claim is made later, and
    /// shipping waits for it.
    pub fn open(config: LogConfig, disk: Arc<dyn Disk>, store: Arc<dyn ObjectStore>) -> Result<(Self, Recovered), OpenError> {
        let write_ids = WriteIds::random();
        let begun = Instant::now();
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall = TimestampMs(i64::try_from(wall.as_millis()).unwrap_or(i64::MAX));
        let opened = open::open(config, Rules::default(), &*disk, store.clone(), (write_ids, wall))?;
        let incarnation = opened.engine.incarnation;
        let cold = Cold::new(store, opened.keys).reading_ahead(opened.engine.config.cold_bytes_max);
        let shared = Shared::start(opened.engine, opened.shipper, cold, disk);
        let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let report = Recovered { took_ms, ..opened.report };
        tracing::info!(%incarnation, partitions = report.partitions, groups = report.groups, took_ms, cut = report.cut, "log opened");
        Ok((Self { inner: Arc::new(Inner { shared, incarnation, naming: Mutex::new(()) }) }, report))
    }

    /// Which start of the broker this is; also the leader epoch of all that it writes.
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        self.inner.incarnation
    }

    /// Makes a partition; one that exists gets the new settings. Blocks until durable.
    ///
    /// # Errors
    /// [`PartitionError::Write`].
    pub fn create_partition(&self, partition: TopicPartitionId, config: PartitionConfig) -> Result<(), PartitionError> {
        self.wait_for(|done| Request::Configure { partition, config, may_create: true, done })
    }

    /// Changes a partition's settings. Blocks until durable.
    ///
    /// # Errors
    /// See [`PartitionError`].
    pub fn configure_partition(&self, partition: TopicPartitionId, config: PartitionConfig) -> Result<(), PartitionError> {
        let changed = self.wait_for(|done| Request::Configure { partition, config, may_create: false, done });
        match changed {
            Err(PartitionError::Write(AppendError::UnknownPartition(id))) => Err(PartitionError::Unknown(id)),
            changed => changed,
        }
    }

    /// Removes a partition and, after a grace, its objects; one that does not exist is fine. Blocks until durable.
    ///
    /// # Errors
    /// [`PartitionError::Write`].
    pub fn delete_partition(&self, partition: TopicPartitionId) -> Result<(), PartitionError> {
        self.wait_for(|done| Request::Delete { partition, done })
    }

    /// All partitions and their settings, in order.
    #[must_use]
    pub fn partitions(&self) -> Vec<(TopicPartitionId, PartitionConfig)> {
        self.shared().with(|engine| engine.partitions.iter().map(|(id, partition)| (*id, partition.config.clone())).collect())
    }

    /// Checks epochs and sequences, assigns offsets in the order of the calls and copies the bytes into the open group. `done`
    /// is called when they are durable, in the order of a partition's appends; a duplicate is answered with its original's
    /// offset, once that is durable.
    pub fn append(&self, partition: TopicPartitionId, append: Append, done: Done<Appended, AppendError>) {
        self.submit(Request::Append { partition, append, done });
    }

    /// Ends a producer's transaction in a partition. `done` is called when the marker is durable.
    pub fn append_marker(&self, partition: TopicPartitionId, marker: Marker, done: Done<Appended, AppendError>) {
        self.submit(Request::Marker { partition, marker, done });
    }

    /// Whether the producer's next transactional batch needs its coordinator's word first (KIP-890).
    ///
    /// # Errors
    /// [`ReadError::UnknownPartition`].
    pub fn transaction_verification(
        &self,
        partition: TopicPartitionId,
        producer_id: ProducerId,
        producer_epoch: ProducerEpoch,
    ) -> Result<Verification, ReadError> {
        self.shared().with(|engine| engine.verification(partition, producer_id, producer_epoch))
    }

    /// Batches from `read.from` on. Never blocks: what is not in memory comes back as a [`ReadJob`].
    ///
    /// # Errors
    /// [`ReadError::UnknownPartition`], [`ReadError::OffsetOutOfRange`].
    pub fn read(&self, partition: TopicPartitionId, read: Read) -> Result<ReadOutcome, ReadError> {
        let place = match self.shared().with(|engine| engine.find(partition, &read))? {
            Found::Ready(fetched) => return Ok(ReadOutcome::Ready(fetched)),
            Found::Wal(files, entries) => Place::Wal(files, entries),
            Found::Cold(manifest, end) => Place::Cold(manifest, end),
        };
        Ok(ReadOutcome::Blocking(ReadJob { shared: self.shared().clone(), partition, read, place }))
    }

    /// Where the partition stands.
    ///
    /// # Errors
    /// [`ReadError::UnknownPartition`].
    pub fn offsets(&self, partition: TopicPartitionId) -> Result<PartitionOffsets, ReadError> {
        self.shared().with(|engine| Ok(engine.partition(partition)?.offsets()))
    }

    /// The first record whose timestamp is not before `time`, visible under `isolation`; `None` where there is no such record.
    /// May read the volume or the store on the calling thread.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn offset_at_time(
        &self,
        partition: TopicPartitionId,
        time: TimestampMs,
        isolation: Isolation,
    ) -> Result<Option<TimedOffset>, ReadError> {
        times::find(self.shared(), partition, Wanted::NotBefore(time), isolation)
    }

    /// The first of the records with the largest timestamp (KIP-734); `None` where the partition is empty. May read the
    /// volume or the store on the calling thread.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn offset_of_max_timestamp(&self, partition: TopicPartitionId, isolation: Isolation) -> Result<Option<TimedOffset>, ReadError> {
        times::find(self.shared(), partition, Wanted::Largest, isolation)
    }

    /// Where `epoch`, or the largest one below it, ends; `None` where there is none (OffsetForLeaderEpoch).
    ///
    /// # Errors
    /// [`ReadError::UnknownPartition`].
    pub fn epoch_end(&self, partition: TopicPartitionId, epoch: LeaderEpoch) -> Result<Option<EpochEnd>, ReadError> {
        self.shared().with(|engine| engine.epoch_end(partition, epoch))
    }

    /// Deletes what lies below `before`; `done` gets the new log start when that is durable. An offset below the log start
    /// changes nothing.
    pub fn delete_records(&self, partition: TopicPartitionId, before: Offset, done: Done<Offset, AppendError>) {
        self.submit(Request::LogStart { partition, before, done: Some(done) });
    }

    /// What is known of the partition's producers (DescribeProducers), in order of their ids.
    ///
    /// # Errors
    /// [`ReadError::UnknownPartition`].
    pub fn producers(&self, partition: TopicPartitionId) -> Result<Vec<ProducerState>, ReadError> {
        self.shared().with(|engine| Ok(engine.partition(partition)?.producers.states()))
    }

    /// Transactions that are open in any partition.
    #[must_use]
    pub fn open_transactions(&self) -> Vec<OpenTransaction> {
        self.shared().with(|engine| engine.open_transactions())
    }

    /// What the partition keeps.
    ///
    /// # Errors
    /// [`ReadError::UnknownPartition`].
    pub fn usage(&self, partition: TopicPartitionId) -> Result<Usage, ReadError> {
        self.shared().with(|engine| Ok(engine.partition(partition)?.usage()))
    }

    /// How the log is doing.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let (flush_p50_us, flush_p99_us) = self.shared().flush_percentiles();
        let cold_bytes = self.shared().cold.ahead_bytes();
        Stats { flush_p50_us, flush_p99_us, cold_bytes, ..self.shared().with(|engine| engine.stats()) }
    }

    /// Replaces the named object `name` of this broker: durable on the volume on return, and in the store before any batch that is
    /// appended from now on, or within seconds. A broker that starts on an empty volume finds it again.
    ///
    /// # Errors
    /// Where the volume does not take it; nothing has changed then.
    ///
    /// # Panics
    /// Where `name` is not made of `A-Z a-z 0-9 - _ . =`, or is `partitions`, which is the log's own.
    pub fn put_named(&self, name: &str, bytes: Bytes) -> io::Result<()> {
        assert!(Keys::is_name(name) && name != roster::NAME, "{name} cannot name an object");
        let _one = self.inner.naming.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared().disk().replace(&format!("{NAMED}/{name}"), &bytes)?;
        self.shared().with(|engine| engine.put_named(name, bytes));
        self.shared().wake();
        Ok(())
    }

    /// A named object, as it was put last.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<Bytes> {
        self.shared().with(|engine| engine.named(name))
    }

    /// How long objects that nothing names any more are kept, from now on.
    pub fn set_object_grace(&self, grace: Duration) {
        self.shared().with(|engine| engine.config.object_grace = grace);
    }

    /// Adds a listener.
    pub fn on_advance(&self, listener: AdvanceListener) {
        self.shared().listen(listener);
    }

    /// Moves all that is durable into the object store and waits for it.
    ///
    /// # Errors
    /// What went wrong, in words; shipping goes on by itself where that makes sense.
    pub fn ship_now(&self) -> Result<(), String> {
        let shared = self.shared();
        let failures = shared.with(|engine| {
            engine.ship_all();
            engine.ship_failures()
        });
        shared.wait_until(|engine| {
            engine.is_all_shipped() || engine.ship_failures() > failures || (engine.first_aside().is_some() && engine.are_others_shipped())
        });
        shared.with(|engine| match engine.refusal() {
            _ if engine.is_all_shipped() => Ok(()),
            Some(error) => Err(error.to_string()),
            None if engine.first_aside().is_some() => Err("what the store has of a partition is damaged; all others are shipped".into()),
            None => Err("the object store did not take it; shipping goes on by itself".into()),
        })
    }

    /// Refuses new appends, makes those it has durable, saves the state where the volume has room for it, and joins the threads.
    /// Other handles stay valid and refuse.
    pub fn close(self) {
        let shared = self.shared();
        shared.with(Engine::begin_close);
        shared.wait_until(|engine| engine.wal.is_idle());
        shared.with(Engine::want_checkpoint);
        shared.wait_until(|engine| engine.is_saved() || engine.is_save_refused());
        shared.stop();
        shared.join();
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.inner.shared
    }

    fn submit(&self, request: Request) {
        self.shared().change(|engine, now| engine.submit(request, now));
    }

    /// Submits a change and waits until it is durable.
    fn wait_for(&self, request: impl FnOnce(Done<(), AppendError>) -> Request) -> Result<(), PartitionError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.submit(request(Box::new(move |outcome| drop(sender.send(outcome)))));
        Ok(receiver.recv().unwrap_or(Err(AppendError::Closed))?)
    }
}
