//! Plans each query once, not once a second: a text and its tables always give the same plan.

use desired::{InProcess, Planned, Planner};
use sql::{Catalog, PlanError};
use std::{cell::RefCell, collections::HashMap};

/// Plans remembered; above, all are forgotten and made anew.
const PLANS_MAX: usize = 1000;

type Key = (String, Vec<sql::Table>);

/// Remembers plans.
#[derive(Debug, Default)]
pub(crate) struct Remembering {
    inner: InProcess,
    known: RefCell<HashMap<Key, Result<Planned, PlanError>>>,
}

impl Planner for Remembering {
    fn plan(&self, text: &str, catalog: &Catalog) -> Result<Planned, PlanError> {
        let key = (text.to_owned(), catalog.tables.clone());
        if let Some(known) = self.known.borrow().get(&key) {
            return known.clone();
        }
        let planned = self.inner.plan(text, catalog);
        let mut known = self.known.borrow_mut();
        if known.len() >= PLANS_MAX {
            known.clear();
        }
        known.insert(key, planned.clone());
        planned
    }
}
