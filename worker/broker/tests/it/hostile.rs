//! Bytes that no client of good will sends.

use std::io::Write;

use streamwright_broker::BrokerConfig;
use units::DurationMs;
use wire::{ApiVersionsRequest, ApiVersionsResponse, ErrorCode, FetchRequest, MetadataRequest};

use crate::kit::{Batch, Peer, Served, fetch_request, values};

fn frame(body: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(body.len()).expect("a small body").to_be_bytes().to_vec();
    frame.extend(body);
    frame
}

/// A request header of version 1 without a client id.
fn header(api: i16, version: i16) -> Vec<u8> {
    [api.to_be_bytes(), version.to_be_bytes(), [0, 0], [0, 7], [0xff, 0xff]].concat()
}

fn is_closed(mut peer: Peer, bytes: &[u8]) -> bool {
    let _ = peer.socket.write_all(bytes);
    peer.receive_frame().is_none()
}

#[test]
fn a_request_for_154_gigabytes_closes_its_own_connection_only() {
    let served = Served::start();
    let mut bystander = served.peer();
    let topic = bystander.create("orders", 1);
    let body = [header(3, 1), vec![0x7f, 0xff, 0xff, 0xff]].concat();
    assert!(is_closed(served.peer(), &frame(&body)));
    bystander.produce(topic, &Batch::of(&["still here"]));
    assert_eq!(values(&bystander.fetch(topic, 0, |_| {})), ["still here"]);
}

#[test]
fn unknown_apis_wild_lengths_and_noise_close_the_connection() {
    let served = Served::start();
    assert!(is_closed(served.peer(), &frame(&header(999, 0))), "an unknown API");
    assert!(is_closed(served.peer(), &frame(&header(0, 99))), "an unknown version");
    assert!(is_closed(served.peer(), &0x7fff_ffff_u32.to_be_bytes()), "a length above the limit");
    assert!(is_closed(served.peer(), &(-5_i32).to_be_bytes()), "a length below zero");
    assert!(is_closed(served.peer(), &frame(b"\x00")), "half a header");
    assert!(is_closed(served.peer(), &frame(&[0xa5; 400])), "noise");
    assert_eq!(
        served.peer().ask(&ApiVersionsRequest { client_software_name: "t".into(), client_software_version: "1".into() }).error_code,
        ErrorCode::None
    );
}

#[test]
fn a_half_closed_connection_still_gets_its_answers() {
    let served = Served::start();
    let mut peer = served.peer();
    peer.send(13, &MetadataRequest::default());
    peer.socket.shutdown(std::net::Shutdown::Write).expect("the writing half closes");
    assert_eq!(peer.receive::<MetadataRequest>(13).brokers.len(), 1);
    assert!(peer.receive_frame().is_none());
}

#[test]
fn a_connection_that_dies_inside_a_frame_harms_nobody() {
    let served = Served::start();
    let mut peer = served.peer();
    peer.socket.write_all(&[0, 0, 4, 0, 1, 2, 3]).expect("the broker reads");
    drop(peer);
    assert_eq!(served.peer().ask(&MetadataRequest::default()).brokers.len(), 1);
}

#[test]
fn a_newer_api_versions_is_answered_in_version_zero() {
    let served = Served::start();
    let mut peer = served.peer();
    peer.socket.write_all(&frame(&header(18, 77))).expect("the broker reads");
    let answer = peer.receive_frame().expect("an answer (KIP-511)");
    let (correlation, answer) = wire::decode_response::<ApiVersionsResponse>(answer, 0).expect("a version 0 body");
    assert_eq!((correlation, answer.error_code), (7, ErrorCode::UnsupportedVersion));
    assert_eq!(answer.api_keys.iter().find(|api| api.api_key == 18).map(|api| api.max_version), Some(4));
}

#[test]
fn only_features_that_are_served_are_told() {
    let served = Served::start();
    let answer = served.peer().ask(&ApiVersionsRequest { client_software_name: "t".into(), client_software_version: "1".into() });
    let features: Vec<_> = answer.finalized_features.iter().map(|feature| (feature.name.to_string(), feature.max_version_level)).collect();
    assert_eq!(features, [("transaction.version".to_owned(), 2)]);
    assert!(answer.api_keys.iter().all(|api| api.api_key != 27 && api.api_key != 68), "neither brokers' APIs nor what is not served");
}

#[test]
fn a_large_request_that_never_comes_keeps_no_small_one_waiting() {
    let served = Served::start_with(|config| BrokerConfig { request_budget_bytes: 1 << 20, ..config });
    let mut announced = served.peer();
    // All the memory for requests is taken for it before its bytes are read.
    announced.socket.write_all(&(1_u32 << 20).to_be_bytes()).expect("the broker reads");
    announced.socket.write_all(&[0; 100]).expect("the broker reads");
    let mut bystander = served.peer();
    let topic = bystander.create("orders", 1);
    for _ in 0..100 {
        bystander.produce(topic, &Batch::of(&["small"]));
    }
    drop(announced);
    let large = "x".repeat(100_000);
    assert_eq!(bystander.produce(topic, &Batch::of(&[&large])).error_code, ErrorCode::None, "its memory is free again");
}

#[test]
fn a_connection_that_asks_nothing_is_closed() {
    let served = Served::start_with(|config| BrokerConfig { connection_idle_max: DurationMs(100), ..config });
    assert!(served.peer().receive_frame().is_none());
    let mut inside = served.peer();
    inside.socket.write_all(&[0, 0]).expect("the broker reads");
    assert!(inside.receive_frame().is_none(), "nor is one kept that stopped inside a frame");
}

#[test]
fn a_peer_that_is_gone_holds_no_place_for_the_length_of_its_poll() {
    // Long enough for a peer that is kept waiting by a busy machine between two requests.
    let served = Served::start_with(|config| BrokerConfig { connection_idle_max: DurationMs(5_000), connections_max: 1, ..config });
    let mut peer = served.peer();
    let topic = peer.create("orders", 1);
    peer.send(17, &FetchRequest { max_wait_ms: i32::MAX, ..fetch_request(topic, 0) });
    peer.socket.shutdown(std::net::Shutdown::Write).expect("the writing half closes");
    assert!(peer.receive_frame().is_none(), "the poll was dropped");
}
