//! Against `kafka-protocol`, an encoder and decoder of its own, both ways and with every codec.

use bytes::{Bytes, BytesMut};
use kafka_protocol::{
    indexmap::IndexMap,
    protocol::StrBytes,
    records::{
        Compression as TheirCompression, Record as TheirRecord, RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
    },
};
use proptest::prelude::*;
use streamwright_records::{BatchBuilder, Compression, Records, place, split, stamp, validate_produced};
use units::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, TimestampMs};

/// A record without its place.
#[derive(Clone, Debug, PartialEq)]
struct Plain {
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

fn some_bytes(most: usize) -> impl Strategy<Value = Option<Vec<u8>>> {
    proptest::option::of(proptest::collection::vec(any::<u8>(), 0..most))
}

fn some_records() -> impl Strategy<Value = Vec<Plain>> {
    let headers = proptest::collection::vec(("[a-zé]{0,6}", some_bytes(20)), 0..4);
    let record = (0..2_000_000_000_000i64, some_bytes(40), some_bytes(300), headers).prop_map(|(timestamp, key, value, headers)| Plain {
        timestamp,
        key,
        value,
        headers,
    });
    proptest::collection::vec(record, 1..40)
}

fn some_codec() -> impl Strategy<Value = Compression> {
    proptest::sample::select(Compression::ALL.to_vec())
}

fn theirs(codec: Compression) -> TheirCompression {
    match codec {
        Compression::None => TheirCompression::None,
        Compression::Gzip => TheirCompression::Gzip,
        Compression::Snappy => TheirCompression::Snappy,
        Compression::Lz4 => TheirCompression::Lz4,
        Compression::Zstd => TheirCompression::Zstd,
    }
}

fn built(records: &[Plain], codec: Compression) -> Vec<u8> {
    let mut builder = BatchBuilder::new(codec);
    for record in records {
        let headers: Vec<_> = record.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        builder.push(TimestampMs(record.timestamp), record.key.as_deref(), record.value.as_deref(), headers);
    }
    builder.finish()
}

fn read(batch: Bytes) -> Vec<(i64, Plain)> {
    let records = Records::decode(&batch, 1 << 20).expect("a batch");
    let owned = |record: streamwright_records::Record<'_>| {
        let headers = record.headers.map(|(name, value)| (name.to_owned(), value.map(<[u8]>::to_vec))).collect();
        let (key, value) = (record.key.map(<[u8]>::to_vec), record.value.map(<[u8]>::to_vec));
        (record.offset.0, Plain { timestamp: record.timestamp.0, key, value, headers })
    };
    records.iter().map(|record| owned(record.expect("a record"))).collect()
}

/// What their model cannot hold: of headers with the same name it keeps the last, in the first one's place.
fn as_they_see(record: &Plain) -> IndexMap<StrBytes, Option<Bytes>> {
    record.headers.iter().map(|(name, value)| (StrBytes::from_string(name.clone()), value.clone().map(Bytes::from))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: u32::try_from(super::seeds(200)).unwrap_or(u32::MAX), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_we_build_we_read(records in some_records(), codec in some_codec()) {
        let batch = built(&records, codec);
        let header = validate_produced(&batch).expect("a batch that a producer may send");
        prop_assert_eq!(header.record_count as usize, records.len());
        prop_assert_eq!(header.max_timestamp.0, records.iter().map(|record| record.timestamp).max().unwrap_or(-1));
        let back = read(batch.into());
        prop_assert_eq!(back, (0..).zip(records).collect::<Vec<_>>());
    }

    #[test]
    fn what_we_build_they_read(records in some_records(), codec in some_codec(), base in 0..1_000_000i64, epoch in 0..9i32) {
        let mut batch = built(&records, codec);
        stamp(&mut batch, ProducerId(77), ProducerEpoch(3), Sequence(1000), true);
        place(&mut batch, Offset(base), LeaderEpoch(epoch));
        let set = RecordBatchDecoder::decode(&mut Bytes::from(batch)).expect("a batch that they can read");
        prop_assert_eq!(set.records.len(), records.len());
        for (index, (theirs, ours)) in set.records.iter().zip(&records).enumerate() {
            prop_assert_eq!((theirs.offset, theirs.timestamp), (base + index as i64, ours.timestamp));
            prop_assert_eq!((theirs.producer_id, theirs.producer_epoch, theirs.transactional, theirs.control), (77, 3, true, false));
            prop_assert_eq!((theirs.partition_leader_epoch, theirs.sequence), (epoch, 1000 + index as i32));
            prop_assert_eq!(theirs.key.as_deref(), ours.key.as_deref());
            prop_assert_eq!(theirs.value.as_deref(), ours.value.as_deref());
            prop_assert_eq!(&theirs.headers, &as_they_see(ours));
        }
    }

    #[test]
    fn what_they_build_we_read(records in some_records(), codec in some_codec(), base in 0..1_000_000i64) {
        let theirs_of = |(index, record): (usize, &Plain)| TheirRecord {
            transactional: true,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: 5,
            producer_id: 9,
            producer_epoch: 2,
            timestamp_type: TimestampType::Creation,
            offset: base + index as i64,
            sequence: index as i32,
            timestamp: record.timestamp,
            key: record.key.clone().map(Bytes::from),
            value: record.value.clone().map(Bytes::from),
            headers: as_they_see(record),
        };
        let their_records: Vec<_> = records.iter().enumerate().map(theirs_of).collect();
        let mut bytes = BytesMut::new();
        let options = RecordEncodeOptions { version: 2, compression: theirs(codec) };
        RecordBatchEncoder::encode(&mut bytes, &their_records, &options).expect("records that they can write");
        let mut back = Vec::new();
        for batch in split(bytes.freeze()) {
            let (header, batch) = batch.expect("a batch");
            prop_assert_eq!((header.producer_id, header.producer_epoch, header.leader_epoch), (ProducerId(9), ProducerEpoch(2), LeaderEpoch(5)));
            prop_assert!(header.attributes.is_transactional());
            validate_produced(&batch).expect("a batch that a producer may send");
            back.extend(read(batch));
        }
        prop_assert_eq!(back.len(), records.len());
        for ((offset, ours), (index, theirs)) in back.iter().zip(records.iter().enumerate()) {
            prop_assert_eq!(*offset, base + index as i64);
            prop_assert_eq!((ours.timestamp, &ours.key, &ours.value), (theirs.timestamp, &theirs.key, &theirs.value));
            let ours_as_they_see = as_they_see(ours);
            prop_assert_eq!(ours_as_they_see, as_they_see(theirs));
        }
    }
}
