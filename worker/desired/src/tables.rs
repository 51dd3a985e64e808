//! A Topic with a schema as a table: for the planner, and for workers.

use control::{Column, ColumnSource, EventTime, Format, Table};
use crds::{FieldPath, TopicSchema};
use units::{DurationMs, TopicName};

use crate::Finding;

/// The table of a schema, under the topic's name, in the words of `control` and of the planner.
///
/// Column types are read here, since a schema is admitted as text: what is wrong is said with the column's path.
pub(crate) fn table(schema: &TopicSchema, topic: &TopicName, partitions: i32) -> Result<(Table, sql::Table), Finding> {
    let path = FieldPath::root().field("spec").field("schema");
    let finding = |path: FieldPath, message: String| Finding::error(path, message);
    let mut columns = Vec::with_capacity(schema.columns.len());
    for (index, column) in schema.columns.iter().enumerate() {
        let at = || path.field("columns").index(index).field("type");
        let parsed = sql::types::parse(&column.data_type).map_err(|error| finding(at(), error.to_string()))?;
        let from = source(column.from);
        columns.push(sql::Column { name: column.name.clone(), data_type: parsed.data_type, nullable: parsed.nullable, from: from.1 });
    }
    let position = |name: &String| columns.iter().position(|column| column.name == *name);
    let undeclared = |field: &str, name: &str| finding(path.field(field), format!("column {name} is not declared"));
    let keys = schema.key.clone().unwrap_or_default();
    let key = keys.iter().map(|name| position(name).ok_or_else(|| undeclared("key", name))).collect::<Result<_, _>>()?;
    let event_time = schema.event_time.as_ref().map(|declared| {
        let at = |field: &str, error: String| finding(path.field("eventTime").field(field), error);
        let column = position(&declared.column).ok_or_else(|| undeclared("eventTime", &declared.column))?;
        let watermark_delay_ms = declared.watermark_delay.millis().map_err(|error| at("watermarkDelay", error.to_string()))?;
        let idle_timeout_ms = declared.idle_timeout.millis().map_err(|error| at("idleTimeout", error.to_string()))?;
        Ok((sql::EventTime { column, watermark_delay_ms, idle_timeout_ms }, declared.column.clone()))
    });
    let event_time = event_time.transpose()?;
    let format = match schema.format {
        crds::schema::Format::Json => (Format::Json, sql::Format::Json),
        crds::schema::Format::Csv => (Format::Csv, sql::Format::Csv),
    };
    let told = Table {
        name: topic.to_string(),
        topic: topic.clone(),
        partitions,
        format: format.0,
        columns: schema
            .columns
            .iter()
            .map(|column| Column { name: column.name.clone(), data_type: column.data_type.clone(), from: source(column.from).0 })
            .collect(),
        key: keys,
        event_time: event_time.as_ref().map(|(event_time, column)| EventTime {
            column: column.clone(),
            watermark_delay: DurationMs(event_time.watermark_delay_ms),
            idle_timeout: DurationMs(event_time.idle_timeout_ms),
        }),
    };
    let event_time = event_time.map(|(event_time, _)| event_time);
    let planned = sql::Table { name: topic.to_string(), columns, key, event_time, format: format.1, topic: topic.clone(), partitions };
    planned.validate().map_err(|error| finding(path.clone(), error.reason))?;
    Ok((told, planned))
}

fn source(from: crds::schema::ColumnSource) -> (ColumnSource, sql::ColumnFrom) {
    match from {
        crds::schema::ColumnSource::Value => (ColumnSource::Value, sql::ColumnFrom::Value),
        crds::schema::ColumnSource::Timestamp => (ColumnSource::Timestamp, sql::ColumnFrom::Timestamp),
        crds::schema::ColumnSource::Partition => (ColumnSource::Partition, sql::ColumnFrom::Partition),
        crds::schema::ColumnSource::Offset => (ColumnSource::Offset, sql::ColumnFrom::Offset),
    }
}
