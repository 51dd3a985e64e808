//! Pipelines: names, what they wait for, what a change of query does, and how they leave.

use control::{InternalUse, Life, Phase, PipelineProblem, PipelineReason, StartFrom};
use crds::{ConditionType, Kind};
use streamwright_desired::Deployment;
use units::{ByteCount, DurationMs, TimestampMs};

use crate::house::{House, object};

const TOPICS: &str = "\
apiVersion: streamwright.dev/v1alpha1
kind: Topic
metadata: {name: a}
spec: {partitions: 3, schema: {columns: [{name: x, type: STRING}, {name: ts, type: TIMESTAMP(3)}], key: [x], eventTime: {column: ts, watermarkDelay: 1s}}}
---
apiVersion: streamwright.dev/v1alpha1
kind: Topic
metadata: {name: b}
spec: {partitions: 2, schema: {columns: [{name: x, type: STRING}]}}
---
apiVersion: streamwright.dev/v1alpha1
kind: Topic
metadata: {name: bytes}
spec: {partitions: 2}
";

fn pipeline(name: &str, spec: &str) -> String {
    let (namespace, name) = name.split_once('/').unwrap_or(("default", name));
    format!(
        "---\napiVersion: streamwright.dev/v1alpha1\nkind: Pipeline\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}\n"
    )
}

fn house(query: &str) -> House {
    let mut house = House::process(&(TOPICS.to_owned() + &pipeline("p", &format!("{{query: {query}}}"))));
    house.converge();
    house
}

fn change(house: &mut House, spec: &str) {
    house.apply(&pipeline("p", spec));
    house.converge();
}

#[test]
fn a_pipeline_runs_under_names_of_its_own_once_its_topics_are_there() {
    let mut house = House::process(
        &(TOPICS.to_owned() + &pipeline("p", "{query: FROM a INTO b STATE agg, startFrom: '2026-01-31T12:00:00Z', commitInterval: 1s}")),
    );
    house.look();
    assert!(house.last.pipelines.is_empty(), "nothing runs before its topics are there");
    assert_eq!(house.ready(Kind::Pipeline, "p"), "False/DependencyMissing");
    assert_eq!(house.says(Kind::Pipeline, "p", ConditionType::QueryValid), "True/Planned");
    house.brokers_obey();
    house.look();
    assert_eq!(house.ready(Kind::Pipeline, "p"), "False/Progressing");
    let told = house.pipeline("p").clone();
    let layout = told.layout.to_string();
    assert!(layout.ends_with("-1-64"), "{layout}");
    assert_eq!(told.group.as_str(), format!("_sw.default.p.{layout}"));
    assert_eq!(told.transactional_id(0).as_str(), format!("_sw.default.p.{layout}.0"));
    assert_eq!(told.store_prefix, format!("pipelines/default/p/{layout}"));
    assert_eq!(told.state_topic().unwrap().name.as_str(), format!("_sw.default.p.{layout}.state"));
    assert!(matches!(&told.internal_topics[1].purpose, InternalUse::Exchange { .. }));
    assert!(told.internal_topics.iter().all(|topic| topic.partitions == 64));
    assert_eq!((told.commit_interval, told.start_from), (DurationMs(1000), StartFrom::Timestamp(TimestampMs(1_769_860_800_000))));
    assert_eq!(told.tables.iter().map(|table| table.name.as_str()).collect::<Vec<_>>(), ["a", "b"], "no more than it uses");
    assert_eq!(told.tables[0].event_time.as_ref().unwrap().watermark_delay, DurationMs(1000));
    house.pipelines_obey();
    house.look();
    assert_eq!(house.ready(Kind::Pipeline, "p"), "True/Available");
    assert_eq!(house.says(Kind::Pipeline, "p", ConditionType::CheckpointHealthy), "True/Healthy");
}

#[test]
fn a_stateless_pipeline_has_one_partition_for_its_positions_and_dead_letters() {
    let house = house("FROM a INTO b");
    let state = house.pipeline("p").state_topic().unwrap().clone();
    assert_eq!(house.topic_names(), [state.name.as_str(), "a", "b", "bytes", "p-dead-letters"]);
    assert_eq!(state.partitions, 1);
    assert_eq!(house.says(Kind::Pipeline, "p", ConditionType::CheckpointHealthy), "True/NotNeeded");
}

#[test]
fn a_pipeline_at_rest_is_told_nothing_new() {
    let mut house = house("FROM a INTO b STATE agg");
    let (pipelines, reports) = (house.last.pipelines.clone(), house.last.reports.clone());
    house.look();
    assert_eq!(house.last.pipelines, pipelines);
    assert_eq!(house.last.reports, reports);
}

#[test]
fn a_missing_topic_is_waited_for_and_named_where_it_stands() {
    let mut house = House::process(&(TOPICS.to_owned() + &pipeline("p", "{query: \"FROM a\\n INTO later\"}")));
    house.converge();
    assert_eq!(house.ready(Kind::Pipeline, "p"), "False/DependencyMissing");
    assert_eq!(house.says(Kind::Pipeline, "p", ConditionType::DependenciesReady), "False/TopicNotFound");
    let finding = &house.report(Kind::Pipeline, "p").findings[0];
    assert_eq!((finding.path.to_string().as_str(), finding.text_at, finding.is_error), ("spec.query", Some((2, 7)), false));
    house.apply(&TOPICS.split("---\n").nth(1).unwrap().replace("name: b", "name: later"));
    house.converge();
    assert_eq!(house.ready(Kind::Pipeline, "p"), "True/Available");
}

#[test]
fn a_topic_without_schema_is_no_table() {
    let house = house("FROM bytes INTO b");
    assert_eq!(house.says(Kind::Pipeline, "p", ConditionType::DependenciesReady), "False/SchemaMissing");
}

#[test]
fn a_bad_new_query_stops_nothing_that_runs() {
    let mut house = house("FROM a INTO b");
    let told = house.pipeline("p").clone();
    change(&mut house, "{query: \"FROM a\\nINTO b BROKEN\"}");
    assert_eq!(*house.pipeline("p"), told);
    assert_eq!(house.ready(Kind::Pipeline, "p"), "False/PlanError");
    assert_eq!(house.says(Kind::Pipeline, "p", ConditionType::Stalled), "True/PlanError");
    let ready = house.condition(Kind::Pipeline, "p", ConditionType::Ready).unwrap();
    assert_eq!(ready.message, "line 2, column 8: this is broken (do better); generation 1 runs on");
    assert_eq!(ready.observed_generation, Some(2));
    change(&mut house, "{query: FROM a b INTO b}");
    assert_eq!(house.ready(Kind::Pipeline, "p"), "True/Available");
    assert_eq!(house.pipeline("p").generation, told.generation + 1);
}

#[test]
fn a_change_above_the_state_goes_on_with_it() {
    let mut house = house("FROM a INTO b STATE agg");
    let layout = house.pipeline("p").layout.clone();
    change(&mut house, "{query: FROM a b INTO b STATE agg}");
    assert_eq!(house.pipeline("p").layout, layout);
    assert!(house.pipeline("p").query.contains("a b"));
    let plan = house.world.pipelines[0].status.clone().unwrap().plan.unwrap();
    assert_eq!((plan.kept, plan.dropped), (vec!["agg".to_owned()], vec![]));
}

#[test]
fn state_is_not_lost_without_consent() {
    let mut house = house("FROM a INTO b STATE agg");
    let told = house.pipeline("p").clone();
    change(&mut house, "{query: FROM a INTO b STATE other}");
    assert_eq!(*house.pipeline("p"), told);
    assert_eq!(house.ready(Kind::Pipeline, "p"), "False/StateLossNotAllowed");
    assert!(house.condition(Kind::Pipeline, "p", ConditionType::Stalled).unwrap().message.contains("the state of agg would be lost"));
    change(&mut house, "{query: FROM a INTO b STATE other, upgrade: {allowStateLoss: true}}");
    assert_eq!(house.pipeline("p").layout.plan_version(), 2);
    assert_eq!(house.ready(Kind::Pipeline, "p"), "True/Available");
    assert!(house.topic_names().iter().all(|name| !name.contains("-1-64")), "the old layout's topics are gone: {:?}", house.topic_names());
    change(&mut house, "{query: FROM a INTO b STATE other, upgrade: {allowStateLoss: false}}");
    assert_eq!(house.pipeline("p").layout.plan_version(), 2, "consent taken away changes nothing");
    assert_eq!(house.ready(Kind::Pipeline, "p"), "True/Available");
}

#[test]
fn the_old_version_runs_until_the_new_ones_topics_are_there() {
    let mut house = house("FROM a INTO b STATE agg");
    let told = house.pipeline("p").clone();
    house.apply(&pipeline("p", "{query: FROM a INTO b STATE other, upgrade: {allowStateLoss: true}}"));
    house.look();
    assert_eq!(*house.pipeline("p"), told, "still the old one");
    house.brokers_obey();
    house.look();
    assert_eq!(house.pipeline("p").layout.plan_version(), 2);
    let old = told.state_topic().unwrap().name.to_string();
    house.brokers_obey();
    assert!(house.topic_names().contains(&old), "its topics stay while it runs");
}

#[test]
fn a_new_query_waits_for_its_new_topic_while_the_old_one_runs() {
    let mut house = house("FROM a INTO b");
    let told = house.pipeline("p").clone();
    house.apply(&(TOPICS.split("---\n").nth(1).unwrap().replace("name: b", "name: c") + &pipeline("p", "{query: FROM a INTO c}")));
    house.look();
    assert_eq!(*house.pipeline("p"), told, "the broker does not have c yet");
    assert_eq!(house.says(Kind::Pipeline, "p", ConditionType::DependenciesReady), "False/TopicNotFound");
    house.converge();
    assert_eq!(house.pipeline("p").query, "FROM a INTO c");
    assert_eq!(house.ready(Kind::Pipeline, "p"), "True/Available");
}

#[test]
fn a_topic_that_goes_stops_nothing_by_itself() {
    let mut house = house("FROM a INTO b STATE agg");
    let told = house.pipeline("p").clone();
    house.world.brokers.get_mut(&object("default")).unwrap().topics.retain(|topic| topic.name.as_str() != "b");
    house.look();
    assert_eq!(*house.pipeline("p"), told);
    assert_eq!(house.ready(Kind::Pipeline, "p"), "False/DependencyMissing");
}

#[test]
fn suspending_and_scaling_to_zero_are_well() {
    let mut house = house("FROM a INTO b STATE agg");
    change(&mut house, "{query: FROM a INTO b STATE agg, suspend: true}");
    assert_eq!(house.pipeline("p").life, Life::Suspend);
    assert_eq!(house.ready(Kind::Pipeline, "p"), "True/Suspended");
    change(&mut house, "{query: FROM a INTO b STATE agg, replicas: 0}");
    assert_eq!(house.ready(Kind::Pipeline, "p"), "True/Idle");
    change(&mut house, "{query: FROM a INTO b STATE agg}");
    assert_eq!(house.ready(Kind::Pipeline, "p"), "True/Available");
}

#[test]
fn a_bad_query_can_still_be_suspended() {
    let mut house = house("FROM a INTO b");
    change(&mut house, "{query: BROKEN, suspend: true}");
    assert_eq!(house.pipeline("p").life, Life::Suspend);
}

#[test]
fn a_deleted_pipeline_drains_then_its_topics_go_then_it() {
    for (policy, life) in [("Drain", Life::Drain), ("Immediate", Life::Stop)] {
        let mut house = house("FROM a INTO b STATE agg");
        change(&mut house, &format!("{{query: FROM a INTO b STATE agg, deletionPolicy: {policy}}}"));
        house.delete(Kind::Pipeline, "p");
        house.look();
        assert_eq!(house.pipeline("p").life, life);
        assert!(house.last.brokers[&object("default")].released.is_empty(), "nothing goes while it runs");
        assert_eq!(house.says(Kind::Pipeline, "p", ConditionType::Reconciling), "True/Draining");
        house.pipelines_obey();
        house.look();
        assert!(!house.report(Kind::Pipeline, "p").is_gone);
        house.converge();
        assert!(house.world.pipelines.is_empty());
        assert_eq!(house.topic_names(), ["a", "b", "bytes", "p-dead-letters"], "dead letters stay");
        assert!(house.memory.pipelines.is_empty());
    }
}

#[test]
fn a_pipeline_made_anew_never_meets_the_old_ones_names() {
    let mut house = house("FROM a INTO b STATE agg");
    let old = house.pipeline("p").layout.clone();
    house.delete(Kind::Pipeline, "p");
    house.converge();
    change(&mut house, "{query: FROM a INTO b STATE agg}");
    assert_ne!(house.pipeline("p").layout.uid(), old.uid());
    assert_eq!(house.ready(Kind::Pipeline, "p"), "True/Available");
}

#[test]
fn a_query_may_stand_in_a_config_map() {
    let mut house = House::process(&(TOPICS.to_owned() + &pipeline("p", "{queryFrom: {configMapKeyRef: {name: sql, key: p.sql}}}")));
    house.converge();
    assert_eq!(house.says(Kind::Pipeline, "p", ConditionType::QueryValid), "False/QuerySourceNotFound");
    assert_eq!(house.ready(Kind::Pipeline, "p"), "False/DependencyMissing");
    house.apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: sql}\ndata: {p.sql: 'FROM a INTO BROKEN'}\n");
    house.converge();
    let finding = &house.report(Kind::Pipeline, "p").findings[0];
    assert_eq!((finding.config_map.clone(), finding.path.to_string().as_str()), (Some(object("sql")), "data[\"p.sql\"]"));
    house.apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: sql}\ndata: {p.sql: 'FROM a INTO b'}\n");
    house.converge();
    assert_eq!(house.ready(Kind::Pipeline, "p"), "True/Available");
}

#[test]
fn pipelines_of_one_name_in_two_namespaces_share_nothing() {
    let mut house = House::process(
        &(TOPICS.to_owned()
            + &pipeline("one/p", "{query: FROM a INTO b STATE agg}")
            + &pipeline("two/p", "{query: FROM a INTO b STATE agg}")),
    );
    house.converge();
    let (one, two) = (house.pipeline("one/p").clone(), house.pipeline("two/p").clone());
    assert_ne!(one.dead_letters, two.dead_letters);
    assert_ne!(one.group, two.group);
    assert_ne!(one.state_topic(), two.state_topic());
    assert_eq!(house.ready(Kind::Pipeline, "two/p"), "True/Available");
}

#[test]
fn tenants_of_one_cluster_have_dead_letters_of_their_own() {
    let cluster = "---\napiVersion: streamwright.dev/v1alpha1\nkind: Cluster\nmetadata: {name: main, namespace: streaming}\n\
                   spec: {allowedNamespaces: {from: All}}\n";
    let of = |namespace: &str| {
        let spec = "{query: FROM a INTO b, clusterRef: {name: main, namespace: streaming}}";
        pipeline(&format!("{namespace}/p"), spec)
    };
    let topics = TOPICS.replace("spec: {", "spec: {clusterRef: {name: main, namespace: streaming}, ");
    let mut house = House::kubernetes(&(topics + cluster + &of("streaming") + &of("one") + &of("two")));
    house.serve("streaming/main");
    house.converge();
    let dead: Vec<String> = house.topic_names().into_iter().filter(|name| name.ends_with("dead-letters")).collect();
    assert_eq!(dead, ["one_p-dead-letters", "p-dead-letters", "two_p-dead-letters"]);
    for namespace in ["streaming", "one", "two"] {
        assert_eq!(house.ready(Kind::Pipeline, &format!("{namespace}/p")), "True/Available");
        assert_eq!(house.ready(Kind::Topic, &format!("{namespace}/p-dead-letters")), "True/Available");
    }
}

#[test]
fn dead_letters_that_a_user_declares_are_the_users() {
    let declared = TOPICS.split("---\n").nth(2).unwrap().replace("name: bytes", "name: p-dead-letters");
    let mut house = House::process(&(TOPICS.to_owned() + "---\n" + &declared + &pipeline("p", "{query: FROM a INTO b}")));
    house.converge();
    let topics = &house.last.brokers[&object("default")].topics;
    let owner = &topics.iter().find(|topic| topic.name.as_str() == "p-dead-letters").unwrap().owner;
    assert_eq!(owner.to_string(), "Topic default/p-dead-letters");
    assert_eq!(house.ready(Kind::Pipeline, "p"), "True/Available");
}

#[test]
fn in_kubernetes_state_needs_an_object_store() {
    let cluster = "---\napiVersion: streamwright.dev/v1alpha1\nkind: Cluster\nmetadata: {name: default}\nspec: ";
    let mut house = House::kubernetes(
        &(TOPICS.to_owned()
            + cluster
            + "{}\n"
            + &pipeline("p", "{query: FROM a INTO b STATE agg}")
            + &pipeline("plain", "{query: FROM a INTO b}")),
    );
    house.serve("default");
    house.converge();
    assert_eq!(house.says(Kind::Pipeline, "p", ConditionType::DependenciesReady), "False/ObjectStoreRequired");
    assert_eq!(house.ready(Kind::Pipeline, "plain"), "True/Available");
    house.apply(&(cluster.to_owned() + "{objectStore: {s3: {bucket: abc}}}\n"));
    house.converge();
    assert_eq!(house.ready(Kind::Pipeline, "p"), "True/Available");
}

#[test]
fn a_pod_that_does_not_come_up_is_stalled_after_ten_minutes_and_not_before() {
    let cluster = "---\napiVersion: streamwright.dev/v1alpha1\nkind: Cluster\nmetadata: {name: default}\nspec: {}\n";
    let mut house = House::kubernetes(&(TOPICS.to_owned() + cluster + &pipeline("p", "{query: FROM a INTO b}")));
    house.serve("default");
    house.converge();
    let problem = Some("pod p-pipeline-0 cannot start: ImagePullBackOff".to_owned());
    let deployment = streamwright_desired::Deployment { pods: 1, problem, ..Default::default() };
    house.world.deployments.insert((Kind::Pipeline, object("p")), deployment);
    // Minutes pass, one a look.
    let pass = |house: &mut House, minutes: usize| {
        for _ in 0..minutes {
            house.world.running.clear();
            house.look();
        }
    };
    pass(&mut house, 10);
    assert_eq!(house.ready(Kind::Pipeline, "p"), "False/Progressing");
    assert_eq!(house.says(Kind::Pipeline, "p", ConditionType::Reconciling), "True/Progressing");
    pass(&mut house, 1);
    assert_eq!(house.says(Kind::Pipeline, "p", ConditionType::Stalled), "True/ProgressDeadlineExceeded");
    assert!(house.condition(Kind::Pipeline, "p", ConditionType::Reconciling).is_none());
    let message = &house.condition(Kind::Pipeline, "p", ConditionType::Ready).unwrap().message;
    assert_eq!(message, "no progress for 10 minutes: pod p-pipeline-0 cannot start: ImagePullBackOff");
    pass(&mut house, 1);
    assert_eq!(house.says(Kind::Pipeline, "p", ConditionType::Stalled), "True/ProgressDeadlineExceeded", "it stays so");
    // Another version is asked for: it has its own ten minutes.
    house.apply(&pipeline("p", "{query: FROM a INTO b, version: 9.9.9}"));
    pass(&mut house, 10);
    assert_eq!(house.says(Kind::Pipeline, "p", ConditionType::Reconciling), "True/Progressing");
    pass(&mut house, 1);
    assert_eq!(house.ready(Kind::Pipeline, "p"), "False/ProgressDeadlineExceeded");
    // And when it serves after all, that is said.
    house.pipelines_obey();
    house.look();
    assert_eq!(house.ready(Kind::Pipeline, "p"), "True/Available");
    assert!(house.condition(Kind::Pipeline, "p", ConditionType::Stalled).is_none());
}

#[test]
fn what_a_pod_says_is_told_rounded() {
    let mut house = house("FROM a INTO b STATE agg");
    let running = house.world.running.get_mut(&object("p")).unwrap();
    running.lag = Some(DurationMs(12_345));
    running.watermark = Some(TimestampMs(61_234));
    running.state_bytes = ByteCount(88_211);
    running.dead_letters = 2;
    house.look();
    let status = house.world.pipelines[0].status.clone().unwrap();
    assert_eq!((status.lag.as_deref(), status.lag_seconds, status.state_bytes), (Some("10s"), Some(10), Some(88_000)));
    assert_eq!(status.watermark.unwrap().0.as_millisecond(), 60_000);
    assert_eq!(house.says(Kind::Pipeline, "p", ConditionType::Degraded), "True/RecordsDeadLettered");
}

#[test]
fn what_a_pod_cannot_do_is_told_in_its_words() {
    for (reason, ready, stalled) in [
        (PipelineReason::DataLoss, "False/DataLoss", true),
        (PipelineReason::CheckpointFailing, "False/CheckpointFailing", false),
        (PipelineReason::TopicNotFound, "False/DependencyMissing", false),
        (PipelineReason::Fenced, "False/Progressing", false),
    ] {
        let mut house = house("FROM a INTO b");
        house.world.running.get_mut(&object("p")).unwrap().problem = Some(PipelineProblem { reason, message: "so it is".into() });
        house.look();
        assert_eq!(house.ready(Kind::Pipeline, "p"), ready);
        assert_eq!(house.condition(Kind::Pipeline, "p", ConditionType::Stalled).is_some(), stalled);
    }
}

/// A Pipeline in Kubernetes with a pod that runs.
fn deployed() -> House {
    let cluster = "apiVersion: streamwright.dev/v1alpha1\nkind: Cluster\nmetadata: {name: default}\nspec: {}\n---\n";
    let mut house = House::kubernetes(&(cluster.to_owned() + TOPICS + &pipeline("p", "{query: FROM a INTO b}")));
    house.serve("default");
    house.world.deployments.insert((Kind::Pipeline, object("p")), Deployment { pods: 1, pods_ready: 1, ..Deployment::default() });
    house.converge();
    house
}

#[test]
fn what_was_read_to_its_end_stays_so_while_its_pod_goes() {
    let mut house = deployed();
    assert_eq!(house.ready(Kind::Pipeline, "p"), "True/Available");
    for phase in [Phase::Finished, Phase::Draining, Phase::Stopped, Phase::Starting] {
        house.world.running.get_mut(&object("p")).unwrap().phase = phase;
        house.look();
        assert_eq!(house.ready(Kind::Pipeline, "p"), "True/Finished", "{phase:?}");
    }
    house.world.running.clear();
    house.look();
    assert_eq!(house.ready(Kind::Pipeline, "p"), "True/Finished");
    change(&mut house, "{query: FROM a INTO b, commitInterval: 2s}");
    assert_eq!(house.ready(Kind::Pipeline, "p"), "True/Available", "another generation is run");
}

#[test]
fn a_file_that_is_missing_in_kubernetes_is_told_with_its_place() {
    let mut house = deployed();
    let problem = PipelineProblem { reason: PipelineReason::SourceUnavailable, message: "there is no file a.csv".into() };
    house.world.running.get_mut(&object("p")).unwrap().problem = Some(problem);
    house.look();
    assert_eq!(house.ready(Kind::Pipeline, "p"), "False/DependencyMissing");
    let message = house.condition(Kind::Pipeline, "p", ConditionType::Ready).unwrap().message.clone();
    assert_eq!(message, "there is no file a.csv (files are read from files/default/ below the prefix of the Cluster's bucket)");
}
