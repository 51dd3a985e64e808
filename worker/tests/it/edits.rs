//! Manifests that change while it runs.

use crate::kit::{Home, TOPIC, named, ready};
use serde_json::Value;

fn partitions(status: &Value) -> Option<u64> {
    named(status, "topics", "orders")["partitions"].as_u64()
}

#[test]
fn an_edit_is_taken_over_and_a_wrong_one_stops_nothing() {
    let home = Home::new(&[("a.yaml", TOPIC)]);
    let mut dev = home.start();
    home.write("a.yaml", &TOPIC.replace("partitions: 2", "partitions: 3"));
    dev.wait_for_status(|status| partitions(status) == Some(3));
    home.write("a.yaml", &TOPIC.replace("partitions: 2", "partitions: 1"));
    dev.wait_for_line("manifests/a.yaml:6:3: Topic default/orders: ");
    let status = dev.wait_for_status(|status| status["problems"].as_array().is_some_and(|problems| problems.len() == 1));
    assert_eq!((partitions(&status), ready(&status, "orders").as_str()), (Some(3), "True/Available"));
    home.write("a.yaml", "kind: [");
    dev.wait_for_line("manifests/a.yaml:2:1: not YAML");
    home.write("a.yaml", &TOPIC.replace("partitions: 2", "partitions: 4"));
    dev.wait_for_line("all manifests are well");
    let status = dev.wait_for_status(|status| partitions(status) == Some(4));
    assert_eq!(status["problems"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_topic_whose_manifest_goes_keeps_its_data_unless_it_says_otherwise() {
    let deleted = TOPIC.replace("orders", "scratch") + "  deletionPolicy: Delete\n";
    let home = Home::new(&[("a.yaml", TOPIC), ("b.yaml", &deleted)]);
    let mut dev = home.start();
    let owner = |status: &Value| named(status, "topics", "orders")["object"].clone();
    dev.wait_for_status(|status| owner(status) == "Topic default/orders");
    home.remove("a.yaml");
    home.remove("b.yaml");
    dev.wait_for_line("Topic default/scratch: gone");
    let status = dev.wait_for_status(|status| named(status, "topics", "scratch").is_null() && named(status, "objects", "orders").is_null());
    assert_eq!((partitions(&status), owner(&status)), (Some(2), Value::Null));
    home.write("again.yaml", TOPIC);
    dev.wait_for_status(|status| owner(status) == "Topic default/orders" && ready(status, "orders") == "True/Available");
}

#[test]
fn a_manifest_taken_away_while_nothing_ran_is_a_deletion_too() {
    let home = Home::new(&[("a.yaml", TOPIC), ("b.yaml", &(TOPIC.replace("orders", "scratch") + "  deletionPolicy: Delete\n"))]);
    home.start().kill();
    home.remove("b.yaml");
    let dev = home.start();
    dev.wait_for_status(|status| named(status, "topics", "scratch").is_null() && ready(status, "orders") == "True/Available");
}

#[test]
fn a_broken_file_at_the_start_deletes_nothing() {
    let home = Home::new(&[("a.yaml", &(TOPIC.to_owned() + "  deletionPolicy: Delete\n"))]);
    home.start().kill();
    home.write("a.yaml", "kind: [");
    let mut dev = home.start();
    dev.wait_for_line("manifests/a.yaml:2:1: not YAML");
    dev.wait_for_status(|status| partitions(status) == Some(2) && ready(status, "orders") == "True/Available");
}

#[test]
fn a_link_in_a_circle_stops_nothing_else() {
    let home = Home::new(&[("a.yaml", TOPIC)]);
    std::os::unix::fs::symlink("circle.yaml", home.path().join("manifests/circle.yaml")).unwrap();
    let mut dev = home.start();
    dev.wait_for_line("manifests/circle.yaml: cannot be looked at: ");
    home.write("a.yaml", &TOPIC.replace("partitions: 2", "partitions: 3"));
    dev.wait_for_status(|status| partitions(status) == Some(3));
}
