//! The records of one poll become one record batch and a list of those that could not.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions},
    datatypes::{DataType, Field, Schema, SchemaRef},
    error::ArrowError,
};
use sql::{ColumnFrom, CsvOptions, Format, Source, SourceFrom};

use super::{csv::CsvReader, json::JsonReader, kind::Kind};
use crate::column::{Column, UnsupportedType};

/// One record as it was fetched, or one line of a file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Row<'a> {
    /// Absent for a record without a value (a tombstone).
    pub value: Option<&'a [u8]>,
    /// Absent for a record without a key.
    pub key: Option<&'a [u8]>,
    /// Milliseconds from the epoch; -1 means none.
    pub timestamp_ms: i64,
    /// The partition it was fetched from.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
}

/// A row that has no place in the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// Position among the rows that were given.
    pub index: u32,
    /// Why, for a person: names the column and shows the value, at most a few hundred characters.
    pub reason: String,
}

/// What became of the rows of one [`Decoder::decode`].
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The good rows, in order, with the columns of the source's schema.
    pub batch: RecordBatch,
    /// For each row of `batch` its position among the rows that were given; ascending.
    pub origin: Vec<u32>,
    /// The bad rows, in order.
    pub bad: Vec<BadRow>,
    /// Records without a value.
    pub skipped: usize,
}

/// The rows together cannot be one batch; give fewer.
#[derive(Debug, thiserror::Error)]
#[error("decode a poll of {rows} rows")]
pub struct DecodeError {
    rows: usize,
    source: ArrowError,
}

/// What is wrong with a row; becomes a sentence only when it is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The text as a whole.
    Text { at: usize, problem: &'static str },
    /// A value, by the number of its needed column and where it stands in the row.
    Value { column: usize, from: usize, to: usize, problem: &'static str },
    /// A NOT NULL column without a value.
    Missing { column: usize },
    /// A CSV row with another number of fields than the table has columns.
    Fields { found: usize, wanted: usize },
}

/// A column to fill.
#[derive(Debug)]
pub(crate) struct Target {
    pub name: String,
    pub kind: Kind,
    pub nullable: bool,
    pub from: ColumnFrom,
}

#[derive(Debug)]
enum Reader {
    Json(JsonReader),
    Csv(CsvReader),
}

/// Decodes the records of one source; see the [module](super). Keeps what it learns of the order of fields from row to row.
#[derive(Debug)]
pub struct Decoder {
    schema: SchemaRef,
    targets: Vec<Target>,
    reader: Reader,
}

impl Decoder {
    /// A decoder for the columns that `source` needs.
    ///
    /// # Errors
    /// A column of a type that is not one of `sql::types`.
    pub fn new(source: &Source) -> Result<Self, UnsupportedType> {
        let defaults = CsvOptions { header: false, delimiter: b',', null_literal: None };
        let (format, options) = match &source.from {
            SourceFrom::Topic(table) => (table.format, &defaults),
            SourceFrom::File(table) => (table.format, &table.csv),
        };
        Self::with_columns(source.from.columns(), &source.columns, format, options)
    }

    /// A decoder for the columns at `needed` of a table with `columns`.
    ///
    /// # Errors
    /// A column of a type that is not one of `sql::types`.
    pub fn with_columns(columns: &[sql::Column], needed: &[usize], format: Format, options: &CsvOptions) -> Result<Self, UnsupportedType> {
        let wanted: Vec<_> = needed.iter().map(|index| &columns[*index]).collect();
        let target = |column: &&sql::Column| {
            let kind = Kind::of(&column.data_type)?;
            Ok(Target { name: column.name.clone(), kind, nullable: column.nullable, from: column.from })
        };
        let targets = wanted.iter().map(target).collect::<Result<Vec<_>, _>>()?;
        let reader = match format {
            Format::Json => Reader::Json(JsonReader::new(&targets)),
            Format::Csv => {
                let fields = (0..columns.len()).filter(|index| columns[*index].from == ColumnFrom::Value);
                let fields = fields.map(|index| needed.iter().position(|needed| *needed == index));
                Reader::Csv(CsvReader::new(fields.collect(), options))
            }
        };
        let fields: Vec<_> = wanted.iter().map(|column| Field::new(&column.name, column.data_type.clone(), column.nullable)).collect();
        Ok(Self { schema: Arc::new(Schema::new(fields)), targets, reader })
    }

    /// The columns of every decoded batch.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Takes the first line of a CSV file as the names of its fields, in whatever order they come.
    ///
    /// # Errors
    /// A sentence naming the column that the line lacks.
    pub fn read_header(&mut self, line: &[u8], columns: &[sql::Column]) -> Result<(), String> {
        match &mut self.reader {
            Reader::Csv(reader) => reader.read_header(line, columns, &self.targets),
            Reader::Json(_) => Ok(()),
        }
    }

    /// Decodes `rows`; one batch, and every row is in it, in `bad`, or counted in `skipped`.
    ///
    /// # Errors
    /// The values of a column together pass 2 GiB.
    pub fn decode(&mut self, rows: &[Row<'_>]) -> Result<Decoded, DecodeError> {
        let failed = |source| DecodeError { rows: rows.len(), source };
        let mut columns = self.empty_columns(rows.len());
        let mut origin = Vec::with_capacity(rows.len());
        let (mut bad, mut skipped) = (Vec::new(), 0);
        for (index, row) in (0_u32..).zip(rows) {
            let Some(value) = row.value else {
                skipped += 1;
                continue;
            };
            let done = origin.len();
            match self.decode_row(row, value, &mut columns, done) {
                Ok(()) => origin.push(index),
                Err(fault) => {
                    columns.iter_mut().for_each(|column| column.truncate(done));
                    bad.push(BadRow { index, reason: self.sentence(fault, value) });
                }
            }
        }
        let arrays = columns.into_iter().zip(self.schema.fields()).map(|(column, field)| column.finish(field.data_type()));
        let arrays = arrays.collect::<Result<Vec<ArrayRef>, _>>().map_err(failed)?;
        let options = RecordBatchOptions::new().with_row_count(Some(origin.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options).map_err(failed)?;
        Ok(Decoded { batch, origin, bad, skipped })
    }

    fn empty_columns(&self, rows: usize) -> Vec<Column> {
        let column = |data_type: &DataType| {
            let mut column = Column::new(data_type).expect("every kind has a column");
            column.reserve(rows);
            column
        };
        self.schema.fields().iter().map(|field| column(field.data_type())).collect()
    }

    #[inline]
    fn decode_row(&mut self, row: &Row<'_>, value: &[u8], columns: &mut [Column], done: usize) -> Result<(), Fault> {
        match &mut self.reader {
            Reader::Json(reader) => reader.read(value, &self.targets, columns, done)?,
            Reader::Csv(reader) => reader.read(value, &self.targets, columns)?,
        }
        for (index, (target, column)) in self.targets.iter().zip(columns).enumerate() {
            match target.from {
                ColumnFrom::Timestamp if row.timestamp_ms >= 0 => push_timestamp(target.kind, column, row.timestamp_ms),
                ColumnFrom::Partition => column.push_word(row.partition.into()),
                ColumnFrom::Offset => column.push_word(row.offset),
                ColumnFrom::Timestamp | ColumnFrom::Value => {}
            }
            if column.len() == done {
                if !target.nullable {
                    return Err(Fault::Missing { column: index });
                }
                column.push_null();
            } else if !target.nullable && !column.is_valid(done) {
                return Err(Fault::Missing { column: index });
            }
        }
        Ok(())
    }

    fn sentence(&self, fault: Fault, row: &[u8]) -> String {
        match fault {
            Fault::Text { at, problem } => format!("byte {at}: {problem}, near {}", excerpt(row, at.saturating_sub(16), at + 16)),
            Fault::Value { column, from, to, problem } => {
                format!("column {}: {} {problem}", self.targets[column].name, excerpt(row, from, to))
            }
            Fault::Missing { column } => format!("column {} is NOT NULL and has no value", self.targets[column].name),
            Fault::Fields { found, wanted } => format!("{found} fields where the table has {wanted} columns"),
        }
    }
}

fn push_timestamp(kind: Kind, column: &mut Column, timestamp_ms: i64) {
    match kind {
        Kind::Timestamp { unit, .. } => {
            let per_second = super::text::per_second(unit);
            column.push_word(if per_second >= 1000 { timestamp_ms.saturating_mul(per_second / 1000) } else { timestamp_ms / 1000 });
        }
        _ => column.push_word(timestamp_ms),
    }
}

/// A piece of a row as people can read it, cut to 80 bytes.
fn excerpt(row: &[u8], from: usize, to: usize) -> String {
    let to = to.min(row.len());
    let from = from.min(to);
    let cut = to.min(from + 80);
    let text = String::from_utf8_lossy(&row[from..cut]);
    format!("{text:?}{}", if cut < to { "…" } else { "" })
}
