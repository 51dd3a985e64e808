//! Stores that do not arbitrate are refused by name, and left clean.

use crate::kit::{key, store};
use std::time::Duration;
use store::{ProbeError, StoreError, probe};
use streamwright_tests_s3::{Conduct, Fault, Injection, Operation, Server};

#[test]
fn a_store_that_arbitrates_is_accepted_at_a_known_cost() {
    let server = Server::start();
    probe(&store(&server), &key("probe")).unwrap();
    assert_eq!(server.keys(), Vec::<String>::new());
    let requests = server.requests().all();
    assert!(requests <= 130, "{requests} requests");
}

#[test]
fn a_store_that_does_not_is_refused_by_name() {
    for (conduct, said) in [
        (Conduct::IgnoresConditions, "6 of 6 rivals were told that their put if absent had won"),
        (Conduct::IgnoresMatch, "6 of 6 rivals were told that their put if match had won"),
        (Conduct::MatchesNothing, "it refuses every put if match, also one that names the version that is there"),
        (Conduct::KnowsNoConditions, "it does not know conditional writes"),
        (Conduct::ForgetsMetadata, "it does not keep the metadata"),
    ] {
        let server = Server::start();
        server.conduct(conduct);
        match probe(&store(&server), &key("probe")) {
            Err(ProbeError::DoesNotArbitrate { broken }) => assert!(broken.contains(said), "{conduct:?}: {broken}"),
            other => panic!("{conduct:?}: {other:?}"),
        }
        assert_eq!(server.keys(), Vec::<String>::new(), "{conduct:?} is left clean");
    }
}

#[test]
fn a_store_that_checks_and_then_writes_is_refused() {
    for pause in [Duration::ZERO, Duration::from_millis(1), Duration::from_millis(20)] {
        let server = Server::start();
        server.conduct(Conduct::ChecksThenWrites(pause));
        let probed = probe(&store(&server), &key("probe"));
        assert!(
            matches!(&probed, Err(ProbeError::DoesNotArbitrate { broken }) if broken.contains("of 6 rivals")),
            "with {pause:?} between: {probed:?}"
        );
    }
}

#[test]
fn a_store_with_weather_is_not_called_broken() {
    let server = Server::start();
    let store = store(&server);
    for fault in [Fault::CutAfter, Fault::CutBefore, Fault::Refuse(503, "SlowDown"), Fault::Refuse(409, "ConditionalRequestConflict")] {
        for nth in 0..12 {
            server.inject(Injection::next(Operation::PutObject, fault.clone()).after(nth * 3));
        }
        probe(&store, &key("probe")).unwrap();
        server.calm();
    }
    server.inject(Injection::next(Operation::PutObject, Fault::Refuse(403, "AccessDenied")).times(1000));
    assert!(matches!(probe(&store, &key("probe")), Err(ProbeError::Store(StoreError::Denied { .. }))));
}
