//! Answers that come, do not come, come late, or are none.

use std::time::Duration;

use bytes::Bytes;
use streamwright_client::{CallError, Connection};
use wire::{ApiKey, ApiVersionsResponse, ErrorCode, ListGroupsRequest, ListGroupsResponse, api_versions::ApiVersion};

use super::{
    fake::{Fake, Reaction, usual},
    options, soon,
};

async fn connect(fake: &Fake) -> Connection {
    Connection::open(fake.address(), &options(fake.address())).await.expect("the fake answers")
}

/// What comes of a ListGroups that the broker reacts to like this.
async fn ask(reaction: impl Fn(&super::fake::Call) -> Reaction + Send + 'static) -> (Connection, Result<ListGroupsResponse, CallError>) {
    let fake = Fake::start(move |call| (call.api == ApiKey::ListGroups).then(|| reaction(call))).await;
    let connection = connect(&fake).await;
    let outcome = soon(connection.call(&ListGroupsRequest::default())).await;
    (connection, outcome)
}

#[tokio::test]
async fn requests_are_pipelined_and_answered_in_order() {
    let mut held = Vec::new();
    let fake = Fake::start(move |call| {
        (call.api == ApiKey::ListGroups).then(|| {
            let response = ListGroupsResponse { throttle_time_ms: call.correlation_id, ..Default::default() };
            let Reaction::Bytes(answer) = call.answer(&response) else { unreachable!() };
            held.push(answer);
            // Nothing is answered before all ten are there.
            if held.len() < 10 { Reaction::Silence } else { Reaction::Bytes(held.concat().into()) }
        })
    })
    .await;
    let connection = connect(&fake).await;
    let mut pending = Vec::new();
    for _ in 0..10 {
        pending.push(connection.send(&ListGroupsRequest::default(), 0, Duration::ZERO).await.unwrap());
    }
    let mut told = Vec::new();
    for answer in pending {
        told.push(soon(answer).await.unwrap().throttle_time_ms);
    }
    assert!(told.is_sorted_by(|a, b| a < b), "{told:?}");
}

#[tokio::test]
async fn a_lost_answer_is_in_doubt_and_closes_the_connection() {
    for reaction in [|| Reaction::Close, || Reaction::HalfClose, || Reaction::Silence] {
        let (connection, outcome) = ask(move |_| reaction()).await;
        let error = outcome.unwrap_err();
        assert!(error.may_have_happened(), "{error}");
        assert!(matches!(error, CallError::Lost { api: ApiKey::ListGroups, .. }), "{error}");
        let after = soon(connection.call(&ListGroupsRequest::default())).await.unwrap_err();
        assert!(matches!(after, CallError::NotSent { .. }) && !after.may_have_happened(), "{after}");
        assert!(!connection.is_open());
    }
}

#[tokio::test]
async fn what_is_no_answer_is_in_doubt() {
    let answers: [&'static [u8]; 4] =
        [&[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0], &[0xff; 8], &[0, 0, 0, 8, 0x55, 0x55, 0x55, 0x55, 0, 0, 0, 0], &[0, 0, 0, 2, 1, 2]];
    for bytes in answers {
        let (_, outcome) = ask(move |_| Reaction::Bytes(Bytes::from_static(bytes))).await;
        assert!(matches!(outcome, Err(CallError::Lost { .. })), "{bytes:x?}: {outcome:?}");
    }
    let (_, outcome) = ask(|call| {
        let right_id_and_nothing_else = [&4i32.to_be_bytes()[..], &call.correlation_id.to_be_bytes()].concat();
        Reaction::Bytes(right_id_and_nothing_else.into())
    })
    .await;
    assert!(matches!(&outcome, Err(error @ CallError::Decode { .. }) if error.may_have_happened()), "{outcome:?}");
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_closes_the_connection() {
    let (connection, outcome) = ask(|call| {
        let Reaction::Bytes(answer) = call.answer(&ListGroupsResponse::default()) else { unreachable!() };
        Reaction::Bytes([&answer[..], &answer[..]].concat().into())
    })
    .await;
    assert!(outcome.is_ok());
    let after = soon(connection.call(&ListGroupsRequest::default())).await;
    assert!(after.is_err());
}

#[tokio::test]
async fn an_answer_larger_than_allowed_is_not_read() {
    let fake = Fake::start(|call| {
        let response = ListGroupsResponse {
            groups: vec![wire::list_groups::ListedGroup { group_id: "g".repeat(5000).into(), ..Default::default() }],
            ..Default::default()
        };
        (call.api == ApiKey::ListGroups).then(|| call.answer(&response))
    })
    .await;
    let options = streamwright_client::ClientOptions { response_bytes_max: 4096, ..options(fake.address()) };
    let connection = Connection::open(fake.address(), &options).await.unwrap();
    let error = soon(connection.call(&ListGroupsRequest::default())).await.unwrap_err();
    assert!(error.to_string().contains("not between 0 and 4096"), "{error}");
}

#[tokio::test]
async fn the_broker_may_close_while_nothing_is_asked() {
    let fake = Fake::start(|call| {
        let Reaction::Bytes(_) = usual(call) else { unreachable!() };
        None
    })
    .await;
    let connection = connect(&fake).await;
    drop(fake);
    soon(async {
        while connection.is_open() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let error = connection.call(&ListGroupsRequest::default()).await.unwrap_err();
    assert!(!error.may_have_happened(), "{error}");
}

#[tokio::test]
async fn answers_still_come_after_the_last_handle_is_gone() {
    let fake = Fake::start(|call| (call.api == ApiKey::ListGroups).then(|| call.answer(&ListGroupsResponse::default()))).await;
    let connection = connect(&fake).await;
    let pending = connection.send(&ListGroupsRequest::default(), 0, Duration::ZERO).await.unwrap();
    drop(connection);
    assert!(soon(pending).await.is_ok());
}

#[tokio::test]
async fn an_older_broker_is_asked_for_versions_in_one_it_has() {
    let fake = Fake::start(|call| {
        (call.api == ApiKey::ApiVersions).then(|| {
            let told = |max_version| {
                vec![ApiVersion { api_key: 18, min_version: 0, max_version }, ApiVersion { api_key: 16, min_version: 0, max_version: 2 }]
            };
            if call.version > 1 {
                let response = ApiVersionsResponse { error_code: ErrorCode::UnsupportedVersion, api_keys: told(1), ..Default::default() };
                // KIP-511: this answer is always in version 0.
                return Reaction::Bytes(wire::encode_response(&response, 0, call.correlation_id).unwrap().into_bytes());
            }
            call.answer(&ApiVersionsResponse { api_keys: told(1), ..Default::default() })
        })
    })
    .await;
    let connection = connect(&fake).await;
    assert_eq!(fake.calls(ApiKey::ApiVersions).iter().map(|call| call.version).collect::<Vec<_>>(), [4, 1]);
    assert!(connection.has(ApiKey::ListGroups, 2) && !connection.has(ApiKey::ListGroups, 3) && !connection.has(ApiKey::Fetch, 4));
    let error = connection.call_from(&ListGroupsRequest::default(), 3, Duration::ZERO).await.unwrap_err();
    assert!(matches!(error, CallError::Version { api: ApiKey::ListGroups, needed: 3, .. }), "{error}");
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_named() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let error = soon(Connection::open(&unused, &options(&unused))).await.unwrap_err();
    assert!(matches!(&error, CallError::Connect { address, .. } if **address == *unused), "{error}");
}
