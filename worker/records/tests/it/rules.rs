//! What a batch says of itself, what may be changed in it, and what a producer may send.

use bytes::Bytes;
use streamwright_records::{
    BatchBuilder, BatchError, BatchHeader, Compression, Marker, MarkerKind, Records, TimestampType, place, set_append_time, split, stamp,
    validate_produced, verify_crc,
};
use units::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, RecordCount, Sequence, TimestampMs};

use super::{batch_of, reseal};

#[test]
fn a_batch_has_its_own_slice_and_its_own_header() {
    let set = Bytes::from([batch_of(3, Compression::None), batch_of(5, Compression::Lz4), batch_of(1, Compression::Zstd)].concat());
    let batches: Vec<_> = split(set.clone()).map(|batch| batch.expect("a batch")).collect();
    assert_eq!(batches.iter().map(|(header, _)| header.record_count).collect::<Vec<_>>(), [3, 5, 1]);
    assert_eq!(batches.iter().map(|(_, batch)| batch.len()).sum::<usize>(), set.len());
    assert!(batches.iter().all(|(header, batch)| header.total_bytes() == batch.len() && set.as_ptr_range().contains(&batch.as_ptr())));
}

#[test]
fn a_set_cut_inside_of_its_last_batch_ends_with_truncated() {
    let whole = [batch_of(3, Compression::None), batch_of(5, Compression::None)].concat();
    for cut in [whole.len() - 1, whole.len() - 100, batch_of(3, Compression::None).len() + 10] {
        let read: Vec<_> = split(Bytes::copy_from_slice(&whole[..cut])).collect();
        assert!(matches!(read[..], [Ok(_), Err(BatchError::Truncated { .. })]), "{cut}");
    }
}

#[test]
fn placing_moves_the_offsets_and_keeps_the_crc() {
    let mut batch = batch_of(10, Compression::Gzip);
    let before = BatchHeader::parse(&batch).unwrap();
    place(&mut batch, Offset(500), LeaderEpoch(7));
    let after = verify_crc(&batch).unwrap();
    assert_eq!(
        (after.base_offset, after.last_offset(), after.next_offset()),
        (Offset(500), Offset(509), Offset(500).after(RecordCount(10)))
    );
    assert_eq!((after.crc, after.leader_epoch), (before.crc, LeaderEpoch(7)));
    let records = Records::decode(&batch.into(), 1 << 20).unwrap();
    assert_eq!(records.iter().map(|record| record.unwrap().offset.0).collect::<Vec<_>>(), (500..510).collect::<Vec<_>>());
}

#[test]
fn stamping_gives_a_producer_and_a_new_crc() {
    let mut batch = batch_of(10, Compression::None);
    stamp(&mut batch, ProducerId(9), ProducerEpoch(4), Sequence(i32::MAX - 3), true);
    let header = validate_produced(&batch).unwrap();
    assert_eq!(
        (header.producer_id, header.producer_epoch, header.base_sequence),
        (ProducerId(9), ProducerEpoch(4), Sequence(i32::MAX - 3))
    );
    assert_eq!((header.last_sequence(), header.attributes.is_transactional()), (Sequence(5), true));
    stamp(&mut batch, ProducerId(9), ProducerEpoch(5), Sequence(0), false);
    assert!(!validate_produced(&batch).unwrap().attributes.is_transactional());
}

#[test]
fn append_time_replaces_the_time_of_every_record() {
    let mut batch = batch_of(3, Compression::Snappy);
    set_append_time(&mut batch, TimestampMs(99_999));
    let header = verify_crc(&batch).unwrap();
    assert_eq!((header.attributes.timestamp_type(), header.max_timestamp), (TimestampType::LogAppendTime, TimestampMs(99_999)));
    let records = Records::decode(&batch.into(), 1 << 20).unwrap();
    assert!(records.iter().all(|record| record.unwrap().timestamp == TimestampMs(99_999)));
}

#[test]
fn headers_of_one_name_are_all_kept_in_order() {
    let mut builder = BatchBuilder::new(Compression::None);
    let headers = [("trace", Some(&b"1"[..])), ("x", None), ("trace", Some(b"2"))];
    builder.push(TimestampMs(1), None, Some(b"v"), headers);
    let records = Records::decode(&builder.finish().into(), 0).unwrap();
    let record = records.iter().next().unwrap().unwrap();
    assert_eq!(record.headers.collect::<Vec<_>>(), headers);
}

#[test]
fn an_uncompressed_batch_is_read_where_it_is() {
    let batch = Bytes::from(batch_of(2, Compression::None));
    let records = Records::decode(&batch, 0).unwrap();
    let key = records.iter().next().unwrap().unwrap().key.unwrap();
    assert!(batch.as_ptr_range().contains(&key.as_ptr()));
}

#[test]
fn the_size_told_while_building_is_that_of_the_uncompressed_batch() {
    let mut builder = BatchBuilder::new(Compression::None);
    let sizes: Vec<_> = (0..300).map(|index| builder.push_plain(TimestampMs(index * 1000), Some(b"k"), Some(&[7; 200]))).collect();
    assert!(sizes.windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!((builder.bytes(), builder.record_count()), (sizes[299], 300));
    assert_eq!(builder.finish().len(), sizes[299]);
}

#[test]
fn what_compaction_has_emptied_is_a_batch_without_records() {
    for codec in Compression::ALL {
        let mut batch = batch_of(4, codec);
        batch.truncate(61);
        batch[8..12].copy_from_slice(&49i32.to_be_bytes());
        batch[57..61].copy_from_slice(&0i32.to_be_bytes());
        reseal(&mut batch);
        let records = Records::decode(&batch.clone().into(), 100).unwrap();
        assert_eq!((records.iter().count(), records.header().last_offset()), (0, Offset(3)));
        assert_eq!(validate_produced(&batch), Err(BatchError::NotAllowed("has no record")));
    }
}

/// A produced batch with some header bytes changed and the CRC made right.
fn with(at: usize, bytes: &[u8]) -> Result<BatchHeader, BatchError> {
    let mut batch = batch_of(5, Compression::None);
    batch[at..at + bytes.len()].copy_from_slice(bytes);
    reseal(&mut batch);
    validate_produced(&batch)
}

#[test]
fn a_producer_cannot_send_what_only_brokers_write() {
    let control = with(21, &[0, 1 << 5]).unwrap_err();
    assert!(matches!(control, BatchError::NotAllowed(_)) && control.is_invalid_record());
    for attributes in [[0, 1 << 3], [0, 1 << 6], [0, 1 << 7], [1, 0]] {
        assert!(matches!(with(21, &attributes), Err(BatchError::NotAllowed(_))), "{attributes:?}");
    }
    assert_eq!(with(21, &[0, 5]), Err(BatchError::Compression(5)));
}

#[test]
fn counts_and_offsets_must_agree() {
    assert!(matches!(with(23, &5i32.to_be_bytes()), Err(BatchError::NotAllowed(_))));
    assert!(matches!(with(57, &4i32.to_be_bytes()), Err(BatchError::NotAllowed(_))));
    assert!(matches!(with(57, &(-1i32).to_be_bytes()), Err(BatchError::Header { field: "record count", value: -1 })));
    assert!(matches!(with(23, &(-1i32).to_be_bytes()), Err(BatchError::Header { field: "last offset delta", value: -1 })));
}

#[test]
fn a_producer_id_comes_with_epoch_and_sequence() {
    let producer = |id: i64, epoch: i16, sequence: i32| [&id.to_be_bytes()[..], &epoch.to_be_bytes(), &sequence.to_be_bytes()].concat();
    assert!(with(43, &producer(3, 0, 0)).is_ok());
    assert!(with(43, &producer(-1, -1, 0)).is_ok(), "some clients leave sequence 0 without a producer id");
    for wrong in [producer(3, -1, 0), producer(3, 0, -1), producer(-2, 0, 0)] {
        assert!(matches!(with(43, &wrong), Err(BatchError::NotAllowed(_))), "{wrong:?}");
    }
    assert!(matches!(with(21, &[0, 1 << 4]), Err(BatchError::NotAllowed(_))), "transactional without producer id");
}

#[test]
fn a_produced_set_is_one_batch_of_format_2() {
    let two = [batch_of(1, Compression::None), batch_of(1, Compression::None)].concat();
    assert!(matches!(validate_produced(&two), Err(BatchError::Several { .. })));
    assert_eq!(with(16, &[1]), Err(BatchError::Magic(1)));
    assert_eq!(validate_produced(&[]), Err(BatchError::Truncated { wanted: 61, left: 0 }));
    let mut damaged = batch_of(1, Compression::None);
    *damaged.last_mut().unwrap() ^= 1;
    let error = validate_produced(&damaged).unwrap_err();
    assert!(matches!(error, BatchError::Crc { .. }) && !error.is_invalid_record());
}

#[test]
fn raw_snappy_and_concatenated_frames_of_other_clients_are_read() {
    let plain = Records::decode(&batch_of(50, Compression::None).into(), 0).unwrap();
    let payload = batch_of(50, Compression::None)[61..].to_vec();
    let raw = snap::raw::Encoder::new().compress_vec(&payload).unwrap();
    let half = payload.len() / 2;
    let zstd = [zstd::encode_all(&payload[..half], 1).unwrap(), zstd::encode_all(&payload[half..], 19).unwrap()].concat();
    for (bytes, codec) in [(raw, Compression::Snappy), (zstd, Compression::Zstd)] {
        let read = Records::decode(&super::batch_around(&bytes, codec, 50), 1 << 20).unwrap();
        assert!(read.iter().eq(plain.iter()), "{codec}");
    }
}

#[test]
fn a_truncated_compressed_payload_is_damage_and_not_a_shorter_batch() {
    for codec in &Compression::ALL[1..] {
        let batch = batch_of(500, *codec);
        let cut = &batch[61..batch.len() - 9];
        let read = Records::decode(&super::batch_around(cut, *codec, 500), 1 << 20);
        let is_seen = read.is_err() || read.unwrap().iter().any(|record| record.is_err());
        assert!(is_seen, "{codec}");
    }
}

#[test]
fn an_lz4_frame_without_its_end_is_damage() {
    let batch = batch_of(500, Compression::Lz4);
    let cut = &batch[61..batch.len() - 4];
    let read = Records::decode(&super::batch_around(cut, Compression::Lz4, 500), 1 << 20);
    assert_eq!(read.err(), Some(BatchError::Damaged { codec: Compression::Lz4 }));
}

#[test]
fn offsets_inside_of_a_batch_only_grow_and_stay_inside() {
    let good = batch_of(3, Compression::None);
    let second = 61 + 1 + usize::from(good[61] / 2);
    let offset_at = second + 3;
    assert_eq!(good[offset_at], 2, "the second record has offset 1");
    for (delta, index) in [(0, 1), (4, 2), (6, 1), (1, 1)] {
        let mut batch = good.clone();
        batch[offset_at] = delta;
        let error = Records::decode(&batch.into(), 0).unwrap().iter().find_map(Result::err);
        assert!(matches!(error, Some(BatchError::Record { index: at, .. }) if at == index), "{delta}: {error:?}");
    }
}

#[test]
fn markers_come_back() {
    for kind in [MarkerKind::Commit, MarkerKind::Abort] {
        let (producer_id, producer_epoch) = (ProducerId(12), ProducerEpoch(3));
        let marker = Marker { kind, coordinator_epoch: 8, producer_id, producer_epoch, timestamp: TimestampMs(777) };
        let batch = marker.to_batch();
        let header = verify_crc(&batch).unwrap();
        assert!(header.attributes.is_control() && header.attributes.is_transactional());
        assert_eq!((header.base_sequence, header.record_count), (Sequence::NONE, 1));
        assert_eq!(Marker::parse(&batch.clone().into()), Ok(Some(marker)));
        assert!(validate_produced(&batch).is_err());
        let key: Vec<u8> = [0i16, i16::from(kind == MarkerKind::Commit)].iter().flat_map(|number| number.to_be_bytes()).collect();
        let records = Records::decode(&batch.into(), 0).unwrap();
        assert_eq!(records.iter().next().unwrap().unwrap().key, Some(&key[..]));
    }
    assert_eq!(Marker::parse(&batch_of(1, Compression::None).into()), Ok(None));
}
