//! From a volume to a log that takes requests: recover, count the incarnation, make the first file, save the state.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use store::{ObjectStore, WriteIds};
use units::{Incarnation, TimestampMs};

use crate::{
    Disk, LogConfig, OpenError, Recovered,
    engine::{Engine, Held, Now, Recovery, chores::ChoreDone, recover, reserve, ship::ShipTask},
    keys::Keys,
    manifest::Owner,
    restore,
    rules::Rules,
    shipper::{self, Policy, ShipError, Shipper, insist},
    wal::{
        files::SpareFile,
        layout::{Seal, file_name},
    },
};

/// The first file of a new volume is this small, so that the first start is quick.
const FIRST_FILE_BYTES: u64 = 4 << 20;
/// A start on a full volume needs no more than this.
const SMALL_FILE_BYTES: u64 = 256 << 10;

/// Incarnations are leader epochs, which Kafka counts in 31 bits.
const INCARNATION_MAX: u32 = i32::MAX as u32;

/// A log without threads.
pub(crate) struct Opened {
    pub(crate) engine: Engine,
    pub(crate) shipper: Shipper,
    pub(crate) keys: Keys,
    pub(crate) report: Recovered,
}

/// Opens the log on `disk`. Nothing is acknowledged before the state that recovery found is saved under the new incarnation.
pub(crate) fn open(
    config: LogConfig,
    rules: Rules,
    disk: &dyn Disk,
    store: Arc<dyn ObjectStore>,
    (write_ids, now): (WriteIds, TimestampMs),
) -> Result<Opened, OpenError> {
    check(&config)?;
    let keys = Keys::new(&config.cluster, config.broker).map_err(|invalid| OpenError::Config {
        name: "cluster",
        value: config.cluster.clone(),
        rule: invalid.rule,
    })?;
    let mut recovery = recover(disk, rules, now, &Held::new(store.clone(), keys.clone()))?;
    if recovery.incarnation == Incarnation(0) && rules.groups_are_sealed {
        recovery.seal = Seal(crc32c::crc32c(&write_ids.next().0.to_le_bytes()));
    }
    let is_empty = recovery.incarnation == Incarnation(0);
    let (incarnation, known) = count_incarnation(&config, disk, recovery.incarnation, &store, &keys)?;
    let owner = Owner { broker: config.broker, incarnation };
    let mut shipper = Shipper::new(store.clone(), keys.clone(), owner, write_ids, (rules, Policy::of(&config)));
    let is_restored = is_empty && known > 0 && rules.empty_volumes_are_restored;
    if is_restored {
        take_back(&mut recovery, disk, &mut shipper, (&*store, &keys, config.restore_requests_max))
            .map_err(|error| not_restored(error, known))?;
    }
    let capacity_bytes =
        disk.capacity_bytes().map_err(|source| OpenError::Disk { action: "ask for the size of", name: "the volume".into(), source })?;
    let spares = first_files(&config, disk, &mut recovery, capacity_bytes)?;
    let report = std::mem::take(&mut recovery.report);
    let mut engine = Engine::start(config, rules, incarnation, recovery, (spares, capacity_bytes));
    if is_restored {
        engine.shipping.note_restored();
    }
    let image = engine.image();
    let chore = crate::engine::chores::Chore::Checkpoint(image);
    match chore.perform(disk).map_err(|source| OpenError::Disk { action: "write", name: crate::checkpoint::NAME.into(), source })? {
        ChoreDone::NotSaved => {
            let source = io::ErrorKind::StorageFull.into();
            return Err(OpenError::Disk { action: "write", name: crate::checkpoint::NAME.into(), source });
        }
        done => engine.on_chore(done, Now { wall: now, ..Now::default() }),
    }
    Ok(Opened { engine, shipper, keys, report })
}

fn check(config: &LogConfig) -> Result<(), OpenError> {
    let bound = |name, value: u64, is_right: bool, rule| {
        if is_right { Ok(()) } else { Err(OpenError::Config { name, value: value.to_string(), rule }) }
    };
    let (file, group) = (config.wal_file_bytes, config.group_bytes_max as u64);
    bound(
        "wal_file_bytes",
        file,
        file.is_multiple_of(4096) && (64 << 10..=2 << 30).contains(&file),
        "it must be 64 KiB to 2 GiB in whole 4 KiB",
    )?;
    bound("group_bytes_max", group, group >= 4096 && group <= file / 2, "it must be 4 KiB to half a WAL file")?;
    let flushes = config.flushes_in_flight;
    bound("flushes_in_flight", flushes as u64, (1..=4).contains(&flushes), "it must be 1 to 4")?;
    let requests = config.restore_requests_max;
    bound("restore_requests_max", requests as u64, requests >= 1, "it must be 1 at least")?;
    bound("merge_pieces_min", config.merge_pieces_min, config.merge_pieces_min >= 2, "it must be 2 at least")?;
    let spares = config.wal_spare_files;
    bound("wal_spare_files", spares as u64, (1..=64).contains(&spares), "it must be 1 to 64")
}

/// One more than the greatest incarnation known, durable before anything is written under it; and the greatest that the store
/// knows, 0 where it was not asked or does not answer.
///
/// A volume on which nothing was ever acknowledged cannot do without the store's word: it may be all there is of the broker, or
/// nothing. Any other can: the claim asks again.
fn count_incarnation(
    config: &LogConfig,
    disk: &dyn Disk,
    recovered: Incarnation,
    store: &Arc<dyn ObjectStore>,
    keys: &Keys,
) -> Result<(Incarnation, u32), OpenError> {
    const NAME: &str = "incarnation";
    let failed = |action| move |source| OpenError::Disk { action, name: NAME.into(), source };
    let counted = match disk.read(NAME).map_err(failed("read"))? {
        Some(bytes) => std::str::from_utf8(&bytes)
            .ok()
            .and_then(|text| text.trim().parse::<u32>().ok())
            .filter(|counted| *counted < INCARNATION_MAX)
            .ok_or_else(|| OpenError::CorruptFile { name: NAME.into(), reason: "it is not a number that a start can have".into() })?,
        None => 0,
    };
    let volume = counted.max(recovered.0);
    let is_empty = recovered == Incarnation(0);
    let asked = if is_empty { shipper::known_incarnation(&**store, keys) } else { ask_for_a_while(config.open_patience, store, keys) };
    let known = match asked {
        Ok(known) if known > volume && !is_empty => {
            return Err(OpenError::VolumeIsBehind { broker: config.broker, store: known, volume });
        }
        Ok(known) => known,
        Err(ShipError::Corrupt(key, reason)) => return Err(OpenError::CorruptFile { name: key.to_string(), reason: reason.into() }),
        Err(error) if is_empty => {
            return Err(OpenError::StoreNeeded { state: error.state().unwrap_or_default(), reason: error.to_string() });
        }
        Err(error) => {
            tracing::warn!(%error, "the object store cannot be asked; the broker starts from its volume");
            0
        }
    };
    let incarnation = volume.max(known) + 1;
    disk.replace(NAME, format!("{incarnation}\n").as_bytes()).map_err(failed("write"))?;
    Ok((Incarnation(incarnation), known))
}

/// Asks the store for the greatest incarnation that it knows, and gives up after `patience`.
fn ask_for_a_while(patience: Duration, store: &Arc<dyn ObjectStore>, keys: &Keys) -> Result<u32, ShipError> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let (store, keys) = (store.clone(), keys.clone());
    let ask = move || drop(sender.send(shipper::known_incarnation(&*store, &keys)));
    let started = thread::Builder::new().name("log-ask".into()).spawn(ask);
    drop(started.expect("the system gives the log its few threads"));
    let late = || store::StoreError::Unavailable { reason: format!("no answer within {patience:?}") };
    receiver.recv_timeout(patience).unwrap_or_else(|_| Err(late().into()))
}

/// Claims the store and takes back what it holds, for a volume that is empty.
fn take_back(
    recovery: &mut Recovery,
    disk: &dyn Disk,
    shipper: &mut Shipper,
    (store, keys, requests_max): (&dyn ObjectStore, &Keys, usize),
) -> Result<(), ShipError> {
    insist(|| shipper.perform(&ShipTask::Claim))?;
    let restored = restore::read((store, keys), shipper, requests_max)?;
    restore::keep_names(disk, &restored.names).map_err(ShipError::Local)?;
    let ids: Vec<_> = restored.partitions.keys().copied().collect();
    recovery.report.partitions = ids.len();
    recovery.report.restored = Some(format!("{} partitions from the object store", ids.len()));
    recovery.names.extend(restored.names);
    recovery.partitions = restored.partitions;
    // What was put and not named must be named before more is put.
    let catch_up = ShipTask::CatchUp(ids);
    insist(|| shipper.perform(&catch_up)).map(drop)
}

fn not_restored(error: ShipError, known: u32) -> OpenError {
    match error {
        ShipError::Corrupt(key, reason) => OpenError::CorruptFile { name: key.to_string(), reason: reason.into() },
        ShipError::Local(source) => OpenError::Disk { action: "write", name: "named".into(), source },
        error => {
            let reason = format!("the volume is empty, and the store knows incarnation {known} of this broker: {error}");
            OpenError::StoreNeeded { state: error.state().unwrap_or_default(), reason }
        }
    }
}

/// Files that hold nothing are used again, the rest removed; one at least is made.
fn first_files(
    config: &LogConfig,
    disk: &dyn Disk,
    recovery: &mut Recovery,
    capacity_bytes: u64,
) -> Result<VecDeque<SpareFile>, OpenError> {
    let mut spares = VecDeque::new();
    let is_new = recovery.next_file == 1;
    for (old, length) in std::mem::take(&mut recovery.free) {
        if length == config.wal_file_bytes && spares.len() <= config.wal_spare_files {
            spares.push_back(prepare(disk, &mut recovery.next_file, length, Some(old))?);
        } else {
            let name = file_name(old);
            disk.remove(&name).map_err(|source| OpenError::Disk { action: "remove", name, source })?;
        }
    }
    if spares.is_empty() {
        let free_bytes = disk.free_bytes().unwrap_or(u64::MAX);
        let is_full = free_bytes < config.wal_file_bytes + reserve(config, capacity_bytes);
        let bytes_max = match (is_new, is_full) {
            // What a start takes of what is left is small, so that a broker that starts again and again goes on doing so.
            (_, true) => SMALL_FILE_BYTES.min((config.wal_file_bytes / 4).next_multiple_of(4096)),
            (true, _) => FIRST_FILE_BYTES,
            (false, _) => u64::MAX,
        };
        let bytes = config.wal_file_bytes.min(bytes_max);
        spares.push_back(prepare(disk, &mut recovery.next_file, bytes, None)?);
    }
    Ok(spares)
}

fn prepare(disk: &dyn Disk, next: &mut u32, bytes: u64, recycled: Option<u32>) -> Result<SpareFile, OpenError> {
    let number = *next;
    *next += 1;
    let name = file_name(number);
    let made = disk.prepare(&name, bytes, recycled.map(file_name).as_deref());
    let file = made.map_err(|source| OpenError::Disk { action: "make", name, source })?;
    Ok(SpareFile { number, file, length: bytes })
}
