//! What all expressions and steps of a query may cost together.

use std::cell::Cell;

use crate::error::{PlanError, Position};
use crate::limits::Limits;

/// What all expressions of a query share.
pub(crate) struct Budget<'a> {
    pub(crate) limits: &'a Limits,
    nodes: Cell<usize>,
    columns: Cell<usize>,
}

impl<'a> Budget<'a> {
    pub(crate) fn new(limits: &'a Limits) -> Self {
        Self { limits, nodes: Cell::new(0), columns: Cell::new(0) }
    }

    /// A step of the query has so many columns.
    pub(crate) fn spend_columns(&self, count: usize, at: Position) -> Result<(), PlanError> {
        self.columns.set(self.columns.get() + count);
        if self.columns.get() > self.limits.step_columns {
            return Err(PlanError::new(at, format!("the steps of the query have more than {} columns together", self.limits.step_columns))
                .hint("name the columns that are needed instead of *, or make several pipelines"));
        }
        Ok(())
    }

    /// One more operator or operand.
    pub(super) fn spend(&self, at: Position) -> Result<(), PlanError> {
        self.nodes.set(self.nodes.get() + 1);
        if self.nodes.get() > self.limits.expression_nodes {
            return Err(PlanError::new(at, format!("the query has more than {} operators and operands", self.limits.expression_nodes))
                .hint("make several pipelines"));
        }
        Ok(())
    }
}
