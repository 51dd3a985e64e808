//! `--check`.

use crate::kit::{Home, TOPIC, text};

const PIPELINE: &str = "apiVersion: streamwright.dev/v1alpha1
kind: Pipeline
metadata:
  name: copy
spec:
  query: |
    INSERT INTO copies
    SELECT id FROM sales;
";

fn table(name: &str) -> String {
    format!(
        "apiVersion: streamwright.dev/v1alpha1\nkind: Topic\nmetadata: {{name: {name}}}\nspec:\n  partitions: 1\n  schema:\n    columns:\n    - {{name: id, type: STRING}}\n---\n"
    )
}

#[test]
fn manifests_that_are_well_give_exit_code_0_and_leave_nothing_behind() {
    let home = Home::new(&[("a.yaml", &(table("sales") + &table("copies"))), ("b.yaml", PIPELINE)]);
    let checked = home.run(&["--check"]);
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stderr));
    assert_eq!(text(&checked.stdout), "3 objects in 2 files: all is well\n");
    assert!(!home.path().join("data").exists());
}

#[test]
fn what_is_wrong_is_named_with_its_place_and_gives_exit_code_1() {
    let wrong = [
        (TOPIC.replace("partitions: 2", "partitions: many"), "manifests/a.yaml:6:15: Topic default/orders: spec.partitions: "),
        (TOPIC.replace("partitions: 2", "partitons: 2"), "manifests/a.yaml:6:3: Topic default/orders: spec.partitons: "),
        (TOPIC.replace("v1alpha1", "v1"), "manifests/a.yaml:2:7: "),
        (TOPIC.to_owned() + "  x: [", "manifests/a.yaml:8:1: not YAML"),
        (TOPIC.to_owned() + "---\n" + TOPIC, "manifests/a.yaml:11:9: Topic default/orders: metadata.name: is declared in manifests/a.yaml"),
    ];
    for (text_of_file, said) in wrong {
        let home = Home::new(&[("a.yaml", &text_of_file)]);
        let checked = home.run(&["--check"]);
        assert_eq!(checked.status.code(), Some(1));
        assert!(text(&checked.stderr).contains(said), "{said:?} is not in {}", text(&checked.stderr));
    }
}

#[test]
fn an_error_in_sql_is_placed_in_the_file() {
    let topics = table("sales") + &table("copies");
    for (query, place) in [
        ("SELECT ident FROM", "manifests/b.yaml:8:12: "),
        ("SELECT id, id FROM", "manifests/b.yaml:"),
        ("SELECT id FRO", "manifests/b.yaml:8:"),
    ] {
        let home = Home::new(&[("a.yaml", &topics), ("b.yaml", &PIPELINE.replace("SELECT id FROM", query))]);
        let checked = home.run(&["--check"]);
        assert_eq!(checked.status.code(), Some(1));
        assert!(text(&checked.stderr).starts_with(place), "{place:?} does not begin {}", text(&checked.stderr));
    }
}

#[test]
fn a_table_that_nobody_declares_counts() {
    let home = Home::new(&[("a.yaml", &table("copies")), ("b.yaml", PIPELINE)]);
    let checked = home.run(&["--check"]);
    assert_eq!(checked.status.code(), Some(1));
    assert!(
        text(&checked.stderr).contains("manifests/b.yaml:8:20: ") && text(&checked.stderr).contains("sales"),
        "{}",
        text(&checked.stderr)
    );
}

#[test]
fn an_edit_that_the_running_objects_forbid_is_found() {
    let home = Home::new(&[("a.yaml", TOPIC)]);
    home.start().kill();
    home.write("a.yaml", &TOPIC.replace("partitions: 2", "partitions: 1"));
    let checked = home.run(&["--check"]);
    assert_eq!(checked.status.code(), Some(1));
    assert!(text(&checked.stderr).starts_with("manifests/a.yaml:6:3: "), "{}", text(&checked.stderr));
}

#[test]
fn data_of_other_manifests_says_nothing_about_these() {
    let home = Home::new(&[("a.yaml", TOPIC)]);
    home.start().kill();
    std::fs::create_dir(home.path().join("others")).unwrap();
    std::fs::write(home.path().join("others/a.yaml"), TOPIC.replace("partitions: 2", "partitions: 1")).unwrap();
    let checked = crate::kit::streamwright(&["dev", "others", "--data-dir", "data", "--check"]).current_dir(home.path()).output().unwrap();
    assert_eq!((checked.status.code(), text(&checked.stdout).as_str()), (Some(0), "1 object in 1 file: all is well\n"));
}
