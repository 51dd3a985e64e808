//! Tables as `control` tells them, in the planner's words.

use control::{ColumnSource, DesiredPipeline, Format, PipelineProblem, PipelineReason, Table};
use sql::{Catalog, ColumnFrom, Limits, Plan};

/// Plans what is desired.
///
/// # Errors
/// A table or the query is refused; the operator's planner took it, so its version differs from this one's.
pub(crate) fn plan(desired: &DesiredPipeline) -> Result<Plan, PipelineProblem> {
    let refused = |message: String| PipelineProblem { reason: PipelineReason::PlanError, message };
    let tables = desired.tables.iter().map(table).collect::<Result<_, _>>().map_err(refused)?;
    sql::plan(&desired.query, &Catalog { tables }, &Limits::default()).map_err(|error| refused(error.to_string()))
}

fn table(table: &Table) -> Result<sql::Table, String> {
    let mut columns = Vec::with_capacity(table.columns.len());
    for column in &table.columns {
        let parsed = sql::types::parse(&column.data_type).map_err(|error| format!("table {}: {error}", table.name))?;
        let from = match column.from {
            ColumnSource::Value => ColumnFrom::Value,
            ColumnSource::Timestamp => ColumnFrom::Timestamp,
            ColumnSource::Partition => ColumnFrom::Partition,
            ColumnSource::Offset => ColumnFrom::Offset,
        };
        columns.push(sql::Column { name: column.name.clone(), data_type: parsed.data_type, nullable: parsed.nullable, from });
    }
    let place = |name: &str| {
        let found = columns.iter().position(|column| column.name == name);
        found.ok_or_else(|| format!("table {}: column {name} is not declared", table.name))
    };
    let key = table.key.iter().map(|name| place(name)).collect::<Result<_, _>>()?;
    let event_time = table.event_time.as_ref().map(|declared| {
        Ok::<_, String>(sql::EventTime {
            column: place(&declared.column)?,
            watermark_delay_ms: declared.watermark_delay.0,
            idle_timeout_ms: declared.idle_timeout.0,
        })
    });
    let event_time = event_time.transpose()?;
    let format = match table.format {
        Format::Json => sql::Format::Json,
        Format::Csv => sql::Format::Csv,
    };
    let (name, topic, partitions) = (table.name.clone(), table.topic.clone(), table.partitions);
    let table = sql::Table { name, columns, key, event_time, format, topic, partitions };
    table.validate().map_err(|error| error.to_string())?;
    Ok(table)
}
