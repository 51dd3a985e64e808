//! What planning a query tells us, as plain data: so that the operator can have it done in a child process.

use serde::{Deserialize, Serialize};
use sql::{Catalog, PlanError};

/// An operator with state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedOperator {
    /// Its stable id, in hexadecimal.
    pub id: String,
    /// Its short name for people: kind and the beginning of the id.
    pub name: String,
}

/// A planned query, as far as names, topics and upgrades depend on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// Hash of the whole plan, in hexadecimal.
    pub hash: String,
    /// Hash of the part that has state, and of how rows come to it: equal means that state and positions fit.
    pub state_hash: String,
    /// The operators with state, in the plan's order.
    pub stateful: Vec<PlannedOperator>,
    /// Ids of the exchanges, in the plan's order.
    pub exchanges: Vec<String>,
    /// Names of the tables read and written, sorted, each once.
    pub tables: Vec<String>,
}

/// Plans queries.
pub trait Planner {
    /// Plans a text against the tables there are.
    ///
    /// # Errors
    /// Where the text is wrong, or cannot be streamed yet, and what to write instead.
    fn plan(&self, text: &str, catalog: &Catalog) -> Result<Planned, PlanError>;

    /// The same, of one that plans elsewhere: `None` begins it, and is asked again; until then nothing is decided about the Pipeline and nothing
    /// is said of it.
    fn ask(&self, text: &str, catalog: &Catalog) -> Option<Result<Planned, PlanError>> {
        Some(self.plan(text, catalog))
    }
}

/// Plans in this process. Bounded in size, depth and stack by the planner itself.
#[derive(Clone, Debug, Default)]
pub struct InProcess {
    /// What one text may cost.
    pub limits: sql::Limits,
}

impl Planner for InProcess {
    fn plan(&self, text: &str, catalog: &Catalog) -> Result<Planned, PlanError> {
        sql::plan(text, catalog, &self.limits).map(|plan| planned(&plan))
    }
}

fn planned(plan: &sql::Plan) -> Planned {
    let read = plan.sources().filter_map(|(_, source)| match &source.from {
        sql::SourceFrom::Topic(table) => Some(table.name.clone()),
        sql::SourceFrom::File(_) => None,
    });
    let mut tables: Vec<String> = read.chain(plan.sinks().map(|(_, sink)| sink.table.name.clone())).collect();
    tables.sort();
    tables.dedup();
    Planned {
        hash: plan.hash.to_string(),
        state_hash: plan.state_hash.to_string(),
        stateful: plan.stateful().map(|node| PlannedOperator { id: node.id.to_string(), name: node.name() }).collect(),
        exchanges: plan.exchanges.iter().map(|exchange| plan.nodes[exchange.aggregate].id.to_string()).collect(),
        tables,
    }
}
