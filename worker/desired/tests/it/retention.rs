//! Effective retention: the last known good stays; deleting more takes consent.

use control::Retention;
use crds::{ConditionType, Kind};
use units::DurationMs;

use crate::house::{House, object};

fn topic(spec: &str) -> String {
    format!("---\napiVersion: streamwright.dev/v1alpha1\nkind: Topic\nmetadata: {{name: t}}\nspec: {{partitions: 1, {spec}}}\n")
}

fn policy(name: &str, spec: &str) -> String {
    format!("---\napiVersion: streamwright.dev/v1alpha1\nkind: RetentionPolicy\nmetadata: {{name: {name}}}\nspec: {spec}\n")
}

fn in_force(house: &House) -> Retention {
    house.world.brokers[&object("default")].topics[0].retention
}

fn hours(house: &House) -> Option<i64> {
    in_force(house).total_time.map(|DurationMs(millis)| millis / 3_600_000)
}

fn resolved(house: &House) -> String {
    house.says(Kind::Topic, "t", ConditionType::RetentionResolved)
}

fn summary(house: &House) -> String {
    let retention = house.world.topics[0].status.as_ref().and_then(|status| status.retention.clone()).unwrap();
    format!("{} {}", retention.source, retention.summary)
}

#[test]
fn a_named_policy_is_in_force_and_counted() {
    let mut house = House::process(
        &(policy("month", "{total: {time: 720h, sizePerPartition: 50Gi}, local: {time: 6h}}")
            + &topic("retentionPolicyRef: {name: month}")),
    );
    house.converge();
    assert_eq!((hours(&house), resolved(&house)), (Some(720), "True/Resolved".into()));
    assert_eq!(summary(&house), "RetentionPolicy/month 720h, 50Gi");
    let message = &house.condition(Kind::Topic, "t", ConditionType::RetentionResolved).unwrap().message;
    assert!(message.contains("local has no effect without an object store"), "{message}");
    assert_eq!(house.ready(Kind::RetentionPolicy, "month"), "True/Available");
    house.apply(&topic("retention: {}"));
    house.converge();
    assert_eq!((hours(&house), summary(&house)), (None, "Topic for ever".into()));
    assert_eq!(house.ready(Kind::RetentionPolicy, "month"), "True/Unused");
}

#[test]
fn a_policy_that_goes_shortens_nothing() {
    let mut house = House::process(&(policy("month", "{total: {time: 720h}}") + &topic("retentionPolicyRef: {name: month}")));
    house.converge();
    house.delete(Kind::RetentionPolicy, "month");
    house.converge();
    assert_eq!((hours(&house), resolved(&house)), (Some(720), "False/PolicyNotFound".into()));
    assert_eq!(summary(&house), "RetentionPolicy/month 720h");
    assert_eq!(house.ready(Kind::Topic, "t"), "True/Available", "it serves");
}

#[test]
fn a_policy_that_comes_late_needs_no_consent() {
    let mut house = House::process(&topic("retentionPolicyRef: {name: day}"));
    house.converge();
    assert_eq!((hours(&house), resolved(&house)), (None, "False/PolicyNotFound".into()));
    house.apply(&policy("day", "{total: {time: 24h}}"));
    house.converge();
    assert_eq!((hours(&house), resolved(&house)), (Some(24), "True/Resolved".into()));
}

#[test]
fn pointing_at_a_shorter_policy_takes_consent() {
    let both = policy("month", "{total: {time: 720h}}") + &policy("day", "{total: {time: 24h}}");
    let mut house = House::process(&(both + &topic("retentionPolicyRef: {name: month}")));
    house.converge();
    house.apply(&topic("retentionPolicyRef: {name: day}"));
    house.converge();
    assert_eq!((hours(&house), resolved(&house)), (Some(720), "False/ShrinkNotAllowed".into()));
    let message = &house.condition(Kind::Topic, "t", ConditionType::RetentionResolved).unwrap().message;
    assert!(message.contains("set allowShrink: true in RetentionPolicy/day"), "{message}");
    house.apply(&policy("day", "{total: {time: 24h}, allowShrink: true}"));
    house.converge();
    assert_eq!((hours(&house), resolved(&house)), (Some(24), "True/Resolved".into()));
}

#[test]
fn no_policy_at_all_does_not_shorten_either() {
    let mut house = House::process(&(policy("month", "{total: {time: 720h}}") + &topic("retentionPolicyRef: {name: month}")));
    house.converge();
    house.apply(&topic(""));
    house.converge();
    assert_eq!((hours(&house), resolved(&house)), (Some(720), "False/ShrinkNotAllowed".into()), "168h would delete");
}

#[test]
fn longer_is_always_allowed_and_a_size_counts_too() {
    let mut house = House::process(&topic("retention: {total: {time: 24h}}"));
    house.converge();
    house.apply(&topic("retention: {total: {time: 25h}}"));
    house.converge();
    assert_eq!(hours(&house), Some(25));
    house.apply(&policy("sized", "{total: {time: 25h, sizePerPartition: 1Gi}}"));
    house.apply(&topic("retentionPolicyRef: {name: sized}"));
    house.converge();
    assert_eq!(in_force(&house).total_size_per_partition, None, "a size where there was none deletes");
    assert_eq!(resolved(&house), "False/ShrinkNotAllowed");
}

#[test]
fn a_policy_older_than_its_rules_is_told_invalid() {
    let mut house = House::process(&(policy("p", "{total: {time: 24h}}") + &topic("retentionPolicyRef: {name: p}")));
    house.converge();
    house.world.policies[0].spec.local = Some(crds::retention::Bound { time: Some(crds::Duration::new("48h")), size_per_partition: None });
    house.converge();
    assert_eq!(house.ready(Kind::RetentionPolicy, "p"), "False/Invalid");
    assert_eq!((hours(&house), resolved(&house)), (Some(24), "False/PolicyInvalid".into()));
}
