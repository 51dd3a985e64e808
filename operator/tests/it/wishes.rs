//! What Kafka clients ask of a broker becomes Topic objects, or an answer why not.

use control::{ConfigEntry, ProposalKind, RefusalReason, Retention, TopicProposal};
use crds::Kind;
use operator::resource::Resource;
use serde_json::json;
use units::{DurationMs, TopicName};

use crate::{
    kit::World,
    lifecycle::{CLUSTER, TOPICS},
};

fn wish(kind: ProposalKind, topic: &str, partitions: i32) -> TopicProposal {
    TopicProposal {
        id: format!("{kind:?}-{topic}"),
        kind,
        topic: TopicName::new(topic).unwrap(),
        topic_id: None,
        partitions,
        retention: Retention { total_time: Some(DurationMs(3_600_000)), ..Retention::default() },
        config: vec![ConfigEntry { name: "max.message.bytes".into(), value: "2097152".into() }],
        client_id: "test".into(),
    }
}

fn ask(world: &World, wishes: Vec<TopicProposal>) {
    world.workers.broker("default", |broker| broker.proposals = wishes);
}

#[tokio::test(start_paused = true)]
async fn a_client_makes_changes_and_deletes_a_topic_by_its_object() {
    let mut world = World::new();
    world.apply(CLUSTER);
    world.rest().await;
    ask(&world, vec![wish(ProposalKind::Create, "Clicks_1", 3)]);
    world.rest().await;
    let name = world.names(Resource::Topic).pop().unwrap();
    assert!(name.starts_with("clicks-1-"), "{name}");
    assert_eq!(world.ready(Kind::Topic, &name), "True/Available");
    assert_eq!(world.workers.topics("default"), [format!("Clicks_1 x3 Topic default/{name} 1h")]);
    let body = world.get(Kind::Topic, &name).unwrap();
    assert_eq!(
        (&body["spec"]["deletionPolicy"], &body["metadata"]["labels"]["streamwright.dev/made-by"]),
        (&json!("Delete"), &json!("client"))
    );
    let told = world.workers.told("default");
    assert!(told.client_topics.iter().any(|topic| topic.as_str() == "Clicks_1") && told.refused_proposals.is_empty(), "{told:?}");

    let shorter = TopicProposal {
        retention: Retention { total_time: Some(DurationMs(60_000)), ..Retention::default() },
        config: Vec::new(),
        ..wish(ProposalKind::Configure, "Clicks_1", 3)
    };
    ask(&world, vec![TopicProposal { partitions: 5, ..shorter }]);
    world.rest().await;
    let body = world.get(Kind::Topic, &name).unwrap();
    assert_eq!((&body["spec"]["partitions"], &body["spec"]["retention"]["total"]["time"]), (&json!(5), &json!("1m")));
    assert!(body["spec"]["config"].as_array().is_none_or(Vec::is_empty), "{body}");
    assert_eq!(world.ready(Kind::Topic, &name), "True/Available");

    ask(&world, vec![wish(ProposalKind::Delete, "Clicks_1", 5)]);
    world.rest().await;
    assert!(world.names(Resource::Topic).is_empty());
    assert_eq!((world.workers.topics("default"), world.workers.deleted()), (Vec::new(), vec!["Clicks_1".to_owned()]));
    assert!(world.events().iter().any(|event| event.starts_with("DeletedByClient: ")), "{:?}", world.events());
}

#[tokio::test(start_paused = true)]
async fn a_topic_of_a_users_manifest_is_changed_there_only_and_what_the_server_would_refuse_is_answered() {
    let mut world = World::new();
    world.apply(CLUSTER);
    world.apply(TOPICS);
    world.rest().await;
    let (topics, writes) = (world.workers.topics("default"), world.fake.writes());
    ask(
        &world,
        vec![
            wish(ProposalKind::Delete, "orders", 6),
            wish(ProposalKind::Grow, "totals", 9),
            wish(ProposalKind::Create, "big", 20_000),
            wish(ProposalKind::Create, "orders.", 1),
        ],
    );
    world.rest().await;
    let told = world.workers.told("default");
    let answers: Vec<_> = told.refused_proposals.iter().map(|refused| (refused.id.as_str(), refused.reason)).collect();
    assert_eq!(
        answers,
        [
            ("Delete-orders", RefusalReason::Policy),
            ("Grow-totals", RefusalReason::Policy),
            ("Create-big", RefusalReason::InvalidPartitions)
        ]
    );
    assert!(told.refused_proposals[0].message.contains("Topic default/orders"), "{told:?}");
    let mut after = world.workers.topics("default");
    after.retain(|topic| !topic.starts_with("orders. "));
    assert_eq!(after, topics);
    assert!(world.fake.writes() > writes, "the topic with an odd name is made");
    assert!(world.names(Resource::Topic).iter().any(|name| name.starts_with("orders-")));
}
