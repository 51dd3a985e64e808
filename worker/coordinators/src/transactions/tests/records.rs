//! The bytes of the transaction coordinator's records.

use proptest::prelude::*;
use units::{BrokerId, DurationMs, PartitionId, ProducerEpoch, ProducerId, TimestampMs};

use super::{
    super::*,
    bench::{at, producer},
};
use crate::{CorruptRecord, journal::Change as _};

fn stored() -> impl Strategy<Value = Stored> {
    let states = prop::sample::select(vec![
        TransactionState::Empty,
        TransactionState::Ongoing,
        TransactionState::PrepareCommit,
        TransactionState::PrepareAbort,
        TransactionState::CompleteCommit,
        TransactionState::CompleteAbort,
    ]);
    let producers = (0..i64::MAX, any::<i16>(), prop::option::of((0..i64::MAX, any::<i16>())), prop::option::of(0..i64::MAX));
    let places = (prop::collection::btree_set(0..20, 0..5), prop::collection::btree_set(0..20, 0..5));
    let rest = (states, any::<bool>(), any::<i64>(), prop::option::of(0..i64::MAX), any::<i16>());
    (producers, places, rest).prop_map(|((id, epoch, previous, next), (partitions, groups), (state, is_v1, timeout, started, last))| {
        Stored {
            producer: producer(id, epoch),
            previous: previous.map(|(id, epoch)| producer(id, epoch)),
            next_id: next.map(ProducerId),
            transaction_epoch: ProducerEpoch(last),
            timeout: DurationMs(timeout),
            state,
            version: if is_v1 { Version::V1 } else { Version::V2 },
            started: started.map(TimestampMs),
            updated: TimestampMs(timeout),
            partitions: partitions.into_iter().map(at).collect(),
            group_partitions: groups.into_iter().map(PartitionId).collect(),
        }
    })
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (".{0,20}", prop::option::of(stored())).prop_map(|(id, stored)| Change::Transaction(id.as_str().into(), stored)),
        (any::<i32>(), any::<i64>()).prop_map(|(broker, next)| Change::ProducerIds(BrokerId(broker), ProducerId(next))),
    ]
}

proptest! {
    #[test]
    fn a_record_is_read_as_it_was_written(change in change()) {
        let record = change.record();
        prop_assert_eq!(record::read(&record.key, record.value.as_deref()), Ok(change));
    }

    #[test]
    fn a_record_that_is_cut_is_refused(change in change(), cut in any::<prop::sample::Index>()) {
        let record = change.record();
        prop_assert!(record::read(&record.key[..cut.index(record.key.len())], record.value.as_deref()).is_err());
        if let Some(value) = record.value {
            prop_assert!(record::read(&record.key, Some(&value[..cut.index(value.len())])).is_err());
        }
    }

    #[test]
    fn any_bytes_are_no_panic(key in prop::collection::vec(any::<u8>(), 0..60), value in prop::collection::vec(any::<u8>(), 0..200)) {
        for kind in 0..=3 {
            let _ = record::read(&[&[1, kind], &key[..]].concat(), Some(&[&[1, kind], &value[..]].concat()));
        }
    }
}

#[test]
fn a_record_of_a_newer_format_is_named() {
    assert_eq!(record::read(&[2, 1, 0], None), Err(CorruptRecord::Newer { version: 2, kind: 1 }));
    assert_eq!(record::read(&[1, 9, 0], None), Err(CorruptRecord::Newer { version: 1, kind: 9 }));
}
