//! The tables a query may name: one per Topic with a schema.

use arrow::datatypes::{DataType, TimeUnit};
use units::TopicName;

use crate::types;

/// Every table a query may read or write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// In any order; names are unique and case-sensitive.
    pub tables: Vec<Table>,
}

/// A topic with a schema.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Table {
    /// The name in SQL, written in backticks when it is not a plain word.
    pub name: String,
    /// In the order of the declaration, which is the order of CSV fields and of `INSERT INTO` without a column list.
    pub columns: Vec<Column>,
    /// Positions in `columns` of the record key, in its order; empty = records have no key.
    pub key: Vec<usize>,
    /// The event time, when windows may be built on this table.
    pub event_time: Option<EventTime>,
    /// How record values are written.
    pub format: Format,
    /// The topic's name in Kafka.
    pub topic: TopicName,
    /// Number of partitions, at least 1.
    pub partitions: i32,
}

/// One column of a table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Column {
    /// Case-sensitive, unique in its table.
    pub name: String,
    /// One of the Arrow types of [`crate::types`].
    pub data_type: DataType,
    /// Whether NULL is a value of this column.
    pub nullable: bool,
    /// Where the value is found in a record.
    pub from: ColumnFrom,
}

/// Where in a record a column's value is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ColumnFrom {
    /// A field of the record's value.
    #[default]
    Value,
    /// The record's timestamp: `TIMESTAMP(3)` or `TIMESTAMP_LTZ(3)`; written when the table is a sink.
    Timestamp,
    /// The partition number: `INT`; read only.
    Partition,
    /// The record's offset: `BIGINT`; read only.
    Offset,
}

/// Which column says when an event happened, and how long to wait for stragglers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EventTime {
    /// Position in the table's columns; its type is `TIMESTAMP(3)` or `TIMESTAMP_LTZ(3)`.
    pub column: usize,
    /// The watermark is the greatest event time seen minus this, in milliseconds.
    pub watermark_delay_ms: i64,
    /// A partition read to its end and silent for so many milliseconds does not hold back the watermark.
    pub idle_timeout_ms: i64,
}

/// How rows are written as bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// One JSON object per row.
    #[default]
    Json,
    /// One CSV line (RFC 4180) per row, fields in the order of the columns.
    Csv,
}

/// A declaration that no query can use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("table {table}: {reason}")]
pub struct InvalidTable {
    /// The table's name.
    pub table: String,
    /// What is wrong and what would be right.
    pub reason: String,
}

impl Table {
    /// Position of the column of this name (case-sensitive).
    #[must_use]
    pub fn column_index(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// Checks what the types of this struct cannot say: unique names, types of metadata and event-time columns, indexes in range.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn validate(&self) -> Result<(), InvalidTable> {
        self.problem().map_or(Ok(()), |reason| Err(InvalidTable { table: self.name.clone(), reason }))
    }

    fn problem(&self) -> Option<String> {
        if self.columns.is_empty() {
            return Some("it has no columns".to_owned());
        }
        for (index, column) in self.columns.iter().enumerate() {
            if self.columns[..index].iter().any(|earlier| earlier.name == column.name) {
                return Some(format!("column {} is declared twice", column.name));
            }
            if let Some(wanted) = column.from.wrong_type(&column.data_type) {
                return Some(format!("column {} is {}, but {wanted}", column.name, types::name(&column.data_type)));
            }
        }
        for &index in &self.key {
            match self.columns.get(index) {
                None => return Some(format!("key column {index} does not exist")),
                Some(column) if column.from != ColumnFrom::Value => {
                    return Some(format!("key column {} is metadata of the record", column.name));
                }
                Some(_) => {}
            }
        }
        self.event_time.as_ref().and_then(|event_time| event_time_problem(&self.columns, event_time))
    }
}

/// Why this column cannot be the event time (FLIP-66 allows precision 0 to 3; ours is always milliseconds).
pub(crate) fn event_time_problem(columns: &[Column], event_time: &EventTime) -> Option<String> {
    let Some(column) = columns.get(event_time.column) else {
        return Some(format!("event time column {} does not exist", event_time.column));
    };
    if !matches!(column.data_type, DataType::Timestamp(TimeUnit::Millisecond, _)) {
        let found = types::name(&column.data_type);
        return Some(format!("event time column {} is {found}: declare it TIMESTAMP(3) or TIMESTAMP_LTZ(3)", column.name));
    }
    if event_time.watermark_delay_ms < 0 {
        return Some("the watermark delay is negative".to_owned());
    }
    None
}

impl ColumnFrom {
    fn wrong_type(self, data_type: &DataType) -> Option<&'static str> {
        match (self, data_type) {
            (Self::Value, _) | (Self::Partition, DataType::Int32) | (Self::Offset, DataType::Int64) => None,
            (Self::Timestamp, DataType::Timestamp(TimeUnit::Millisecond, _)) => None,
            (Self::Timestamp, _) => Some("the record timestamp is TIMESTAMP(3) or TIMESTAMP_LTZ(3)"),
            (Self::Partition, _) => Some("the partition is INT"),
            (Self::Offset, _) => Some("the offset is BIGINT"),
        }
    }
}
