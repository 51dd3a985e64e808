//! Whole files as tables.

use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;

use crate::{Declaration, OracleError, Table};

/// Reads the file of a declaration, whose path is relative to `folder`.
///
/// # Errors
/// The file cannot be read, or a row is not of the declared types.
pub fn read(declaration: &Declaration, folder: &Path) -> Result<Table, OracleError> {
    let path = folder.join(&declaration.path);
    let failed = |source| OracleError::File { path: path.clone(), source };
    let file = std::fs::File::open(&path).map_err(failed)?;
    let mut bytes = Vec::new();
    let plain = match declaration.path.strip_suffix(".gz") {
        None => {
            BufReader::new(file).read_to_end(&mut bytes).map_err(failed)?;
            declaration.path.as_str()
        }
        Some(plain) => {
            flate2::read::MultiGzDecoder::new(BufReader::new(file)).read_to_end(&mut bytes).map_err(failed)?;
            plain
        }
    };
    let batches = match plain.rsplit('.').next() {
        Some("csv") => csv(declaration, &bytes),
        Some("tsv") => json(&declaration.schema, &without_keys(&bytes)),
        _ => json(&declaration.schema, &bytes),
    };
    let batches = batches.map_err(|source| OracleError::Rows { table: declaration.name.clone(), source })?;
    Ok(Table { name: declaration.name.clone(), schema: Arc::clone(&declaration.schema), batches })
}

/// Lines of a record's key, a tab, and its value: the values.
fn without_keys(bytes: &[u8]) -> Vec<u8> {
    let value = |line: &[u8]| line.splitn(2, |byte| *byte == b'\t').last().expect("a line has one part at least").to_vec();
    bytes.split(|byte| *byte == b'\n').map(value).collect::<Vec<_>>().join(&b'\n')
}

fn json(schema: &SchemaRef, bytes: &[u8]) -> Result<Vec<RecordBatch>, ArrowError> {
    arrow::json::ReaderBuilder::new(Arc::clone(schema)).build(bytes)?.collect()
}

/// Reads texts, then casts them, so that an empty text and NULL are told apart.
fn csv(declaration: &Declaration, bytes: &[u8]) -> Result<Vec<RecordBatch>, ArrowError> {
    let format = arrow::csv::reader::Format::default().with_header(declaration.header).with_delimiter(declaration.delimiter);
    let (found, _) = format.infer_schema(bytes, Some(1))?;
    let texts = |names: Vec<String>| {
        Arc::new(Schema::new(names.into_iter().map(|name| Field::new(name, DataType::Utf8, true)).collect::<Vec<_>>()))
    };
    let names = match declaration.header {
        true => found.fields().iter().map(|field| field.name().clone()).collect(),
        false => declaration.schema.fields().iter().map(|field| field.name().clone()).collect(),
    };
    let schema = texts(names);
    let reader = arrow::csv::ReaderBuilder::new(Arc::clone(&schema)).with_format(format).build(bytes)?;
    let typed = |batch: RecordBatch| {
        let column = |field: &Arc<Field>| {
            let column = batch
                .column_by_name(field.name())
                .ok_or_else(|| ArrowError::SchemaError(format!("the file has no column {}", field.name())))?;
            typed(column, field.data_type(), declaration.null.as_deref())
        };
        let columns = declaration.schema.fields().iter().map(column).collect::<Result<Vec<_>, _>>()?;
        RecordBatch::try_new(Arc::clone(&declaration.schema), columns)
    };
    reader.map(|batch| batch.and_then(typed)).collect()
}

/// The null text is NULL; an empty field is NULL, except in a text column, where it is empty (the reader has made it NULL already).
fn typed(column: &ArrayRef, data_type: &DataType, null: Option<&str>) -> Result<ArrayRef, ArrowError> {
    let is_text = *data_type == DataType::Utf8;
    let text = |value: Option<&str>| match value {
        None | Some("") => is_text.then_some("").map(str::to_owned),
        Some(text) if Some(text) == null => None,
        Some(text) => Some(text.to_owned()),
    };
    let texts: StringArray = column.as_string::<i32>().iter().map(text).collect();
    let texts: ArrayRef = Arc::new(texts);
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(&texts, data_type, &options).inspect(|array| debug_assert_eq!(array.len(), column.len()))
}
