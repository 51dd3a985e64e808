//! What keeps an operator's id, and what changes it.

use crate::tables::planned;

fn aggregate_ids(text: &str) -> Vec<String> {
    let plan = planned(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    plan.aggregates().map(|(index, _)| plan.nodes[index].id.to_string()).collect()
}

const HOURLY: &str = "INSERT INTO by_hour SELECT carrier, window_start, COUNT(*), AVG(CAST(delay AS DOUBLE)) \
    FROM TABLE(TUMBLE(TABLE flights, DESCRIPTOR(departed), INTERVAL '1' HOUR)) WHERE delay > 0 GROUP BY carrier, window_start, window_end;";

#[test]
fn names_views_and_other_statements_do_not_change_an_operator() {
    let ids = aggregate_ids(HOURLY);
    assert_eq!(ids.len(), 1);
    let view = "CREATE VIEW late AS SELECT origin, delay AS minutes, carrier AS airline, departed FROM flights WHERE delay > 0;
        CREATE VIEW hours (a, n, mean, s) AS SELECT f.airline, COUNT(*), AVG(CAST(f.minutes AS DOUBLE)), window_start
          FROM TABLE(TUMBLE(DATA => TABLE late, TIMECOL => DESCRIPTOR(departed), SIZE => INTERVAL '60' MINUTE)) AS f
          GROUP BY window_start, airline, window_end;
        INSERT INTO names SELECT origin FROM flights;
        INSERT INTO by_hour SELECT a, s, n, mean FROM hours WHERE n > 3;";
    assert_eq!(aggregate_ids(view), ids);
}

#[test]
fn what_is_done_with_a_view_does_not_change_its_state() {
    let view = "CREATE VIEW v AS SELECT carrier, window_start AS s, COUNT(*) AS n, SUM(delay) AS d
        FROM TABLE(TUMBLE(TABLE flights, DESCRIPTOR(departed), INTERVAL '1' HOUR)) GROUP BY carrier, window_start, window_end;";
    let all = aggregate_ids(&format!("{view} INSERT INTO totals SELECT carrier, d + n FROM v"));
    let some = aggregate_ids(&format!("{view} INSERT INTO totals SELECT carrier, d FROM v WHERE carrier = 'AA'"));
    let both = format!("{view} INSERT INTO totals SELECT carrier, n FROM v; INSERT INTO names SELECT carrier FROM v");
    assert_eq!(all, some);
    assert_eq!(aggregate_ids(&both), all);
    let hash = |text: &str| planned(&format!("{view} {text}")).unwrap_or_else(|error| panic!("{error}")).state_hash;
    assert_eq!(hash("INSERT INTO totals SELECT carrier, d FROM v"), hash("INSERT INTO names SELECT carrier FROM v"));
}

#[test]
fn anything_that_changes_results_changes_the_operator() {
    let original = aggregate_ids(HOURLY);
    for (from, to) in [
        ("delay > 0", "delay > 1"),
        ("'1' HOUR", "'2' HOUR"),
        ("INTERVAL '1' HOUR", "INTERVAL '1' HOUR, INTERVAL '5' MINUTE"),
        ("AVG(CAST(delay AS DOUBLE))", "MAX(CAST(delay AS DOUBLE))"),
        ("CAST(delay AS DOUBLE)", "CAST(distance AS DOUBLE)"),
        ("COUNT(*)", "COUNT(delay)"),
        ("COUNT(*)", "COUNT(*) FILTER (WHERE delay > 10)"),
    ] {
        let changed = aggregate_ids(&HOURLY.replace(from, to));
        assert_ne!(changed, original, "{from} -> {to}");
    }
}

#[test]
fn ids_are_the_same_in_every_version() {
    assert_eq!(aggregate_ids(HOURLY), ["a1e122ac5065d48c"]);
}

#[test]
fn a_plan_is_the_same_each_time_it_is_made() {
    let (first, second) = (planned(HOURLY).expect("planned"), planned(HOURLY).expect("planned"));
    assert_eq!((first.hash, first.state_hash), (second.hash, second.state_hash));
    assert_eq!(first.to_string(), second.to_string());
}
