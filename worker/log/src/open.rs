//! From a volume to a log that takes requests: recover, count the incarnation, make the first file, save the state.

use std::{collections::VecDeque, io, sync::Arc};

use store::{ObjectStore, WriteIds};
use units::{Incarnation, TimestampMs};

use crate::{
    Disk, LogConfig, OpenError, Recovered,
    engine::{Engine, Held, Now, Recovery, chores::ChoreDone, recover},
    keys::Keys,
    manifest::Owner,
    rules::Rules,
    shipper::{self, ShipError, Shipper},
    wal::{
        files::SpareFile,
        layout::{Seal, file_name},
    },
};

/// The first file of a new volume is this small, so that the first start is quick.
const FIRST_FILE_BYTES: u64 = 4 << 20;

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
    let incarnation = count_incarnation(&config, disk, recovery.incarnation, &store, &keys)?;
    let spares = first_files(&config, disk, &mut recovery)?;
    let report = std::mem::take(&mut recovery.report);
    let mut engine = Engine::start(config, rules, incarnation, recovery, spares);
    let image = engine.image();
    let chore = crate::engine::chores::Chore::Checkpoint(image);
    match chore.perform(disk).map_err(|source| OpenError::Disk { action: "write", name: crate::checkpoint::NAME.into(), source })? {
        ChoreDone::NotSaved => {
            let source = io::ErrorKind::StorageFull.into();
            return Err(OpenError::Disk { action: "write", name: crate::checkpoint::NAME.into(), source });
        }
        done => engine.on_chore(done, Now { wall: now, ..Now::default() }),
    }
    let owner = Owner { broker: engine.config.broker, incarnation };
    let shipper = Shipper::new(store, keys.clone(), owner, write_ids, rules);
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
    let spares = config.wal_spare_files;
    bound("wal_spare_files", spares as u64, (1..=64).contains(&spares), "it must be 1 to 64")
}

/// One more than the greatest incarnation known; durable before anything is written under it.
fn count_incarnation(
    config: &LogConfig,
    disk: &dyn Disk,
    recovered: Incarnation,
    store: &Arc<dyn ObjectStore>,
    keys: &Keys,
) -> Result<Incarnation, OpenError> {
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
    match shipper::known_incarnation(&**store, keys) {
        Ok(known) if known > volume => return Err(OpenError::VolumeIsBehind { broker: config.broker, store: known, volume }),
        Ok(_) => {}
        Err(ShipError::Corrupt(key, reason)) => return Err(OpenError::CorruptFile { name: key.to_string(), reason: reason.into() }),
        Err(error) => tracing::warn!(%error, "the object store cannot be asked; the broker starts from its volume"),
    }
    disk.replace(NAME, format!("{}\n", volume + 1).as_bytes()).map_err(failed("write"))?;
    Ok(Incarnation(volume + 1))
}

/// Files that hold nothing are used again, the rest removed; one at least is made.
fn first_files(config: &LogConfig, disk: &dyn Disk, recovery: &mut Recovery) -> Result<VecDeque<SpareFile>, OpenError> {
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
        let bytes = if is_new { config.wal_file_bytes.min(FIRST_FILE_BYTES) } else { config.wal_file_bytes };
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
