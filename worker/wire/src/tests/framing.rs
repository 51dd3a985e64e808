//! Frames and headers, byte by byte, and what is copied.

use bytes::Bytes;

use crate::{
    ApiKey, ApiVersionsRequest, Decoder, EncodeError, Encoder, FetchResponse, HeaderError, MetadataRequest, OffsetFetchRequest,
    ProduceRequest, RecordSet, Request, RequestHeader, Str, TxnOffsetCommitRequest, decode_response, encode_request, encode_response,
    fetch::{FetchableTopicResponse, PartitionData},
    frame::{self, FrameError, Status},
    produce::{PartitionProduceData, TopicProduceData},
    unsupported_api_versions,
};
use crate::{ApiVersionsResponse, Message};

#[test]
fn a_frame_is_seen_before_it_is_taken() {
    assert_eq!(frame::status(&[0, 0, 0], 100), Ok(Status::NeedLength));
    assert_eq!(frame::status(&[0, 0, 0, 3, 1], 100), Ok(Status::NeedBody { frame_bytes: 3 }));
    assert_eq!(frame::status(&[0, 0, 0, 3, 1, 2, 3, 4], 100), Ok(Status::Whole { frame_bytes: 3 }));
    assert_eq!(frame::status(&[0, 0, 0, 101], 100), Err(FrameError { length: 101, bytes_max: 100 }));
    assert_eq!(frame::status(&[0xff; 4], 100), Err(FrameError { length: -1, bytes_max: 100 }));
}

#[test]
fn a_request_carries_its_header_and_comes_back() {
    for version in MetadataRequest::versions() {
        let request = MetadataRequest { topics: Some(vec![]), ..Default::default() };
        let client = Str::from("someone");
        let whole = encode_request(&request, version, 7, Some(&client)).unwrap().into_bytes();
        assert_eq!(frame::status(&whole, 1000), Ok(Status::Whole { frame_bytes: whole.len() - 4 }));
        let mut decoder = Decoder::new(whole.slice(4..));
        let header = RequestHeader::decode(&mut decoder).unwrap();
        assert_eq!(header, RequestHeader { api: ApiKey::Metadata, version, correlation_id: 7, client_id: Some(client) });
        assert_eq!(MetadataRequest::decode(&mut decoder, version).unwrap(), request);
    }
}

#[test]
fn a_response_carries_its_correlation_id_and_comes_back() {
    for version in FetchResponse::versions() {
        let response = FetchResponse { throttle_time_ms: 9, ..Default::default() };
        let whole = encode_response(&response, version, -3).unwrap().into_bytes();
        assert_eq!(decode_response::<FetchResponse>(whole.slice(4..), version).unwrap(), (-3, response));
    }
}

#[test]
fn an_api_versions_request_of_the_future_is_answered_in_version_0() {
    let future = Bytes::from_static(&[0, 18, 0, 99, 0, 0, 0, 5, 0xff, 0xff, 0, 1, 2]);
    let error = RequestHeader::decode(&mut Decoder::new(future)).unwrap_err();
    assert_eq!(error, HeaderError::UnsupportedVersion { api: ApiKey::ApiVersions, version: 99, correlation_id: 5 });
    let answer = unsupported_api_versions(5).into_bytes();
    assert_eq!(answer[..], [0, 0, 0, 16, 0, 0, 0, 5, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4]);
}

#[test]
fn the_header_in_front_of_an_api_versions_response_never_has_tags() {
    let answer = encode_response(&ApiVersionsResponse::default(), 4, 1).unwrap().into_bytes();
    assert_eq!(answer[4..12], [0, 0, 0, 1, 0, 0, 1, 0]);
    assert_eq!((ApiVersionsRequest::API.request_header_version(3), ApiKey::Metadata.response_header_version(9)), (2, 1));
}

#[test]
fn an_unknown_api_is_named() {
    let share_fetch = Bytes::from_static(&[0, 78, 0, 1, 0, 0, 0, 5]);
    assert_eq!(RequestHeader::decode(&mut Decoder::new(share_fetch)), Err(HeaderError::UnknownApi { key: 78, version: 1 }));
}

fn fetched(records: RecordSet) -> FetchResponse {
    let partition = PartitionData { records, ..Default::default() };
    FetchResponse { responses: vec![FetchableTopicResponse { partitions: vec![partition], ..Default::default() }], ..Default::default() }
}

#[test]
fn record_sets_are_passed_on_and_not_copied() {
    let batches: Vec<Bytes> = (0..3).map(|fill| Bytes::from(vec![fill; 10_000])).collect();
    let response = fetched(batches.iter().cloned().collect());
    let frame = encode_response(&response, 13, 1).unwrap();
    let shared: Vec<_> = frame.slices().iter().filter(|slice| slice.len() == 10_000).map(|slice| slice.as_ptr()).collect();
    assert_eq!(shared, batches.iter().map(|batch| batch.as_ptr()).collect::<Vec<_>>());
    assert!(frame.len() < 30_100);
    let whole = frame.into_bytes();
    assert_eq!(i32::from_be_bytes(whole[..4].try_into().unwrap()) as usize, whole.len() - 4);
    assert_eq!(decode_response::<FetchResponse>(whole.slice(4..), 13).unwrap().1, response);
}

#[test]
fn small_record_sets_are_copied_into_one_slice() {
    let response = fetched(Bytes::from(vec![1; 100]).into());
    assert_eq!(encode_response(&response, 13, 1).unwrap().slices().len(), 1);
}

#[test]
fn produced_records_are_a_slice_of_the_frame() {
    let partition = PartitionProduceData { records: Some(Bytes::from(vec![7; 5000])), ..Default::default() };
    let request = ProduceRequest {
        topic_data: vec![TopicProduceData { partition_data: vec![partition], ..Default::default() }],
        ..Default::default()
    };
    let whole = encode_request(&request, 9, 1, None).unwrap().into_bytes();
    let mut decoder = Decoder::new(whole.slice(4..));
    let header = RequestHeader::decode(&mut decoder).unwrap();
    let read = ProduceRequest::decode(&mut decoder, header.version).unwrap();
    let records = read.topic_data[0].partition_data[0].records.as_ref().unwrap();
    assert!(whole.as_ptr_range().contains(&records.as_ptr()));
}

#[test]
fn what_changes_a_requests_meaning_is_never_left_out_silently() {
    let fenced = TxnOffsetCommitRequest { generation_id: 3, ..Default::default() };
    let refused = fenced.encode(&mut Encoder::new(), 2);
    assert_eq!(refused, Err(EncodeError::FieldNotInVersion { field: "generation_id", version: 2 }));
    assert!(fenced.encode(&mut Encoder::new(), 3).is_ok());
    let stable = OffsetFetchRequest { require_stable: true, ..Default::default() };
    assert!(stable.encode(&mut Encoder::new(), 6).is_err());
}

#[test]
fn versions_outside_of_the_range_are_refused_both_ways() {
    assert_eq!(ProduceRequest::API.versions(), 3..=13);
    assert!(ProduceRequest::default().encode(&mut Encoder::new(), 2).is_err());
    assert!(ProduceRequest::decode(&mut Decoder::new(Bytes::new()), 14).is_err());
    assert!(encode_request(&ProduceRequest::default(), 14, 1, None).is_err());
}

#[test]
fn text_too_long_for_the_wire_is_an_error() {
    let name = Str::from("x".repeat(40_000));
    for version in [0, 12] {
        let topic = crate::metadata::MetadataRequestTopic { name: Some(name.clone()), ..Default::default() };
        let request = MetadataRequest { topics: Some(vec![topic]), ..Default::default() };
        assert_eq!(request.encode(&mut Encoder::new(), version), Err(EncodeError::Length(40_000)));
    }
}

#[test]
fn every_request_knows_the_api_of_its_response() {
    fn same<R: Request>() {
        assert_eq!(R::API, R::Response::API);
    }
    same::<ProduceRequest>();
    same::<ApiVersionsRequest>();
}
