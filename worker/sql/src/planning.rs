//! The way in: a text and a catalog become a plan, in bounded time and on a stack of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::build::build;
use crate::catalog::Catalog;
use crate::error::{PlanError, Position};
use crate::limits::Limits;
use crate::plan::Plan;
use crate::query::Planner;
use crate::text::parse;

/// Checks a text against the tables it may use and says how it is run.
///
/// Works in a thread of its own with [`Limits::stack_bytes`] of stack, so that no text can overflow the caller's; what a text may cost is
/// bounded by `limits`. The same text and catalog give the same plan.
///
/// # Errors
/// The first thing that is wrong or cannot be streamed yet, with its place and what to write instead.
pub fn plan(text: &str, catalog: &Catalog, limits: &Limits) -> Result<Plan, PlanError> {
    let work = || {
        let statements = parse(text, limits)?;
        let insertions = Planner::new(catalog, limits).run(&statements)?;
        build(&insertions, limits)
    };
    // A bug of ours in the planner must not take down whoever plans everybody's queries.
    let guarded = || catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(fault("the planner failed on this query")));
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("sql-plan".to_owned()).stack_size(limits.stack_bytes).spawn_scoped(scope, guarded);
        match thread {
            Ok(thread) => thread.join().unwrap_or_else(|_| Err(fault("the planner failed on this query"))),
            Err(error) => Err(PlanError::new(Position::START, format!("no thread to plan in: {error}"))),
        }
    })
}

fn fault(message: &str) -> PlanError {
    PlanError::new(Position::START, message).hint("this is a fault of Streamwright: please report the query")
}
