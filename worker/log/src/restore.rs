//! A broker that starts on an empty volume: everything comes back from the store.
//!
//! The claim comes first: it ends the row of the incarnation before, so that what is read then is all there will ever be. The
//! roster says which partitions there are. Of each the manifest, and what was put and not named behind it, say which segments hold
//! it; the last section says what its producers did, and the sections with aborted transactions say which. Batches are not copied:
//! they are read from the store when somebody wants them.
//!
//! What comes back is what had left: a prefix of the WAL, the same for all partitions. What was acknowledged since is lost with the
//! volume, and was counted as at risk.

use std::{collections::BTreeMap, sync::Mutex, thread};

use bytes::Bytes;
use store::ObjectStore;
use units::{Incarnation, Offset};

use crate::{
    Disk, TopicPartitionId,
    engine::NAMED,
    keys::Keys,
    manifest::{Manifest, Owner},
    partition::{Partition, transactions::Transactions},
    roster::{self, Entry},
    shipper::{self, Parts, ShipError, segment_state},
};

/// Partitions that are read at once.
const THREADS: usize = 8;
/// Named objects asked for at once; a broker has few.
const NAMES_MAX: usize = 1000;

/// What the store holds of a broker.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    pub(crate) partitions: BTreeMap<TopicPartitionId, Partition>,
    pub(crate) names: BTreeMap<String, Bytes>,
}

/// Reads everything back, after `ours` has claimed the store.
///
/// # Errors
/// Where the store does not answer, or what it holds is damaged: a part of it must not pass for the whole.
pub(crate) fn read(store: &dyn ObjectStore, keys: &Keys, ours: Incarnation) -> Result<Restored, ShipError> {
    let Some(roster) = shipper::roster_of(store, keys)? else { return Ok(Restored::default()) };
    let parts = shipper::pending_parts(store, keys, ours)?;
    let waiting = Mutex::new(roster.partitions.iter());
    let next = || waiting.lock().expect("no holder panics").next();
    let read_some = || -> Result<Vec<_>, ShipError> {
        let mut read = Vec::new();
        while let Some(entry) = next() {
            read.push((entry.id, read_partition(store, keys, entry, &parts)?));
        }
        Ok(read)
    };
    let threads = THREADS.min(roster.partitions.len());
    let read = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(read_some)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a reader does not panic")).collect::<Result<Vec<_>, _>>()
    })?;
    Ok(Restored { partitions: read.into_iter().flatten().collect(), names: read_names(store, keys)? })
}

fn read_partition(store: &dyn ObjectStore, keys: &Keys, entry: &Entry, parts: &Parts) -> Result<Partition, ShipError> {
    let named = shipper::read_manifest(store, keys, entry.id)?.map(|(manifest, _)| manifest);
    let owner = Owner { broker: keys.broker(), incarnation: Incarnation(0) };
    let manifest = parts.over(entry.id, named, || Manifest::new(owner));
    let mut partition = Partition::new(entry.config.clone());
    let known_start = manifest.as_ref().map_or(Offset::ZERO, |manifest| manifest.log_start).max(entry.log_start);
    let first = manifest.as_ref().and_then(|manifest| manifest.segments.first()).map(|first| first.base);
    let log_start = known_start.max(first.unwrap_or(Offset::ZERO));
    let end = manifest.as_ref().map_or(Offset::ZERO, Manifest::end).max(log_start);
    partition.log_start = log_start;
    partition.log_start_next = log_start;
    partition.log_end = end;
    partition.high_watermark = end;
    partition.recovered_end = end;
    partition.shipped_to = end;
    partition.is_manifest_known = true;
    if let Some(manifest) = manifest {
        read_state(store, keys, &manifest, &mut partition)?;
        partition.manifest = Some(manifest.into());
    }
    Ok(partition)
}

/// Producers, epochs and transactions, from the sections.
fn read_state(store: &dyn ObjectStore, keys: &Keys, manifest: &Manifest, partition: &mut Partition) -> Result<(), ShipError> {
    partition.epochs = manifest.epochs.clone();
    let mut aborted = Vec::new();
    let last = manifest.segments.last().map(|last| last.object);
    for segment in manifest.segments.iter().filter(|segment| segment.end > partition.log_start) {
        let is_last = Some(segment.object) == last;
        if segment.has_aborted || is_last {
            let state = segment_state(store, keys, segment)?;
            aborted.extend(state.aborted);
            if is_last {
                (partition.epochs, partition.producers) = (state.epochs, state.producers);
            }
        }
    }
    partition.transactions = Transactions::of(aborted, &partition.producers);
    partition.transactions.trim(partition.log_start);
    partition.epochs.trim(partition.log_start);
    Ok(())
}

fn read_names(store: &dyn ObjectStore, keys: &Keys) -> Result<BTreeMap<String, Bytes>, ShipError> {
    let mut names = BTreeMap::new();
    for listed in store.list(&keys.all_named(), None, NAMES_MAX)? {
        let name = listed.key.name().to_owned();
        if name != roster::NAME
            && let Some(named) = shipper::read_name(store, keys, &name)?
        {
            names.insert(name, named.bytes);
        }
    }
    Ok(names)
}

/// Puts the named objects on the volume, where they are looked for from now on.
pub(crate) fn keep_names(disk: &dyn Disk, names: &BTreeMap<String, Bytes>) -> std::io::Result<()> {
    names.iter().try_for_each(|(name, bytes)| disk.replace(&format!("{NAMED}/{name}"), bytes))
}
