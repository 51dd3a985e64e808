//! Which pod is deleted next.

use crds::Timestamp;
use operator::build::roll::{Identity, Intention, NodeState, ObservedPod, brokers, pipelines};

fn pod(ordinal: i32, hash: &str) -> ObservedPod {
    ObservedPod {
        name: format!("main-broker-{ordinal}"),
        uid: format!("uid-{ordinal}"),
        ordinal,
        roll_hash: Some(hash.into()),
        is_ready: true,
        deleted_by: None,
        node: NodeState::Ready,
        is_silent: false,
    }
}

fn honest(pod: &ObservedPod) -> Identity {
    Identity { says: Some((pod.ordinal, 7)), recorded: Some((pod.ordinal, 7)) }
}

fn silent(pod: &ObservedPod) -> Identity {
    Identity { says: None, ..honest(pod) }
}

fn deleted(intention: Option<Intention>) -> Option<String> {
    match intention {
        Some(Intention::Delete { name, uid, .. }) => {
            assert_eq!(name.trim_start_matches("main-broker-"), uid.trim_start_matches("uid-"));
            Some(name)
        }
        _ => None,
    }
}

fn waits(intention: Option<Intention>) -> bool {
    matches!(intention, Some(Intention::Wait(_)))
}

#[test]
fn brokers_that_are_as_they_shall_be_are_left_alone() {
    assert_eq!(brokers(&[pod(0, "new"), pod(1, "new")], "new", 2, honest), None);
    assert_eq!(brokers(&[], "new", 1, honest), None);
}

#[test]
fn brokers_are_replaced_one_at_a_time() {
    let mut pods = [pod(0, "old"), pod(1, "old"), pod(2, "old")];
    assert_eq!(deleted(brokers(&pods, "new", 3, honest)).as_deref(), Some("main-broker-0"));
    pods[0].deleted_by = Some(Timestamp::UNIX_EPOCH);
    assert!(waits(brokers(&pods, "new", 3, honest)), "one is on its way out");
    pods[0] = ObservedPod { is_ready: false, ..pod(0, "new") };
    assert!(waits(brokers(&pods, "new", 3, honest)), "one is not ready yet");
    assert!(waits(brokers(&pods[1..], "new", 3, honest)), "one is not there yet");
    pods[0].is_ready = true;
    assert_eq!(deleted(brokers(&pods, "new", 3, honest)).as_deref(), Some("main-broker-1"));
}

#[test]
fn a_broker_that_does_not_start_is_replaced_first_so_that_a_bad_change_can_be_taken_back() {
    let pods = [pod(0, "old"), ObservedPod { is_ready: false, ..pod(1, "bad") }, pod(2, "old")];
    assert_eq!(deleted(brokers(&pods, "new", 3, silent)).as_deref(), Some("main-broker-1"));
}

#[test]
fn a_pod_that_is_not_the_broker_it_is_taken_for_is_not_deleted() {
    let pods = [pod(0, "old")];
    let says = |says, recorded| waits(brokers(&pods, "new", 1, |_| Identity { says, recorded }));
    assert!(says(None, Some((0, 7))), "ready, and silent");
    assert!(says(Some((1, 7)), None), "another id");
    assert!(says(Some((0, 7)), Some((1, 7))), "status knows it as another");
    assert!(says(Some((0, 6)), Some((0, 7))), "an incarnation that is over");
    assert!(!says(Some((0, 8)), Some((0, 7))), "it has started again since");
}

#[test]
fn a_broker_is_never_deleted_by_force() {
    for node in [NodeState::NotReady, NodeState::Gone] {
        let pods = [ObservedPod { node, is_ready: false, deleted_by: Some(Timestamp::UNIX_EPOCH), ..pod(0, "old") }];
        assert!(waits(brokers(&pods, "new", 1, silent)));
    }
}

#[test]
fn a_pod_of_a_pipeline_whose_node_does_not_answer_goes_by_force() {
    let now = Timestamp::from_second(1000).unwrap();
    let forced = |pod: ObservedPod| matches!(pipelines(now, &[pod], "new").as_slice(), [Intention::ForceDelete { .. }]);
    assert!(forced(ObservedPod { node: NodeState::NotReady, is_silent: true, ..pod(0, "new") }));
    assert!(forced(ObservedPod { node: NodeState::Gone, ..pod(0, "new") }));
    let leaving =
        |second| ObservedPod { node: NodeState::Unknown, deleted_by: Some(Timestamp::from_second(second).unwrap()), ..pod(0, "old") };
    assert!(forced(leaving(900)), "it should have been gone");
    assert_eq!(pipelines(now, &[leaving(990)], "new"), [], "it still has its time");
}

#[test]
fn a_pod_of_a_pipeline_that_answers_stays_though_nobody_hears_of_its_node() {
    let now = Timestamp::UNIX_EPOCH;
    assert_eq!(pipelines(now, &[ObservedPod { node: NodeState::NotReady, ..pod(0, "new") }], "new"), []);
    assert_eq!(
        pipelines(now, &[ObservedPod { is_silent: true, ..pod(0, "new") }], "new"),
        [],
        "its node is well: it is starting, or restarts"
    );
}

#[test]
fn pods_of_a_pipeline_are_replaced_when_they_are_outdated_and_only_then() {
    let now = Timestamp::UNIX_EPOCH;
    assert_eq!(pipelines(now, &[pod(0, "new")], "new"), []);
    let mut unlabelled = pod(0, "old");
    unlabelled.roll_hash = None;
    assert!(matches!(pipelines(now, &[unlabelled], "new").as_slice(), [Intention::Delete { .. }]));
}
