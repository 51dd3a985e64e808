//! What the rows of one operator's state look like.
//!
//! Column 0 is `key_hash: UInt64`, column 1 is `op: Int8` ([`UPSERT`] or [`DELETE`]), both never null. The others are the
//! operator's own; some of them are the key, and a key has one row.

use arrow::{
    array::{Array, AsArray, Int8Array, RecordBatch, UInt64Array},
    datatypes::{DataType, Field, Int8Type, Schema, SchemaRef, TimeUnit, UInt64Type},
};
use arrow_row::{RowConverter, Rows, SortField};
use std::{fmt, sync::Arc};

use crate::{HashRange, Malformed, OperatorId};

/// The row is the key's state from here on.
pub const UPSERT: i8 = 1;
/// The key has no state from here on; other columns than the key's are not looked at.
pub const DELETE: i8 = -1;

/// Shape of one operator's state. Cheap to clone.
#[derive(Clone)]
pub struct OperatorSchema(Arc<Shape>);

struct Shape {
    operator: OperatorId,
    columns: SchemaRef,
    key: Vec<usize>,
    expires: Option<usize>,
    fingerprint: u64,
    converter: RowConverter,
}

/// An operator's state cannot be kept in this shape.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The two leading columns are not `key_hash: UInt64` and `op: Int8`, both never null.
    #[error("state of operator {0} does not begin with key_hash UInt64 and op Int8")]
    Leading(OperatorId),
    /// A column has a type that state is not kept in.
    #[error("state of operator {operator} has column {column} of type {data_type}, which cannot be kept")]
    Unsupported {
        /// The operator.
        operator: OperatorId,
        /// The column's name.
        column: String,
        /// Its type.
        data_type: DataType,
    },
    /// There is no key column, one is not the operator's own, or the expiry is not a key column of milliseconds.
    #[error("state of operator {0} names no key, or a key or expiry column that cannot be one")]
    Columns(OperatorId),
}

impl OperatorSchema {
    /// The state of `operator` has these `columns`; those at `key` tell keys apart. Rows die when the column `expires`
    /// (milliseconds of event time: Int64 or Timestamp(ms), and part of the key) falls below the operator's horizon.
    ///
    /// # Errors
    /// [`SchemaError`], which is a bug of the caller: nothing a user writes gets here unchecked.
    pub fn new(operator: OperatorId, columns: SchemaRef, key: Vec<usize>, expires: Option<usize>) -> Result<Self, SchemaError> {
        let leads = |index: usize, data_type: DataType| {
            columns.fields().get(index).is_some_and(|field| *field.data_type() == data_type && !field.is_nullable())
        };
        if !leads(0, DataType::UInt64) || !leads(1, DataType::Int8) {
            return Err(SchemaError::Leading(operator));
        }
        let unsupported =
            |field: &Field| SchemaError::Unsupported { operator, column: field.name().clone(), data_type: field.data_type().clone() };
        let mut text = String::new();
        for field in columns.fields() {
            let data_type = type_text(field.data_type()).ok_or_else(|| unsupported(field))?;
            text += &format!("{data_type}{};", if field.is_nullable() { "?" } else { "" });
        }
        let is_own = |index: &usize| (2..columns.fields().len()).contains(index);
        let is_ms = |index: usize| is_milliseconds(columns.field(index).data_type());
        if key.is_empty() || !key.iter().all(is_own) || !expires.is_none_or(|expires| key.contains(&expires) && is_ms(expires)) {
            return Err(SchemaError::Columns(operator));
        }
        let key_fields = key.iter().map(|index| SortField::new(columns.field(*index).data_type().clone())).collect();
        let converter = RowConverter::new(key_fields).expect("flat types can be keys");
        let fingerprint = fnv1a(&format!("{text}{key:?}{expires:?}"));
        Ok(Self(Arc::new(Shape { operator, columns, key, expires, fingerprint, converter })))
    }

    /// Whose state it is.
    #[must_use]
    pub fn operator(&self) -> OperatorId {
        self.0.operator
    }

    /// All columns, the two leading ones first.
    #[must_use]
    pub fn columns(&self) -> &SchemaRef {
        &self.0.columns
    }

    /// Identifies types, nullability, key and expiry; the same in every version. Names are free to change.
    pub(crate) fn fingerprint(&self) -> u64 {
        self.0.fingerprint
    }

    /// A batch of no rows.
    #[must_use]
    pub fn empty(&self) -> RecordBatch {
        RecordBatch::new_empty(self.0.columns.clone())
    }

    /// Whether the rows of `batch` can be state of this operator; says why not.
    pub(crate) fn check(&self, batch: &RecordBatch) -> Result<(), Malformed> {
        let alike =
            |(one, other): (&Arc<Field>, &Arc<Field>)| one.data_type() == other.data_type() && (one.is_nullable() || !other.is_nullable());
        let (own, theirs) = (self.0.columns.fields(), batch.schema_ref().fields());
        if own.len() != theirs.len() || !own.iter().zip(theirs).all(alike) {
            return Err(Malformed(format!("rows of operator {} have other columns than its state", self.operator())));
        }
        match self.ops(batch).iter().flatten().find(|op| !matches!(*op, UPSERT | DELETE)) {
            Some(op) => Err(Malformed(format!("a row of operator {} has the op {op}, which is none", self.operator()))),
            None => Ok(()),
        }
    }

    pub(crate) fn hashes<'a>(&self, batch: &'a RecordBatch) -> &'a UInt64Array {
        batch.column(0).as_primitive::<UInt64Type>()
    }

    pub(crate) fn ops<'a>(&self, batch: &'a RecordBatch) -> &'a Int8Array {
        batch.column(1).as_primitive::<Int8Type>()
    }

    /// When each row expires, in milliseconds, where rows do.
    pub(crate) fn expiries<'a>(&self, batch: &'a RecordBatch) -> Option<&'a [i64]> {
        use arrow::datatypes::{Int64Type, TimestampMillisecondType};
        let column = batch.column(self.0.expires?);
        Some(match column.data_type() {
            DataType::Int64 => column.as_primitive::<Int64Type>().values(),
            _ => column.as_primitive::<TimestampMillisecondType>().values(),
        })
    }

    /// The rows of a sorted batch whose hash is in `range`.
    pub(crate) fn within(&self, batch: &RecordBatch, range: &HashRange) -> RecordBatch {
        let hashes = self.hashes(batch).values();
        let from = hashes.partition_point(|hash| hash < range.start());
        let end = hashes.partition_point(|hash| hash <= range.end());
        batch.slice(from, end.saturating_sub(from))
    }

    /// The key of every row, as bytes that compare as the keys do.
    pub(crate) fn keys(&self, batch: &RecordBatch) -> Rows {
        let columns: Vec<_> = self.0.key.iter().map(|index| batch.column(*index).clone()).collect();
        self.0.converter.convert_columns(&columns).expect("the batch has the operator's columns")
    }
}

impl fmt::Debug for OperatorSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperatorSchema").field("operator", &self.0.operator).field("key", &self.0.key).finish_non_exhaustive()
    }
}

/// The two leading columns of every operator's state.
#[must_use]
pub fn leading_fields() -> [Field; 2] {
    [Field::new("key_hash", DataType::UInt64, false), Field::new("op", DataType::Int8, false)]
}

/// Columns of an operator's state: the two leading ones, then `own`.
#[must_use]
pub fn state_columns(own: impl IntoIterator<Item = Field>) -> SchemaRef {
    Arc::new(Schema::new(leading_fields().into_iter().chain(own).collect::<Vec<_>>()))
}

fn is_milliseconds(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Int64 | DataType::Timestamp(TimeUnit::Millisecond, _))
}

/// The types that state is kept in, in words that stay the same whatever the Arrow library prints.
fn type_text(data_type: &DataType) -> Option<String> {
    let unit = |unit: &TimeUnit| match unit {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
    };
    Some(match data_type {
        DataType::Boolean => "bool".into(),
        DataType::Int8 => "i8".into(),
        DataType::Int16 => "i16".into(),
        DataType::Int32 => "i32".into(),
        DataType::Int64 => "i64".into(),
        DataType::UInt8 => "u8".into(),
        DataType::UInt16 => "u16".into(),
        DataType::UInt32 => "u32".into(),
        DataType::UInt64 => "u64".into(),
        DataType::Float32 => "f32".into(),
        DataType::Float64 => "f64".into(),
        DataType::Utf8 => "text".into(),
        DataType::LargeUtf8 => "text64".into(),
        DataType::Binary => "bytes".into(),
        DataType::LargeBinary => "bytes64".into(),
        DataType::FixedSizeBinary(width) => format!("bytes({width})"),
        DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
        DataType::Date32 => "date".into(),
        DataType::Time32(of) | DataType::Time64(of) => format!("time({})", unit(of)),
        DataType::Timestamp(of, zone) => format!("timestamp({},{})", unit(of), zone.as_deref().unwrap_or("-")),
        _ => return None,
    })
}

/// FNV-1a of 64 bits (Fowler, Noll, Vo).
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// Bytes that the rows of `batch` take, whatever larger buffers they lie in.
pub(crate) fn rows_bytes(batch: &RecordBatch) -> u64 {
    let of = |column: &Arc<dyn Array>| column.to_data().get_slice_memory_size().expect("flat types have a size");
    batch.columns().iter().map(of).sum::<usize>() as u64
}

#[cfg(test)]
mod tests;
