//! What is read: a topic, or a file once.

use std::sync::Arc;

use crate::catalog::{Column, EventTime, Format, Table};

/// Reads a topic or a file, the needed columns only.
#[derive(Clone, Debug)]
pub struct Source {
    /// What is read.
    pub from: SourceFrom,
    /// Positions in the table's columns, ascending: the columns of the node's schema. The event-time column is always among them.
    pub columns: Vec<usize>,
}

/// What a source reads.
#[derive(Clone, Debug)]
pub enum SourceFrom {
    /// A topic: unbounded, one watermark per partition.
    Topic(Arc<Table>),
    /// A file: bounded, read in order by one reader, its position is keyed state.
    File(Arc<FileTable>),
}

/// `CREATE TABLE … WITH ('connector' = 'filesystem', …)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileTable {
    /// The name in SQL.
    pub name: String,
    /// All are [`crate::ColumnFrom::Value`].
    pub columns: Vec<Column>,
    /// From `WATERMARK FOR column AS column - INTERVAL …`; the idle timeout is 0, since a file is never waited for.
    pub event_time: Option<EventTime>,
    /// How lines are written.
    pub format: Format,
    /// Relative, without `..` and without a scheme: whoever runs the plan resolves it below the folder it allows.
    pub path: String,
    /// True when the path ends in `.gz`.
    pub gzip: bool,
    /// For [`Format::Csv`].
    pub csv: CsvOptions,
}

/// How a CSV file is written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CsvOptions {
    /// `'csv.header'`: the first line has names, in any order, and is not a row. Default false.
    pub header: bool,
    /// `'csv.field-delimiter'`: one ASCII character. Default `,`.
    pub delimiter: u8,
    /// `'csv.null-literal'`: unquoted text that means NULL. Default: an empty field is NULL, except in a STRING column, where it is empty.
    pub null_literal: Option<String>,
}

impl SourceFrom {
    /// The name in SQL.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Topic(table) => &table.name,
            Self::File(table) => &table.name,
        }
    }

    pub(crate) fn what(&self) -> &'static str {
        match self {
            Self::Topic(_) => "topic",
            Self::File(_) => "file",
        }
    }

    /// All columns that were declared, read or not.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        match self {
            Self::Topic(table) => &table.columns,
            Self::File(table) => &table.columns,
        }
    }

    /// The declared event time; its column is a position in [`SourceFrom::columns`].
    #[must_use]
    pub fn event_time(&self) -> Option<&EventTime> {
        match self {
            Self::Topic(table) => table.event_time.as_ref(),
            Self::File(table) => table.event_time.as_ref(),
        }
    }
}
