//! Every message in every version, random values, against another codec: the crate `kafka-protocol`, generated from Kafka's schemas.
//!
//! Our bytes must be read by it, written again by it to the same bytes, and those read by us to the same value. So each of the two
//! encoders meets the other's decoder. What byte equality cannot see is compared by the printed values: a tagged field that we do not
//! have, and the default of a field that a version does not have.

use std::{collections::BTreeSet, fmt::Debug};

use bytes::Bytes;
use kafka_protocol::{messages as theirs, protocol as their};

use super::{Dice, Sampled};
use crate::{ApiKey, Decoder, Encoder, Message, Request};

/// Fields that the other codec has for versions beyond ours.
const BEYOND: &[&str] = &[
    "unknown_tagged_fields",
    "high_watermark", // FetchRequest 18
    "topic_id",       // OffsetCommit and OffsetFetch 10
    "enable_2_pc",    // InitProducerId 6
    "keep_prepared_txn",
    "ongoing_txn_producer_id",
    "ongoing_txn_producer_epoch",
    "transactional_id_pattern", // ListTransactions 2
];

fn encoded<M: Message>(message: &M, version: i16) -> Bytes {
    let mut encoder = Encoder::new();
    message.encode(&mut encoder, version).unwrap_or_else(|error| panic!("{} v{version}: {error}", M::NAME));
    encoder.finish().concat().into()
}

/// The names of all fields in a printed value.
fn names(printed: &str) -> BTreeSet<&str> {
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let colons = printed.match_indices(": ").map(|(at, _)| at);
    let names = colons.map(|at| &printed[printed[..at].bytes().rposition(|byte| !is_name(byte)).map_or(0, |before| before + 1)..at]);
    names.filter(|name| !name.is_empty()).collect()
}

/// Every `name: number` or `name: true` of a printed value, through any newtype, in alphabetical order.
fn numbers(printed: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for name in names(printed) {
        for (at, key) in printed.match_indices(&format!(" {name}: ")) {
            let rest = &printed[at + key.len()..];
            let value = rest[..rest.find([',', ' ', '}']).unwrap_or(rest.len())].trim_end_matches(')');
            let value = value.rsplit('(').next().unwrap_or_default();
            // Lists of newtypes, and bytes and text that happen to look like numbers, are not meant.
            if rest.starts_with(['[', '"']) || rest.starts_with("b\"") || rest.starts_with("Some(") {
                continue;
            }
            if value == "true" || value == "false" || value.parse::<i64>().is_ok() {
                found.push((name, value));
            }
        }
    }
    found.sort_unstable();
    found
}

fn check<Ours, Theirs>(seed: u64)
where
    Ours: Sampled + PartialEq + Debug,
    Theirs: their::Encodable + their::Decodable + their::Message + Debug,
{
    assert!(Theirs::VERSIONS.min <= *Ours::versions().start() && Theirs::VERSIONS.max >= *Ours::versions().end(), "{}", Ours::NAME);
    for version in Ours::versions() {
        let value = Ours::sampled(&mut Dice::new(seed ^ ((version as u64) << 32)), version);
        let bytes = encoded(&value, version);
        let context = || format!("{} v{version} seed {seed}: {value:?}\n{bytes:02x?}", Ours::NAME);

        let mut left = bytes.clone();
        let read = Theirs::decode(&mut left, version).unwrap_or_else(|error| panic!("theirs cannot read: {error}\n{}", context()));
        assert!(left.is_empty(), "theirs leaves {} bytes\n{}", left.len(), context());

        let mut written = bytes::BytesMut::new();
        read.encode(&mut written, version).unwrap_or_else(|error| panic!("theirs cannot write: {error}\n{}", context()));
        assert_eq!(written, bytes, "theirs writes other bytes\n{}", context());

        let mut decoder = Decoder::new(written.freeze());
        let back = Ours::decode(&mut decoder, version).unwrap_or_else(|error| panic!("ours cannot read: {error}\n{}", context()));
        assert_eq!(decoder.left(), 0, "{}", context());
        assert_eq!(back, value, "{}", context());

        let (ours, theirs) = (format!("{back:?}"), format!("{read:?}"));
        let missing: Vec<_> = names(&theirs).into_iter().filter(|name| !names(&ours).contains(name) && !BEYOND.contains(name)).collect();
        assert!(missing.is_empty(), "{} lacks {missing:?}\n{}", Ours::NAME, context());
        let known = names(&ours);
        let comparable = |(name, _): &(&str, &str)| known.contains(name) && !name.ends_with("error_code") && !BEYOND.contains(name);
        let (ours, theirs): (Vec<_>, Vec<_>) =
            (numbers(&ours).into_iter().filter(comparable).collect(), numbers(&theirs).into_iter().filter(comparable).collect());
        assert_eq!(ours, theirs, "numbers or defaults differ\n{}", context());
    }
}

macro_rules! against_theirs {
    ($($api:ident: $request:ident, $response:ident;)*) => {
        /// Checks one API's request and response for `seed`.
        fn check_api(api: ApiKey, seed: u64) {
            match api {
                $(ApiKey::$api => {
                    check::<crate::$request, theirs::$request>(seed);
                    check::<<crate::$request as Request>::Response, theirs::$response>(seed);
                    for version in api.versions() {
                        let (ours, header) = (|v| api.request_header_version(v), <theirs::$request as their::HeaderVersion>::header_version);
                        assert_eq!(ours(version), header(version), "{api} request header v{version}");
                        let (ours, header) = (|v| api.response_header_version(v), <theirs::$response as their::HeaderVersion>::header_version);
                        assert_eq!(ours(version), header(version), "{api} response header v{version}");
                    }
                })*
            }
        }
    };
}

against_theirs! {
    Produce: ProduceRequest, ProduceResponse;
    Fetch: FetchRequest, FetchResponse;
    ListOffsets: ListOffsetsRequest, ListOffsetsResponse;
    Metadata: MetadataRequest, MetadataResponse;
    OffsetCommit: OffsetCommitRequest, OffsetCommitResponse;
    OffsetFetch: OffsetFetchRequest, OffsetFetchResponse;
    FindCoordinator: FindCoordinatorRequest, FindCoordinatorResponse;
    JoinGroup: JoinGroupRequest, JoinGroupResponse;
    Heartbeat: HeartbeatRequest, HeartbeatResponse;
    LeaveGroup: LeaveGroupRequest, LeaveGroupResponse;
    SyncGroup: SyncGroupRequest, SyncGroupResponse;
    DescribeGroups: DescribeGroupsRequest, DescribeGroupsResponse;
    ListGroups: ListGroupsRequest, ListGroupsResponse;
    ApiVersions: ApiVersionsRequest, ApiVersionsResponse;
    CreateTopics: CreateTopicsRequest, CreateTopicsResponse;
    DeleteTopics: DeleteTopicsRequest, DeleteTopicsResponse;
    DeleteRecords: DeleteRecordsRequest, DeleteRecordsResponse;
    InitProducerId: InitProducerIdRequest, InitProducerIdResponse;
    OffsetForLeaderEpoch: OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse;
    AddPartitionsToTxn: AddPartitionsToTxnRequest, AddPartitionsToTxnResponse;
    AddOffsetsToTxn: AddOffsetsToTxnRequest, AddOffsetsToTxnResponse;
    EndTxn: EndTxnRequest, EndTxnResponse;
    WriteTxnMarkers: WriteTxnMarkersRequest, WriteTxnMarkersResponse;
    TxnOffsetCommit: TxnOffsetCommitRequest, TxnOffsetCommitResponse;
    DescribeConfigs: DescribeConfigsRequest, DescribeConfigsResponse;
    AlterConfigs: AlterConfigsRequest, AlterConfigsResponse;
    DescribeLogDirs: DescribeLogDirsRequest, DescribeLogDirsResponse;
    CreatePartitions: CreatePartitionsRequest, CreatePartitionsResponse;
    DeleteGroups: DeleteGroupsRequest, DeleteGroupsResponse;
    IncrementalAlterConfigs: IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse;
    OffsetDelete: OffsetDeleteRequest, OffsetDeleteResponse;
    DescribeCluster: DescribeClusterRequest, DescribeClusterResponse;
    DescribeProducers: DescribeProducersRequest, DescribeProducersResponse;
    DescribeTransactions: DescribeTransactionsRequest, DescribeTransactionsResponse;
    ListTransactions: ListTransactionsRequest, ListTransactionsResponse;
}

#[test]
fn every_version_of_every_message_agrees_with_the_other_codec() {
    for api in ApiKey::ALL {
        for seed in 0..super::seeds(60) {
            check_api(*api, seed);
        }
    }
}

#[test]
fn api_keys_and_error_codes_agree_with_the_other_codec() {
    use kafka_protocol::ResponseError;
    for api in ApiKey::ALL {
        let theirs = theirs::ApiKey::try_from(api.code()).expect("a key of Kafka's");
        assert_eq!(format!("{theirs:?}").trim_end_matches("Key"), api.to_string());
    }
    for code in crate::ErrorCode::ALL {
        let theirs = ResponseError::try_from_code(code.code());
        assert_eq!(theirs.map_or("None".into(), |error| format!("{error:?}")), format!("{code:?}"));
        assert_eq!(crate::ErrorCode::from_code(code.code()), *code);
    }
    assert_eq!(crate::ErrorCode::from_code(1234), crate::ErrorCode::Other(1234));
    assert_eq!(crate::ErrorCode::NotLeaderOrFollower.to_string(), "NOT_LEADER_OR_FOLLOWER");
}
