//! The schema of a Topic: what makes it a table.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Duration;

/// Columns, key and event time of a Topic's records.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("!has(self.key) || self.key.all(k, self.columns.exists(c, c.name == k))", "key names a column that is not declared"),
    validation = ("!has(self.eventTime) || self.columns.exists(c, c.name == self.eventTime.column)", "eventTime.column is not declared")
)]
pub struct TopicSchema {
    /// How values and keys are written: Json (default), one object a record, or Csv, one line a record. Immutable.
    #[serde(default)]
    #[x_kube(validation = ("self == oldSelf", "format is immutable: written records keep theirs"))]
    pub format: Format,
    /// The columns. Their order counts for Csv.
    #[schemars(length(min = 1, max = 256), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub columns: Vec<Column>,
    /// Columns of the record key, and so of the partitioning; written in `format` (a single STRING as its bytes). Absent = no key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 128)))]
    pub key: Option<Vec<String>>,
    /// The column that says when a row happened. Windows need one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_time: Option<EventTime>,
}

/// How values and keys are written.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// One JSON object a record.
    #[default]
    Json,
    /// One RFC 4180 line a record.
    Csv,
}

/// One column.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name, unique in the schema.
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
    /// Its type, as Flink's SQL writes it: STRING, BOOLEAN, INT, BIGINT, DOUBLE, DECIMAL(12, 2), DATE, TIMESTAMP(3), TIMESTAMP_LTZ(3),
    /// BYTES, each perhaps with NOT NULL.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 64))]
    pub data_type: String,
    /// Where it comes from: Value (default), the record's value; Timestamp, Partition or Offset of the record.
    #[serde(default)]
    pub from: ColumnSource,
}

/// Where a column comes from.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// The column that says when a row happened.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventTime {
    /// A declared column of type TIMESTAMP or TIMESTAMP_LTZ.
    #[schemars(length(min = 1, max = 128))]
    pub column: String,
    /// How much later than the newest row of its partition a row may come and still count.
    #[serde(default = "EventTime::default_watermark_delay")]
    pub watermark_delay: Duration,
    /// A partition without rows for this long no longer holds results back.
    #[serde(default = "EventTime::default_idle_timeout")]
    pub idle_timeout: Duration,
}

impl EventTime {
    fn default_watermark_delay() -> Duration {
        Duration::new("5s")
    }
    fn default_idle_timeout() -> Duration {
        Duration::new("30s")
    }
}
