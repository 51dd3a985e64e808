//! What counts when watches, lists and answers come in any order.

use super::*;
use serde_json::json;

fn topics() -> Stream {
    Stream { resource: Resource::Topic, namespace: String::new(), part: "" }
}

fn topic(name: &str, version: u64, partitions: i32) -> Value {
    json!({
        "apiVersion": "streamwright.dev/v1alpha1", "kind": "Topic",
        "metadata": {"name": name, "namespace": "a", "uid": name, "resourceVersion": version.to_string()},
        "spec": {"partitions": partitions}
    })
}

fn object(body: Value) -> Box<DynamicObject> {
    Box::new(serde_json::from_value(body).unwrap())
}

fn key(name: &str) -> Key {
    Key::new(Resource::Topic, "a", name)
}

fn partitions(cache: &Cache) -> Vec<(String, Option<i32>)> {
    let mut found: Vec<_> = cache.world.topics.iter().map(|topic| (topic.metadata.name.clone().unwrap(), topic.spec.partitions)).collect();
    found.sort();
    found
}

#[test]
fn an_event_that_was_under_way_does_not_take_a_write_back() {
    let mut cache = Cache::new([topics()]);
    cache.wrote(&key("t"), topic("t", 7, 3));
    cache.see(&topics(), Seen::Applied(object(topic("t", 5, 1))));
    assert_eq!(partitions(&cache), [("t".into(), Some(3))]);
}

#[test]
fn an_answer_that_comes_late_does_not_bring_an_object_back() {
    let mut cache = Cache::new([topics()]);
    cache.see(&topics(), Seen::Applied(object(topic("t", 5, 1))));
    cache.see(&topics(), Seen::Deleted(object(topic("t", 9, 1))));
    cache.wrote(&key("t"), topic("t", 7, 3));
    assert!(partitions(&cache).is_empty());
}

#[test]
fn a_new_list_takes_away_what_is_not_in_it_unless_that_is_newer() {
    let mut cache = Cache::new([topics()]);
    cache.see(&topics(), Seen::Applied(object(topic("old", 5, 1))));
    cache.wrote(&key("new"), topic("new", 20, 3));
    cache.see(&topics(), Seen::Init);
    cache.see(&topics(), Seen::Listed(object(topic("kept", 10, 2))));
    assert!(!cache.is_whole());
    cache.see(&topics(), Seen::Done);
    assert!(cache.is_whole());
    assert_eq!(partitions(&cache), [("kept".into(), Some(2)), ("new".into(), Some(3))]);
}

#[test]
fn an_object_that_cannot_be_read_is_there_and_disturbs_nobody() {
    let mut cache = Cache::new([topics()]);
    for name in ["a", "b", "c"] {
        cache.see(&topics(), Seen::Applied(object(topic(name, 5, 1))));
    }
    let mut broken = topic("a", 6, 1);
    broken["spec"]["partitions"] = json!("many");
    cache.see(&topics(), Seen::Applied(object(broken)));
    assert_eq!(partitions(&cache), [("b".into(), Some(1)), ("c".into(), Some(1))]);
    assert!(cache.world.unreadable.contains(&(Kind::Topic, key("a").object())));
    cache.see(&topics(), Seen::Applied(object(topic("a", 7, 4))));
    cache.see(&topics(), Seen::Applied(object(topic("c", 8, 9))));
    assert_eq!(partitions(&cache), [("a".into(), Some(4)), ("b".into(), Some(1)), ("c".into(), Some(9))]);
    assert!(cache.world.unreadable.is_empty());
}
