//! `plans/NAME.sql` gives `plans/NAME.plan`.

use crate::{cases, tables};

#[test]
fn every_query_has_the_plan_written_beside_it() {
    let folder = cases::folder().join("plans");
    let mut files: Vec<_> =
        std::fs::read_dir(&folder).expect("the folder of plans").filter_map(Result::ok).map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "sql"));
    files.sort();
    assert!(files.len() >= 10, "{} plans", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a query");
        let answer = match tables::planned(&text) {
            Ok(plan) => plan.to_string(),
            Err(error) => format!("error {error}\n"),
        };
        wrong.extend(cases::expect(&file.with_extension("plan"), &answer).err());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
