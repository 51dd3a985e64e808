//! A topic with a schema, as SQL sees it.

use serde::{Deserialize, Serialize};
use units::{DurationMs, TopicName};

/// How values and keys are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Format {
    /// One JSON object a record.
    #[default]
    Json,
    /// One RFC 4180 line a record, columns in declared order.
    Csv,
}

/// Where a column's value comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ColumnSource {
    /// The record's value.
    #[default]
    Value,
    /// The record's timestamp.
    Timestamp,
    /// The partition's index.
    Partition,
    /// The record's offset.
    Offset,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Flink's SQL type as text, with ` NOT NULL` where it cannot be null: `sql::types::parse` reads it.
    pub data_type: String,
    /// Where it comes from.
    pub from: ColumnSource,
}

/// The column that says when a row happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EventTime {
    /// Name of a declared column.
    pub column: String,
    /// How much later than the newest row an older one may come.
    pub watermark_delay: DurationMs,
    /// A partition without rows for this long no longer holds the others back.
    pub idle_timeout: DurationMs,
}

/// A table that a query reads or writes. Tables made by the query itself (`CREATE TABLE … WITH`) are in the query's text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Table {
    /// The name that the query uses.
    pub name: String,
    /// The topic behind it.
    pub topic: TopicName,
    /// Its number of partitions when this was planned; the topic itself knows better.
    pub partitions: i32,
    /// How keys and values are written.
    pub format: Format,
    /// Its columns, in declared order (which counts for [`Format::Csv`]).
    pub columns: Vec<Column>,
    /// Columns of the record key, in order; empty: no key.
    pub key: Vec<String>,
    /// Its event time, if declared.
    pub event_time: Option<EventTime>,
}
