//! Bytes that nobody honest would send: an error, quickly, and in little memory.

use bytes::Bytes;

use super::{Dice, Sampled, seeds};
use crate::{
    ApiKey, DecodeError, Decoder, Encoder, HeaderError, JoinGroupResponse, LeaveGroupRequest, Message, MetadataRequest, OffsetFetchRequest,
    Request, RequestHeader,
};

/// Reads `bytes` as `M` and, where they are one, writes it again. Neither may panic.
fn survives<M: Message>(bytes: &Bytes, version: i16) {
    if let Ok(message) = M::decode(&mut Decoder::new(bytes.clone()), version) {
        let _ = message.encode(&mut Encoder::new(), version);
    }
}

fn sampled<M: Sampled>(dice: &mut Dice, version: i16) -> Vec<u8> {
    let mut encoder = Encoder::new();
    M::sampled(dice, version).encode(&mut encoder, version).expect("a sample that the version can carry");
    encoder.finish().concat()
}

/// Damages a message the way bugs and attackers do.
fn mutate(dice: &mut Dice, bytes: &mut Vec<u8>) {
    for _ in 0..1 + dice.below(3) {
        if bytes.is_empty() {
            return;
        }
        let at = dice.below(bytes.len());
        match dice.below(5) {
            0 => bytes[at] ^= 1 << dice.below(8),
            1 => bytes.truncate(at),
            2 => bytes.insert(at, dice.next() as u8),
            3 => drop(bytes.remove(at)),
            _ => {
                let end = bytes.len().min(at + 4);
                let huge = [[0x7f, 0xff, 0xff, 0xff], [0xff, 0xff, 0xff, 0xff], [0x80, 0, 0, 0], [0, 0xff, 0xff, 0xff]][dice.below(4)];
                bytes[at..end].copy_from_slice(&huge[..end - at]);
            }
        }
    }
}

fn attack<M: Sampled>(seed: u64) {
    for version in M::versions() {
        let dice = &mut Dice::new(seed ^ ((version as u64) << 32));
        let mut damaged = sampled::<M>(dice, version);
        mutate(dice, &mut damaged);
        survives::<M>(&damaged.into(), version);
        let noise = dice.bytes();
        survives::<M>(&noise.into(), version);
    }
}

macro_rules! attack_all {
    ($($request:ident)*) => {
        #[test]
        fn damaged_and_random_bytes_never_panic() {
            for seed in 0..seeds(200) {
                $(
                    attack::<crate::$request>(seed);
                    attack::<<crate::$request as Request>::Response>(seed);
                )*
            }
        }

        #[test]
        fn every_api_is_attacked() {
            let attacked = [$(crate::$request::API,)*];
            assert!(ApiKey::ALL.iter().all(|api| attacked.contains(api)));
        }
    };
}

attack_all! {
    ProduceRequest FetchRequest ListOffsetsRequest MetadataRequest OffsetCommitRequest OffsetFetchRequest FindCoordinatorRequest
    JoinGroupRequest HeartbeatRequest LeaveGroupRequest SyncGroupRequest DescribeGroupsRequest ListGroupsRequest ApiVersionsRequest
    CreateTopicsRequest DeleteTopicsRequest DeleteRecordsRequest InitProducerIdRequest OffsetForLeaderEpochRequest
    AddPartitionsToTxnRequest AddOffsetsToTxnRequest EndTxnRequest WriteTxnMarkersRequest TxnOffsetCommitRequest DescribeConfigsRequest
    AlterConfigsRequest DescribeLogDirsRequest CreatePartitionsRequest DeleteGroupsRequest IncrementalAlterConfigsRequest
    OffsetDeleteRequest DescribeClusterRequest DescribeProducersRequest DescribeTransactionsRequest ListTransactionsRequest
}

#[test]
fn an_array_that_claims_two_thousand_million_topics_is_refused() {
    let body = Bytes::from_static(&[0x7f, 0xff, 0xff, 0xff]);
    let refused = MetadataRequest::decode(&mut Decoder::new(body), 1);
    assert_eq!(refused, Err(DecodeError::Count { count: 0x7fff_ffff, left: 0 }));
}

#[test]
fn an_array_that_claims_more_than_its_bytes_could_hold_is_refused() {
    // One group id of one byte, then 40 topics of at least 3 bytes each where 100 bytes follow.
    let mut body = vec![2, b'g', 41];
    body.extend([0; 100]);
    let refused = OffsetFetchRequest::decode(&mut Decoder::new(body.into()), 6);
    assert_eq!(refused, Err(DecodeError::Count { count: 40, left: 100 }));
}

#[test]
fn elements_far_larger_in_memory_than_on_the_wire_are_refused() {
    // Members of four bytes each: empty id, null name, null reason, no tags. In memory each takes more than 90.
    let count = 300_000u32;
    let mut encoder = Encoder::new();
    encoder.put(&[2, b'g']);
    encoder.put_unsigned_varint(count + 1);
    (0..count).for_each(|_| encoder.put(&[1, 0, 0, 0]));
    encoder.put(&[0]);
    let body: Bytes = encoder.finish().concat().into();
    let frame_bytes = body.len();
    assert_eq!(LeaveGroupRequest::decode(&mut Decoder::new(body), 5), Err(DecodeError::Memory { frame_bytes }));
}

#[test]
fn a_tagged_field_that_ends_inside_its_value_is_refused() {
    // FetchRequest 12 with cluster_id (tag 0) of which the size says two bytes and the text one.
    let mut body = vec![0; 4 * 4 + 1 + 8];
    body.extend([1, 1, 1, 1, 0, 2, 2, b'c']);
    assert!(crate::FetchRequest::decode(&mut Decoder::new(body.clone().into()), 12).is_ok());
    let at = body.len() - 3;
    body[at] = 3;
    body.push(0);
    let refused = crate::FetchRequest::decode(&mut Decoder::new(body.into()), 12);
    assert_eq!(refused, Err(DecodeError::TaggedField { tag: 0, size_bytes: 3 }));
}

#[test]
fn unknown_tagged_fields_are_skipped_also_inside_structs() {
    // JoinGroupResponse 9 with one member; both carry tag 77.
    let unknown = [1, 77, 3, 1, 2, 3];
    let mut body = vec![0; 4 + 2 + 4];
    body.extend([0, 0, 1, 0, 2, b'm', 2, 2, b'm', 0, 1]);
    body.extend(unknown);
    body.extend(unknown);
    let mut decoder = Decoder::new(body.into());
    let read = JoinGroupResponse::decode(&mut decoder, 9).expect("a response");
    assert_eq!((read.member_id.as_str(), read.members.len(), decoder.left()), ("m", 1, 0));
}

#[test]
fn null_where_null_is_not_allowed_is_refused_both_ways() {
    let null_topics = MetadataRequest { topics: None, ..Default::default() };
    assert!(null_topics.encode(&mut Encoder::new(), 0).is_err());
    assert!(null_topics.encode(&mut Encoder::new(), 1).is_ok());
    let null = Bytes::from_static(&[0xff; 4]);
    assert_eq!(MetadataRequest::decode(&mut Decoder::new(null.clone()), 0), Err(DecodeError::Length(-1)));
    assert_eq!(MetadataRequest::decode(&mut Decoder::new(null), 1), Ok(null_topics));
}

#[test]
fn overlong_numbers_and_bad_text_are_refused() {
    let varint = |bytes: &'static [u8]| Decoder::new(Bytes::from_static(bytes)).unsigned_varint();
    assert_eq!(varint(&[0xff, 0xff, 0xff, 0xff, 0x0f]), Ok(u32::MAX));
    assert_eq!(varint(&[0xff, 0xff, 0xff, 0xff, 0x1f]), Err(DecodeError::Varint));
    assert_eq!(varint(&[0xff; 6]), Err(DecodeError::Varint));
    let body = Bytes::from_static(&[0, 0, 0, 1, 0, 1, 0xff]);
    assert_eq!(MetadataRequest::decode(&mut Decoder::new(body), 1), Err(DecodeError::Text));
    let body = Bytes::from_static(&[0, 0, 0, 1, 0x80, 0]);
    assert_eq!(MetadataRequest::decode(&mut Decoder::new(body), 1), Err(DecodeError::Length(-32768)));
}

#[test]
fn headers_of_random_bytes_never_panic() {
    for seed in 0..seeds(200) * 50 {
        let dice = &mut Dice::new(seed);
        let mut bytes: Vec<u8> = (0..dice.below(24)).map(|_| dice.next() as u8).collect();
        if let Some(key) = bytes.get_mut(..2) {
            key.copy_from_slice(&(dice.below(70) as i16).to_be_bytes());
        }
        match RequestHeader::decode(&mut Decoder::new(bytes.into())) {
            Ok(header) => assert!(header.api.versions().contains(&header.version)),
            Err(HeaderError::UnsupportedVersion { api, version, .. }) => assert!(!api.versions().contains(&version)),
            Err(_) => {}
        }
    }
}
