//! Rows become record keys, values and timestamps: a batch at a time, into one slab with offsets.

use std::io::Write as _;

use arrow::{
    array::{ArrayRef, AsArray, RecordBatch},
    datatypes::{DataType, TimestampMillisecondType},
};
use sql::{Format, Sink};

use super::{base64, csv, decoder::BadRow, kind::Kind, text};
use crate::column::{Column, UnsupportedType, Values, float_of_word};

/// Byte strings one behind the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slab {
    bytes: Vec<u8>,
    /// End of each string in `bytes`.
    ends: Vec<usize>,
}

impl Slab {
    /// How many strings there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// String `index`.
    ///
    /// # Panics
    /// Where there is no such string.
    #[must_use]
    pub fn get(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.bytes[start..self.ends[index]]
    }

    /// The strings in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// All strings together, without their bounds.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn close(&mut self) {
        self.ends.push(self.bytes.len());
    }
}

/// The records of one batch.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// One per record.
    pub values: Slab,
    /// One per record, where the sink has a key. A record whose one STRING key column is NULL has none: see `key`.
    keys: Option<(Slab, Vec<bool>)>,
    /// One per record in milliseconds from the epoch (-1 where the column is NULL), where the sink has a timestamp column.
    pub timestamps_ms: Option<Vec<i64>>,
    /// For each record its row in the batch; ascending.
    pub origin: Vec<u32>,
    /// Rows with NULL in a `NOT NULL` column.
    pub bad: Vec<BadRow>,
}

impl Encoded {
    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The key of record `index`, if it has one.
    #[must_use]
    pub fn key(&self, index: usize) -> Option<&[u8]> {
        let (keys, present) = self.keys.as_ref()?;
        present[index].then(|| keys.get(index))
    }
}

/// A column that cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write column {column}")]
pub struct EncodeError {
    column: String,
    source: UnsupportedType,
}

/// Writes the rows of one sink; see the [module](super).
#[derive(Debug)]
pub struct Encoder {
    format: Format,
    value: Vec<Field>,
    key: Vec<Field>,
    /// The key is one STRING column and is its bytes.
    key_is_text: bool,
    timestamp: Option<usize>,
}

#[derive(Debug)]
struct Field {
    /// Position in the batch.
    index: usize,
    name: String,
    /// `"name":` with the comma or brace before it.
    prefix: Vec<u8>,
    kind: Kind,
    nullable: bool,
}

impl Encoder {
    /// An encoder for batches of the sink's input.
    ///
    /// # Errors
    /// A column of a type that is not one of `sql::types`.
    pub fn new(sink: &Sink, input: &arrow::datatypes::Schema) -> Result<Self, EncodeError> {
        let named = |column: (usize, &usize)| (*column.1, sink.names[column.0].clone(), sink.nullable[column.0]);
        let value = fields(sink.value.iter().enumerate().map(named), input)?;
        let key_field = |index: &usize| {
            let place = sink.value.iter().position(|value| value == index);
            (*index, place.map_or_else(|| input.field(*index).name().clone(), |place| sink.names[place].clone()), true)
        };
        let key = fields(sink.key.iter().map(key_field), input)?;
        let key_is_text = matches!(key.as_slice(), [Field { kind: Kind::Text, .. }]);
        Ok(Self { format: sink.table.format, value, key, key_is_text, timestamp: sink.timestamp })
    }

    /// Writes every row of `batch`, but for those with NULL where the table allows none.
    ///
    /// # Errors
    /// A column is not of the type that the encoder was made for.
    pub fn encode(&self, batch: &RecordBatch) -> Result<Encoded, EncodeError> {
        let values = columns_of(&self.value, batch)?;
        let keys = columns_of(&self.key, batch)?;
        let (mut origin, mut bad) = (Vec::with_capacity(batch.num_rows()), Vec::new());
        for row in 0..u32::try_from(batch.num_rows()).expect("a batch has fewer than 2^32 rows") {
            let forbidden = self.value.iter().zip(&values).find(|(field, column)| !field.nullable && !column.is_valid(row as usize));
            match forbidden {
                None => origin.push(row),
                Some((field, _)) => bad.push(BadRow { index: row, reason: format!("column {} is NOT NULL and has no value", field.name) }),
            }
        }
        let slab = self.write(&self.value, &values, &origin);
        let keys = (!self.key.is_empty()).then(|| self.write_keys(&keys, &origin));
        let timestamps_ms = self.timestamp.map(|index| timestamps(batch.column(index), &origin));
        Ok(Encoded { values: slab, keys, timestamps_ms, origin, bad })
    }

    fn write(&self, fields: &[Field], columns: &[Column], rows: &[u32]) -> Slab {
        let mut slab = Slab { bytes: Vec::with_capacity(rows.len() * fields.len() * 16), ends: Vec::with_capacity(rows.len()) };
        for row in rows {
            match self.format {
                Format::Json => write_json(&mut slab.bytes, fields, columns, *row as usize),
                Format::Csv => write_csv(&mut slab.bytes, fields, columns, *row as usize),
            }
            slab.close();
        }
        slab
    }

    fn write_keys(&self, columns: &[Column], rows: &[u32]) -> (Slab, Vec<bool>) {
        if !self.key_is_text {
            return (self.write(&self.key, columns, rows), vec![true; rows.len()]);
        }
        let mut slab = Slab::default();
        let column = &columns[0];
        for row in rows {
            slab.bytes.extend_from_slice(bytes_at(column, *row as usize));
            slab.close();
        }
        (slab, rows.iter().map(|row| column.is_valid(*row as usize)).collect())
    }
}

fn fields(columns: impl Iterator<Item = (usize, String, bool)>, input: &arrow::datatypes::Schema) -> Result<Vec<Field>, EncodeError> {
    let field = |(index, name, nullable): (usize, String, bool)| {
        let data_type = input.field(index).data_type();
        let kind = kind_of(data_type).map_err(|source| EncodeError { column: name.clone(), source })?;
        let mut prefix = vec![b','];
        write_string(&mut prefix, name.as_bytes());
        prefix.push(b':');
        Ok(Field { index, name, prefix, kind, nullable })
    };
    let mut fields = columns.map(field).collect::<Result<Vec<_>, _>>()?;
    if let Some(first) = fields.first_mut() {
        first.prefix[0] = b'{';
    }
    Ok(fields)
}

/// As [`Kind::of`], with the other layouts of strings and bytes that expressions may give.
fn kind_of(data_type: &DataType) -> Result<Kind, UnsupportedType> {
    match data_type {
        DataType::LargeUtf8 | DataType::Utf8View => Ok(Kind::Text),
        DataType::LargeBinary | DataType::BinaryView => Ok(Kind::Bytes),
        other => Kind::of(other),
    }
}

fn columns_of(fields: &[Field], batch: &RecordBatch) -> Result<Vec<Column>, EncodeError> {
    let column =
        |field: &Field| Column::from_array(batch.column(field.index)).map_err(|source| EncodeError { column: field.name.clone(), source });
    fields.iter().map(column).collect()
}

fn timestamps(array: &ArrayRef, rows: &[u32]) -> Vec<i64> {
    let Some(array) = array.as_primitive_opt::<TimestampMillisecondType>() else { return vec![-1; rows.len()] };
    rows.iter().map(|row| if arrow::array::Array::is_valid(array, *row as usize) { array.value(*row as usize) } else { -1 }).collect()
}

fn bytes_at(column: &Column, row: usize) -> &[u8] {
    match column.values() {
        Values::Bytes { offsets, data } => &data[offsets[row]..offsets[row + 1]],
        _ => &[],
    }
}

fn write_json(out: &mut Vec<u8>, fields: &[Field], columns: &[Column], row: usize) {
    if fields.is_empty() {
        out.push(b'{');
    }
    for (field, column) in fields.iter().zip(columns) {
        out.extend_from_slice(&field.prefix);
        if column.is_valid(row) {
            write_json_value(out, field.kind, column, row);
        } else {
            out.extend_from_slice(b"null");
        }
    }
    out.push(b'}');
}

fn write_json_value(out: &mut Vec<u8>, kind: Kind, column: &Column, row: usize) {
    match kind {
        Kind::Text => write_string(out, bytes_at(column, row)),
        Kind::Boolean | Kind::Integer { .. } | Kind::Decimal { .. } => write_plain(out, kind, column, row),
        Kind::Float { .. } if float_of_word(column.word(row)).is_finite() => write_plain(out, kind, column, row),
        Kind::Float { .. } | Kind::Date | Kind::Time(_) | Kind::Timestamp { .. } | Kind::Bytes => {
            out.push(b'"');
            write_plain(out, kind, column, row);
            out.push(b'"');
        }
    }
}

fn write_csv(out: &mut Vec<u8>, fields: &[Field], columns: &[Column], row: usize) {
    for (index, (field, column)) in fields.iter().zip(columns).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        if column.is_valid(row) {
            match field.kind {
                Kind::Text => csv::write_field(out, bytes_at(column, row), b','),
                kind => write_plain(out, kind, column, row),
            }
        }
    }
}

/// A value as text without quotes.
fn write_plain(out: &mut Vec<u8>, kind: Kind, column: &Column, row: usize) {
    match kind {
        Kind::Boolean => out.extend_from_slice(if column.word(row) != 0 { b"true" } else { b"false" }),
        Kind::Integer { .. } => text::write_integer(out, column.word(row)),
        Kind::Float { is_single } => write_float(out, float_of_word(column.word(row)), is_single),
        Kind::Decimal { scale, .. } => match column.values() {
            Values::Wide(wides) => text::write_decimal(out, wides[row], scale),
            _ => unreachable!("decimals are wide"),
        },
        Kind::Date => text::write_date(out, column.word(row)),
        Kind::Time(unit) => text::write_time(out, column.word(row), unit),
        Kind::Timestamp { unit, is_instant } => text::write_timestamp(out, column.word(row), unit, is_instant),
        Kind::Text => out.extend_from_slice(bytes_at(column, row)),
        Kind::Bytes => base64::encode(bytes_at(column, row), out),
    }
}

/// The shortest digits that give the same float again.
fn write_float(out: &mut Vec<u8>, value: f64, is_single: bool) {
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"Infinity" } else { b"-Infinity" });
    } else if is_single {
        #[expect(clippy::cast_possible_truncation, reason = "the value came from an f32")]
        write!(out, "{:?}", value as f32).expect("memory takes every write");
    } else {
        write!(out, "{value:?}").expect("memory takes every write");
    }
}

fn write_string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    let mut from = 0;
    for (at, byte) in text.iter().enumerate() {
        if !matches!(byte, 0..0x20 | b'"' | b'\\') {
            continue;
        }
        out.extend_from_slice(&text[from..at]);
        from = at + 1;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => write!(out, "\\u{control:04x}").expect("memory takes every write"),
        }
    }
    out.extend_from_slice(&text[from..]);
    out.push(b'"');
}

/// One row of any batch as a JSON object, for a dead letter or a log line; a column that cannot be written shows as its type.
#[must_use]
pub fn row_as_json(batch: &RecordBatch, row: usize) -> Vec<u8> {
    let schema = batch.schema();
    let mut out = vec![b'{'];
    for (index, (field, array)) in schema.fields().iter().zip(batch.columns()).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_string(&mut out, field.name().as_bytes());
        out.push(b':');
        match (kind_of(field.data_type()), Column::from_array(&array.slice(row, 1))) {
            (Ok(_), Ok(column)) if !column.is_valid(0) => out.extend_from_slice(b"null"),
            (Ok(kind), Ok(column)) => write_json_value(&mut out, kind, &column, 0),
            _ => write_string(&mut out, field.data_type().to_string().as_bytes()),
        }
    }
    out.push(b'}');
    out
}
