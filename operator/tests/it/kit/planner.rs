//! A query language small enough to be obvious: `FROM a b INTO c STATE agg BROKEN`.

use desired::{Catalog, PlanError, Planned, PlannedOperator, Planner};
use std::collections::BTreeSet;

pub(crate) struct Words;

impl Planner for Words {
    fn plan(&self, text: &str, catalog: &Catalog) -> Result<Planned, PlanError> {
        let (mut mode, mut tables, mut stateful) = ("", BTreeSet::new(), Vec::new());
        for word in text.split_whitespace() {
            let column = u32::try_from(text.find(word).unwrap() + 1).unwrap();
            let error = |message: String| PlanError { line: 1, column, message, hint: None };
            match word {
                "FROM" | "INTO" | "STATE" => mode = word,
                "BROKEN" => return Err(error("this is broken".into())),
                name if mode == "STATE" => stateful.push(PlannedOperator { id: format!("{:0>16}", name.len()), name: name.into() }),
                name if catalog.tables.iter().any(|table| table.name == name) => drop(tables.insert(name.to_owned())),
                name => return Err(error(format!("there is no table {name}"))),
            }
        }
        let state_hash = stateful.iter().map(|operator| operator.name.clone()).collect::<Vec<_>>().join("+");
        let exchanges = stateful.iter().map(|operator| operator.id.clone()).collect();
        Ok(Planned { hash: text.len().to_string(), state_hash, stateful, exchanges, tables: tables.into_iter().collect() })
    }
}
