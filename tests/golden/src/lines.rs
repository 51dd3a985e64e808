//! Rows as sorted JSON lines.

use arrow::array::RecordBatch;
use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;

use crate::OracleError;

/// One object a row in the order of the columns, NULLs written, lines sorted by their text.
///
/// # Errors
/// A column has a type that JSON cannot hold.
pub fn json_lines(batches: &[RecordBatch]) -> Result<Vec<String>, OracleError> {
    let mut bytes = Vec::new();
    let mut writer = WriterBuilder::new()
        .with_explicit_nulls(true)
        .with_timestamp_format("%Y-%m-%d %H:%M:%S%.3f".to_owned())
        .with_timestamp_tz_format("%Y-%m-%d %H:%M:%S%.3fZ".to_owned())
        .build::<_, LineDelimited>(&mut bytes);
    writer.write_batches(&batches.iter().collect::<Vec<_>>())?;
    writer.finish()?;
    let text = String::from_utf8_lossy(&bytes);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    Ok(lines)
}
