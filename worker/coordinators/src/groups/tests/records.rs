//! The bytes of the group coordinator's records.

use bytes::Bytes;
use proptest::prelude::*;
use units::{DurationMs, LeaderEpoch, Offset, ProducerEpoch, ProducerId, TimestampMs};

use super::{super::*, bench::at};
use crate::{
    CorruptRecord, Outcome as End,
    groups::record::{self, StagedOffset, StoredGroup, StoredMember, StoredOffset, StoredProducer},
    journal::Change as _,
};

fn blob() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

fn offset() -> impl Strategy<Value = StoredOffset> {
    (any::<i64>(), prop::option::of(0..i32::MAX), any::<i64>(), any::<i64>(), ".{0,20}").prop_map(|(offset, epoch, at, committed, text)| {
        StoredOffset {
            offset: Offset(offset),
            leader_epoch: epoch.map(LeaderEpoch),
            written_at: Offset(at),
            committed: TimestampMs(committed),
            metadata: text.as_str().into(),
        }
    })
}

fn member() -> impl Strategy<Value = StoredMember> {
    let protocols = prop::collection::vec((".{0,8}", blob()), 0..3);
    (".{0,9}", prop::option::of(".{0,9}"), any::<i64>(), blob(), protocols).prop_map(|(id, instance, timeout, assignment, protocols)| {
        StoredMember {
            id: id.as_str().into(),
            instance: instance.map(|instance| instance.as_str().into()),
            client_id: "c".into(),
            client_host: "h".into(),
            rebalance_timeout: DurationMs(timeout),
            session_timeout: DurationMs(timeout / 2),
            assignment,
            protocols: protocols.into_iter().map(|(name, metadata)| Protocol { name: name.as_str().into(), metadata }).collect(),
        }
    })
}

fn group() -> impl Strategy<Value = StoredGroup> {
    (any::<i32>(), ".{0,9}", any::<i64>(), prop::collection::vec(member(), 0..4)).prop_map(|(generation, text, since, members)| {
        StoredGroup {
            generation: Generation(generation),
            protocol_type: text.as_str().into(),
            protocol_name: "range".into(),
            leader: text.as_str().into(),
            since: TimestampMs(since),
            members,
        }
    })
}

fn producer() -> impl Strategy<Value = StoredProducer> {
    let ended =
        prop_oneof![Just(None), any::<i16>().prop_map(|e| Some((End::Commit, e))), any::<i16>().prop_map(|e| Some((End::Abort, e)))];
    (any::<i16>(), any::<i32>(), ended, any::<i64>()).prop_map(|(epoch, coordinator_epoch, ended, at)| StoredProducer {
        epoch: ProducerEpoch(epoch),
        coordinator_epoch,
        ended: ended.map(|(outcome, epoch)| (outcome, ProducerEpoch(epoch))),
        at: TimestampMs(at),
    })
}

fn change() -> impl Strategy<Value = Change> {
    let staged = (any::<i16>(), offset()).prop_map(|(epoch, offset)| StagedOffset { epoch: ProducerEpoch(epoch), offset });
    prop_oneof![
        (".{0,20}", prop::option::of(group())).prop_map(|(id, group)| Change::Group(id.as_str().into(), group)),
        (".{0,20}", 0..9, prop::option::of(offset())).prop_map(|(id, part, offset)| Change::Offset(id.as_str().into(), at(part), offset)),
        (any::<i64>(), ".{0,20}", 0..9, prop::option::of(staged)).prop_map(|(producer, id, part, staged)| Change::Staged(
            ProducerId(producer),
            id.as_str().into(),
            at(part),
            staged
        )),
        (any::<i64>(), prop::option::of(producer())).prop_map(|(id, producer)| Change::Producer(ProducerId(id), producer)),
    ]
}

proptest! {
    #[test]
    fn a_record_is_read_as_it_was_written(change in change()) {
        let record = change.record();
        prop_assert_eq!(record::read(&record.key, record.value.as_deref()), Ok(change));
    }

    #[test]
    fn a_record_that_is_cut_or_changed_is_refused_or_another_and_never_a_panic(
        change in change(), cut in any::<prop::sample::Index>(), flip in any::<prop::sample::Index>(), bit in 0..8u8,
    ) {
        let record = change.record();
        let value = record.value.clone().unwrap_or_default();
        prop_assert!(record::read(&record.key[..cut.index(record.key.len())], record.value.as_deref()).is_err());
        if !value.is_empty() {
            prop_assert!(record::read(&record.key, Some(&value[..cut.index(value.len())])).is_err());
            let mut flipped = value.to_vec();
            flipped[flip.index(value.len())] ^= 1 << bit;
            let _ = record::read(&record.key, Some(&flipped));
        }
    }

    #[test]
    fn any_bytes_are_no_panic(key in prop::collection::vec(any::<u8>(), 0..60), value in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = record::read(&key, Some(&value));
        for kind in 1..=4 {
            let _ = record::read(&[&[1, kind], &key[..]].concat(), Some(&[&[1, kind], &value[..]].concat()));
        }
    }
}

#[test]
fn a_record_of_a_newer_format_is_named() {
    assert_eq!(record::read(&[2, 1, 0], None), Err(CorruptRecord::Newer { version: 2, kind: 1 }));
    assert_eq!(record::read(&[1, 9, 0], None), Err(CorruptRecord::Newer { version: 1, kind: 9 }));
}
