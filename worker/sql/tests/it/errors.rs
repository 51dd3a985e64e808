//! `errors.txt`: queries and the error each gets, as `=> line:column message (hint)`.

use crate::{cases, tables};

#[test]
fn every_wrong_query_is_refused_with_its_place_and_advice() {
    let file = cases::folder().join("errors.txt");
    let text = std::fs::read_to_string(&file).expect("the cases");
    let mut answered = String::new();
    let mut planned = Vec::new();
    for block in text.split("\n\n").filter(|block| !block.trim().is_empty()) {
        let query: Vec<&str> = block.trim_matches('\n').lines().filter(|line| !line.starts_with("=> ")).collect();
        let query = query.join("\n");
        if query.trim_start().starts_with('#') {
            answered += &format!("{query}\n\n");
            continue;
        }
        match tables::planned(&query) {
            Ok(_) => planned.push(query),
            Err(error) => answered += &format!("{query}\n=> {error}\n\n"),
        }
    }
    assert!(planned.is_empty(), "these are planned:\n{}", planned.join("\n\n"));
    cases::expect(&file, &answered).unwrap_or_else(|difference| panic!("{difference}"));
}
