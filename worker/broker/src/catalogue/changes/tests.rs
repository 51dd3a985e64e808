//! Who may change what, and what becomes of it.

use super::*;
use control::OwnerKind;

fn name(text: &str) -> TopicName {
    TopicName::new(text).unwrap()
}

fn owner(namespace: &str) -> Owner {
    Owner { kind: OwnerKind::Topic, object: ObjectRef { namespace: namespace.into(), name: "orders".into() } }
}

fn wanted(namespace: &str, partitions: i32) -> DesiredTopic {
    DesiredTopic {
        name: name("orders"),
        topic_id: None,
        partitions,
        retention: Retention::default(),
        config: Vec::new(),
        owner: owner(namespace),
        internal: false,
    }
}

fn desired(topics: Vec<DesiredTopic>) -> DesiredBroker {
    DesiredBroker { topics, ..DesiredBroker::new(1, ObjectRef { namespace: "streaming".into(), name: "main".into() }) }
}

const ID: TopicId = TopicId([3; 16]);

fn with(topics: Vec<DesiredTopic>) -> Catalogue {
    let (catalogue, problems) = reconcile(&Catalogue::default(), &desired(topics), || ID);
    assert_eq!(problems, []);
    catalogue
}

#[test]
fn a_declared_topic_is_changed_only_where_it_is_declared() {
    let catalogue = with(vec![wanted("shop", 3)]);
    for change in [
        Change::Delete { name: name("orders") },
        Change::Grow { name: name("orders"), partitions: 9 },
        Change::Configure { name: name("orders"), config: vec![("retention.ms".into(), Some("1".into()))] },
    ] {
        let refused = apply(&catalogue, &change, ID).unwrap_err();
        assert!(matches!(&refused, ChangeError::Declared { .. }), "{change:?}");
        assert_eq!(refused.to_string(), "topic orders is declared by Topic shop/orders; change it there");
    }
}

#[test]
fn no_client_touches_a_pipelines_inside() {
    let create = Change::Create { name: name("_sw.shop.totals"), partitions: 1, config: Vec::new() };
    assert_eq!(apply(&Catalogue::default(), &create, ID).unwrap_err(), ChangeError::Internal(name("_sw.shop.totals")));
}

#[test]
fn a_clients_topic_lives_through_its_changes() {
    let create = Change::Create { name: name("own"), partitions: 2, config: vec![("max.message.bytes".into(), Some("77".into()))] };
    let catalogue = apply(&Catalogue::default(), &create, ID).unwrap();
    assert_eq!(catalogue.get("own").unwrap().settings().max_message_bytes, 77);
    assert_eq!(apply(&catalogue, &create, ID).unwrap_err(), ChangeError::Exists(name("own")));
    let catalogue = apply(&catalogue, &Change::Grow { name: name("own"), partitions: 5 }, ID).unwrap();
    assert_eq!(catalogue.get("own").unwrap().partitions, 5);
    assert!(matches!(apply(&catalogue, &Change::Grow { name: name("own"), partitions: 5 }, ID), Err(ChangeError::Partitions(_))));
    let reset = Change::Configure { name: name("own"), config: vec![("max.message.bytes".into(), None)] };
    assert_eq!(apply(&catalogue, &reset, ID).unwrap().get("own").unwrap().config, []);
    assert!(apply(&catalogue, &Change::Delete { name: name("own") }, ID).unwrap().get("own").is_none());
}

#[test]
fn partitions_grow_and_never_shrink() {
    let catalogue = with(vec![wanted("shop", 3)]);
    let (grown, problems) = reconcile(&catalogue, &desired(vec![wanted("shop", 5)]), || ID);
    assert_eq!((grown.get("orders").unwrap().partitions, problems), (5, vec![]));
    let (kept, problems) = reconcile(&grown, &desired(vec![wanted("shop", 2)]), || ID);
    assert_eq!(kept.get("orders").unwrap().partitions, 5);
    assert_eq!(problems[0].1.reason, TopicReason::PartitionsAboveSpec);
}

#[test]
fn a_retained_topic_goes_back_to_its_last_owner_or_the_clusters_namespace() {
    let catalogue = with(vec![wanted("shop", 3)]);
    let mut gone = desired(vec![]);
    gone.released = vec![control::ReleasedTopic { name: name("orders"), topic_id: ID, release: Release::Retain }];
    let (released, _) = reconcile(&catalogue, &gone, || ID);
    assert_eq!(released.get("orders").unwrap().owner, None);
    for (namespace, taken) in [("shop", true), ("streaming", true), ("elsewhere", false)] {
        let (next, problems) = reconcile(&released, &desired(vec![wanted(namespace, 3)]), || ID);
        assert_eq!(next.get("orders").unwrap().owner.is_some(), taken, "{namespace}");
        assert_eq!(problems.is_empty(), taken, "{namespace}");
    }
}

#[test]
fn what_is_released_is_deleted_only_under_its_id() {
    let catalogue = with(vec![wanted("shop", 3)]);
    let mut gone = desired(vec![]);
    gone.released = vec![control::ReleasedTopic { name: name("orders"), topic_id: TopicId([9; 16]), release: Release::Delete }];
    assert!(reconcile(&catalogue, &gone, || ID).0.get("orders").is_some());
    gone.released[0].topic_id = ID;
    assert!(reconcile(&catalogue, &gone, || ID).0.get("orders").is_none());
}

#[test]
fn a_topic_that_is_not_mentioned_is_left_alone() {
    let catalogue = with(vec![wanted("shop", 3)]);
    let (next, problems) = reconcile(&catalogue, &desired(vec![]), || ID);
    assert_eq!((next.get("orders").is_some(), problems), (true, vec![]));
}
