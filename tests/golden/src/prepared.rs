//! A query planned once and run over many inputs.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::TableReference;
use datafusion::datasource::MemTable;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionConfig;
use tokio::runtime::Runtime;

use crate::{OracleError, Table};

/// Statements of which all but the last were run, and the last is planned.
pub struct Prepared {
    runtime: Runtime,
    context: SessionContext,
    plan: LogicalPlan,
    tables: Vec<(String, Arc<MemTable>)>,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared").field("plan", &self.plan).finish_non_exhaustive()
    }
}

impl Prepared {
    /// Plans against tables with these names and columns; their rows are given with each run.
    ///
    /// # Errors
    /// A statement is refused or fails, or there is none.
    pub fn new(tables: &[Table], sql: &str) -> Result<Self, OracleError> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(OracleError::Start)?;
        let mut config = SessionConfig::new().with_target_partitions(1);
        config.options_mut().sql_parser.enable_ident_normalization = false;
        let context = SessionContext::new_with_config(config);
        let mut kept = Vec::new();
        for table in tables {
            let rows = Arc::new(MemTable::try_new(Arc::clone(&table.schema), vec![Vec::new()])?);
            context.register_table(TableReference::bare(table.name.as_str()), Arc::clone(&rows) as _)?;
            kept.push((table.name.clone(), rows));
        }
        let mut statements = datafusion::sql::parser::DFParser::parse_sql(sql)?;
        let last = statements.pop_back().ok_or(OracleError::NoStatement)?;
        let plan = runtime.block_on(async {
            for statement in statements {
                let plan = context.state().statement_to_plan(statement).await?;
                context.execute_logical_plan(plan).await?.collect().await?;
            }
            let state = context.state();
            state.optimize(&state.statement_to_plan(last).await?)
        })?;
        Ok(Self { runtime, context, plan, tables: kept })
    }

    /// The rows of the last statement over these rows. A table that is not given is empty.
    ///
    /// # Errors
    /// The query fails.
    pub fn run(&self, tables: &[Table]) -> Result<Vec<RecordBatch>, OracleError> {
        self.runtime.block_on(async {
            for (name, rows) in &self.tables {
                let given = tables.iter().find(|table| table.name == *name);
                *rows.batches[0].write().await = given.map(|table| table.batches.clone()).unwrap_or_default();
            }
            let state = self.context.state();
            let plan = state.query_planner().create_physical_plan(&self.plan, &state).await?;
            Ok(datafusion::physical_plan::collect(plan, self.context.task_ctx()).await?)
        })
    }
}
