//! A broker that starts on an empty volume: everything comes back from the store.
//!
//! The claim comes first: it ends the row of the incarnation before. The roster says which partitions there are. Of each the manifest
//! is taken over with what was put and not named behind it, so that what is read then is all there will ever be, and says which
//! segments hold it; the last section says what its producers did, and the sections with aborted transactions say which. Batches are not copied:
//! they are read from the store when somebody wants them.
//!
//! What comes back is what had left: a prefix of the WAL, the same for all partitions. What was acknowledged since is lost with the
//! volume, and was counted as at risk.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use store::{ObjectStore, Version};
use units::Offset;

use crate::{
    Disk, TopicPartitionId,
    at_once::at_once,
    engine::NAMED,
    keys::Keys,
    manifest::Manifest,
    partition::{Partition, transactions::Transactions},
    roster::{self, Entry},
    shipper::{self, Parts, ShipError, Shipper, segment_state},
};

/// Named objects asked for at once; a broker has few.
const NAMES_MAX: usize = 1000;

/// What the store holds of a broker.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    pub(crate) partitions: BTreeMap<TopicPartitionId, Partition>,
    pub(crate) names: BTreeMap<String, Bytes>,
}

/// Takes everything over and reads it back, up to `requests_max` partitions at once, after `shipper` has claimed the store.
///
/// # Errors
/// Where the store does not answer, or what it holds is damaged: a part of it must not pass for the whole.
pub(crate) fn read((store, keys): (&dyn ObjectStore, &Keys), shipper: &mut Shipper, requests_max: usize) -> Result<Restored, ShipError> {
    let Some(roster) = shipper::roster_of(store, keys)? else { return Ok(Restored::default()) };
    let parts = shipper.found_parts()?;
    let read = at_once(&roster.partitions, requests_max, |entry| read_partition((store, keys), shipper, entry, &parts))?;
    let (mut partitions, mut taken) = (BTreeMap::new(), HashMap::new());
    for (entry, (partition, version)) in roster.partitions.iter().zip(read) {
        taken.extend(partition.manifest.clone().zip(version).map(|known| (entry.id, known)));
        partitions.insert(entry.id, partition);
    }
    shipper.adopt(taken);
    Ok(Restored { partitions, names: read_names(store, keys)? })
}

fn read_partition(
    (store, keys): (&dyn ObjectStore, &Keys),
    shipper: &Shipper,
    entry: &Entry,
    parts: &Parts,
) -> Result<(Partition, Option<Version>), ShipError> {
    let (manifest, version) = shipper.take(entry.id, parts)?;
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
    Ok((partition, version))
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
