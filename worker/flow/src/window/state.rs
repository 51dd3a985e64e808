//! Reading back what an operator wrote: columns by place and type, and a named error instead of a panic.

use arrow::{
    array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray, RecordBatch},
    datatypes::{DataType, Schema},
    error::ArrowError,
};

use crate::column::UnsupportedType;

/// A partial batch or a delta is not what this operator writes.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Other columns than the operator's.
    #[error("column {index} is {found}, not {wanted}")]
    Column {
        /// Its place.
        index: usize,
        /// Its name and type, or that it is missing.
        found: String,
        /// The name and type that belong there.
        wanted: String,
    },
    /// A value that no operator writes.
    #[error("{0}")]
    Value(&'static str),
    /// Rows of a hash partition that this operator was not given.
    #[error("hash partition {0} is not owned here")]
    NotOwned(u32),
    /// A column of a type that no operator holds.
    #[error(transparent)]
    Unsupported(#[from] UnsupportedType),
    /// A batch could not be put together.
    #[error("build a batch")]
    Arrow(#[from] ArrowError),
}

/// Checks that the columns have the types of `schema`.
pub(crate) fn check_columns(batch: &RecordBatch, schema: &Schema) -> Result<(), StateError> {
    for (index, field) in schema.fields().iter().enumerate() {
        let found = batch.columns().get(index).map(|array| array.data_type());
        if found != Some(field.data_type()) {
            let found = found.map_or_else(|| "missing".to_owned(), DataType::to_string);
            return Err(StateError::Column { index, found, wanted: format!("{} {}", field.name(), field.data_type()) });
        }
    }
    Ok(())
}

/// A column of numbers none of which is null.
pub(crate) fn numbers<T: ArrowPrimitiveType>(array: &ArrayRef) -> Result<&PrimitiveArray<T>, StateError> {
    let numbers = array.as_primitive_opt::<T>().ok_or(StateError::Value("a column of numbers has another type"))?;
    if numbers.null_count() > 0 {
        return Err(StateError::Value("a number is missing"));
    }
    Ok(numbers)
}
