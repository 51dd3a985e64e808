//! Volumes that grow.

use k8s_openapi::api::{apps::v1::StatefulSet, core::v1::PersistentVolumeClaim};
use operator::build::{cluster, growth, growth::Intention};

use super::kit;

fn set(size: &str) -> StatefulSet {
    let spec = kit::cluster(&format!("{{metadata: {{name: main, namespace: n, uid: u}}, spec: {{storage: {{size: {size}}}}}}}"));
    let mut set = cluster(&spec, &kit::cluster_inputs()).stateful_set().unwrap().clone();
    set.metadata.uid = Some("set-uid".into());
    set
}

fn claim(asked: &str, capacity: &str) -> PersistentVolumeClaim {
    serde_yaml::from_str(&format!(
        "{{metadata: {{name: data-main-broker-0}}, spec: {{resources: {{requests: {{storage: {asked}}}}}}}, \
         status: {{phase: Bound, capacity: {{storage: {capacity}}}, conditions: [{{type: FileSystemResizePending, status: 'True'}}]}}}}"
    ))
    .unwrap()
}

#[test]
fn nothing_grows_that_is_large_enough() {
    let same = growth::decide(&set("20Gi"), Some(&set("20Gi")), &[claim("20Gi", "20Gi")]);
    assert!(same.intentions.is_empty() && same.may_apply && same.waiting.is_empty());
    let written_otherwise = growth::decide(&set("2048Mi"), Some(&set("2Gi")), &[claim("2Gi", "2Gi")]);
    assert!(written_otherwise.intentions.is_empty() && written_otherwise.may_apply);
    assert!(growth::decide(&set("20Gi"), None, &[claim("20Gi", "20Gi")]).may_apply, "the first time there is nothing to grow");
}

#[test]
fn claims_grow_first_then_the_set_is_made_again_around_its_pods() {
    let (wanted, live) = (set("40Gi"), set("20Gi"));
    let first = growth::decide(&wanted, Some(&live), &[claim("20Gi", "20Gi")]);
    assert_eq!(first.intentions, [Intention::GrowClaim { name: "data-main-broker-0".into(), size: "40Gi".into() }]);
    assert!(!first.may_apply, "applying a new template of claims would be refused");

    let second = growth::decide(&wanted, Some(&live), &[claim("40Gi", "20Gi")]);
    assert_eq!(second.intentions, [Intention::RemakeStatefulSet { name: "main-broker".into(), uid: "set-uid".into() }]);
    assert_eq!(second.waiting, ["claim data-main-broker-0 is growing: its file system grows when the node gets to it"]);

    let third = growth::decide(&wanted, None, &[claim("40Gi", "20Gi")]);
    assert!(third.intentions.is_empty() && third.may_apply);

    let last = growth::decide(&wanted, Some(&wanted), &[claim("40Gi", "40Gi")]);
    assert_eq!(last, growth::Growth { may_apply: true, ..growth::Growth::default() });
}

#[test]
fn a_set_is_not_made_again_before_every_claim_is_seen_and_asks_for_the_new_size() {
    let (wanted, live) = (set("40Gi"), set("20Gi"));
    let unseen = growth::decide(&wanted, Some(&live), &[]);
    assert!(unseen.intentions.is_empty() && !unseen.may_apply);

    let mut unbound = claim("20Gi", "20Gi");
    unbound.status.as_mut().unwrap().phase = Some("Pending".into());
    let growth = growth::decide(&wanted, Some(&live), &[unbound]);
    assert!(growth.intentions.is_empty(), "the server refuses to change a claim without a volume");
    assert_eq!(growth.waiting, ["claim data-main-broker-0 has no volume yet, and grows when it has"]);
}

#[test]
fn claims_are_labelled_as_ours_so_that_they_are_found() {
    let templates = set("20Gi").spec.unwrap().volume_claim_templates.unwrap();
    let labels = templates[0].metadata.labels.clone().unwrap();
    assert_eq!(labels["app.kubernetes.io/managed-by"], "streamwright-operator");
    assert_eq!(labels["streamwright.dev/cluster"], "main");
}

#[test]
fn while_volumes_grow_everything_else_is_applied() {
    let (mut wanted, live) = (set("40Gi"), set("20Gi"));
    wanted.spec.as_mut().unwrap().replicas = Some(3);
    let applied = growth::in_force(&wanted, &live).spec.unwrap();
    assert_eq!(applied.replicas, Some(3));
    assert_eq!(applied.volume_claim_templates, live.spec.unwrap().volume_claim_templates);
}

#[test]
fn a_set_that_is_already_going_is_not_deleted_again() {
    let mut live = set("20Gi");
    live.metadata.deletion_timestamp = Some(crds::Time(crds::Timestamp::UNIX_EPOCH));
    let growth = growth::decide(&set("40Gi"), Some(&live), &[claim("40Gi", "40Gi")]);
    assert!(growth.intentions.is_empty() && !growth.may_apply);
}

#[test]
fn a_claim_that_a_user_made_larger_is_not_asked_to_shrink() {
    let growth = growth::decide(&set("20Gi"), Some(&set("20Gi")), &[claim("100Gi", "100Gi")]);
    assert!(growth.intentions.is_empty() && growth.may_apply);
}
