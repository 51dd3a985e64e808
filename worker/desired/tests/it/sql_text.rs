//! The same with the real planner: the flights example, and what an edit of its queries does.

use crds::{ConditionType, Kind};

use crate::house::House;

fn read(name: &str) -> String {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/flights");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

fn flights() -> House {
    House::with_sql(&["cluster.yaml", "retention.yaml", "topics.yaml", "pipelines.yaml"].map(read).join("---\n"))
}

fn edit(house: &mut House, from: &str, to: &str) {
    let before = read("pipelines.yaml");
    let after = before.replace(from, to);
    assert_ne!(before, after, "{from:?} is in the example");
    house.apply(&after);
    house.converge();
}

#[test]
fn the_examples_pipelines_all_run() {
    let mut house = flights();
    house.converge();
    for (name, internal) in [("load", 1), ("late-departures", 1), ("delay-by-carrier-hour", 2), ("worst-hour-by-airport", 3)] {
        assert_eq!(house.ready(Kind::Pipeline, name), "True/Available", "{:?}", house.report(Kind::Pipeline, name));
        assert_eq!(house.pipeline(name).internal_topics.len(), internal, "{name}");
    }
    let tables: Vec<_> = house.pipeline("delay-by-carrier-hour").tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(tables, ["delay-by-carrier-hour", "flights"]);
}

#[test]
fn a_misspelt_topic_is_waited_for_and_a_misspelt_column_is_not() {
    let mut house = flights();
    edit(&mut house, "FROM flights WHERE delay", "FROM flihgts WHERE delay");
    assert_eq!(house.says(Kind::Pipeline, "late-departures", ConditionType::DependenciesReady), "False/TopicNotFound");
    edit(&mut house, "delay FROM flights WHERE", "dealy FROM flights WHERE");
    assert_eq!(house.ready(Kind::Pipeline, "late-departures"), "False/PlanError");
    let finding = &house.report(Kind::Pipeline, "late-departures").findings[0];
    assert_eq!(finding.text_at.map(|(line, _)| line), Some(2), "{finding:?}");
}

#[test]
fn what_stands_above_the_last_aggregate_may_change() {
    let mut house = flights();
    house.converge();
    let layout = house.pipeline("delay-by-carrier-hour").layout.clone();
    edit(&mut house, "SELECT carrier, window_start, COUNT(*),", "SELECT carrier, window_start, COUNT(*) + 1,");
    assert_eq!(house.ready(Kind::Pipeline, "delay-by-carrier-hour"), "True/Available");
    assert!(house.pipeline("delay-by-carrier-hour").query.contains("+ 1"));
    assert_eq!(house.pipeline("delay-by-carrier-hour").layout, layout);
}

#[test]
fn another_window_is_another_state() {
    let mut house = flights();
    house.converge();
    edit(&mut house, "INTERVAL '1' HOUR", "INTERVAL '2' HOUR");
    assert_eq!(house.ready(Kind::Pipeline, "delay-by-carrier-hour"), "False/StateLossNotAllowed");
    let message = &house.condition(Kind::Pipeline, "delay-by-carrier-hour", ConditionType::Ready).unwrap().message;
    assert!(message.contains("the state of window-"), "{message}");
    assert!(house.pipeline("delay-by-carrier-hour").query.contains("'1' HOUR"));
}
