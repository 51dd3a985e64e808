//! The batch oracle: what a query over the whole of its input gives, by DataFusion's own engine.
//!
//! A streaming result after any prefix equals the batch result over that prefix. The oracle's SQL is written by hand beside the streaming SQL
//! (`date_bin` instead of windows), and nothing of our planner, windows or aggregates is used: only the names of column types are shared.
//!
//! An oracle file is plain DataFusion SQL. Comments of this form declare the tables it reads, with paths beside the file:
//!
//! ```sql
//! -- table flights from data/flights.csv.gz (header, null NA): carrier STRING, departed TIMESTAMP(3), delay INT
//! -- table totals from totals.jsonl: carrier STRING, total BIGINT
//! SELECT carrier, count(*) AS flights FROM flights GROUP BY carrier
//! ```
//!
//! The format goes by the suffix (`.csv`, `.json`, `.jsonl`, `.tsv` for lines of a record's key, a tab, and JSON), `.gz` is unpacked. The result is one JSON object a row, lines in ascending order
//! of their text, NULLs written out, timestamps as `2013-01-01 10:00:00.000`, as our own JSON format writes them.

mod declaration;
mod files;
mod lines;
mod prepared;

use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

pub use declaration::{Declaration, declarations};
pub use files::read;
pub use lines::json_lines;
pub use prepared::Prepared;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum OracleError {
    /// A file cannot be read.
    #[error("read {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A comment that begins like a declaration is none.
    #[error("declaration {text:?}: {reason}")]
    Declaration {
        /// The line.
        text: String,
        /// What is wrong.
        reason: String,
    },
    /// A table's rows are not what was declared.
    #[error("table {table}: {source}")]
    Rows {
        /// The table.
        table: String,
        /// What the reader says.
        source: arrow::error::ArrowError,
    },
    /// The engine refuses the query.
    #[error("query: {0}")]
    Query(#[from] datafusion::error::DataFusionError),
    /// The result cannot be written.
    #[error("write the result: {0}")]
    Write(#[from] arrow::error::ArrowError),
    /// There is nothing to run.
    #[error("the text has no statement")]
    NoStatement,
    /// No runtime to run the query in.
    #[error("start: {0}")]
    Start(std::io::Error),
}

/// A table in memory.
#[derive(Clone, Debug)]
pub struct Table {
    /// The name in the query.
    pub name: String,
    /// Its columns.
    pub schema: SchemaRef,
    /// Its rows.
    pub batches: Vec<RecordBatch>,
}

/// Runs the statements one after the other and gives the rows of the last.
///
/// # Errors
/// A statement is refused or fails.
pub fn query(tables: &[Table], sql: &str) -> Result<Vec<RecordBatch>, OracleError> {
    Prepared::new(tables, sql)?.run(tables)
}

/// The result of an oracle file as sorted JSON lines; the paths in it are relative to `folder`, or to the file if there is none.
///
/// # Errors
/// The file, a table or the query is wrong.
pub fn run(file: &Path, folder: Option<&Path>) -> Result<Vec<String>, OracleError> {
    let text = std::fs::read_to_string(file).map_err(|source| OracleError::File { path: file.to_owned(), source })?;
    let folder = folder.or_else(|| file.parent()).unwrap_or_else(|| Path::new("."));
    let tables = declarations(&text)?.iter().map(|declaration| read(declaration, folder)).collect::<Result<Vec<_>, _>>()?;
    json_lines(&query(&tables, &text)?)
}
