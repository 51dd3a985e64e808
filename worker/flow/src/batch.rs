//! Rows on their way through a stage, each with the number of the row it came from; and how an error costs one row only.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array},
    datatypes::SchemaRef,
    error::ArrowError,
};
use sql::EvaluateError;

use crate::format::BadRow;

/// Rows and where they came from.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The rows.
    pub rows: RecordBatch,
    /// For each row the position, in what the stage was given, of the row it was computed from.
    pub origin: Arc<[u32]>,
}

/// What an operator makes of a batch, or why it cannot.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RowsError {
    /// Some row has no answer.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// A key, or a value for MIN or MAX, that no record of state would hold.
    #[error("a text of {bytes} bytes cannot be a key or in MIN or MAX here: state keeps {bytes_max} of one at most")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The greatest there may be.
        bytes_max: usize,
    },
    /// The rows together are too much for one batch.
    #[error(transparent)]
    Arrow(#[from] ArrowError),
}

impl Batch {
    /// Rows that come from nowhere else: each is its own origin.
    #[must_use]
    pub fn new(rows: RecordBatch) -> Self {
        let count = u32::try_from(rows.num_rows()).expect("a batch has fewer than 2^32 rows");
        Self { rows, origin: (0..count).collect() }
    }

    /// Some of the rows, in the order of `rows`.
    pub(crate) fn take(&self, rows: &[u32]) -> Result<Self, ArrowError> {
        let indices = UInt32Array::from(rows.to_vec());
        let columns = self.rows.columns().iter().map(|column| arrow::compute::take(column, &indices, None));
        let rows_taken = batch_of(&self.rows.schema(), columns.collect::<Result<_, _>>()?, rows.len())?;
        Ok(Self { rows: rows_taken, origin: rows.iter().map(|row| self.origin[*row as usize]).collect() })
    }

    fn slice(&self, from: usize, len: usize) -> Self {
        Self { rows: self.rows.slice(from, len), origin: self.origin[from..from + len].into() }
    }

    /// Applies `operate`, which answers for all rows or for none: where it fails, to each half, so that only rows that fail by themselves
    /// are lost, and to `bad`. Costs nothing while nothing fails.
    pub(crate) fn isolate<T>(self, bad: &mut Vec<BadRow>, done: &mut Vec<T>, operate: &mut impl FnMut(&Self) -> Result<T, RowsError>) {
        match operate(&self) {
            Ok(result) => done.push(result),
            Err(error) => match self.rows.num_rows() {
                0 => {}
                1 => bad.push(BadRow { index: self.origin[0], reason: error.to_string() }),
                count => {
                    self.slice(0, count / 2).isolate(bad, done, operate);
                    self.slice(count / 2, count - count / 2).isolate(bad, done, operate);
                }
            },
        }
    }
}

/// A record batch that may have no columns.
pub(crate) fn batch_of(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, ArrowError> {
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &RecordBatchOptions::new().with_row_count(Some(rows)))
}
