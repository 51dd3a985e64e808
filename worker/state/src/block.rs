//! A block: rows of one operator as an Arrow IPC record batch, compressed as a whole.
//!
//! | bytes | field |
//! |---|---|
//! | 0 | compression: 0 none, 1 LZ4 block |
//! | 1..4 | zero |
//! | 4..8 | length of the rest when decompressed, u32 little-endian, at most 64 MiB |
//! | 8..12 | CRC-32C of bytes 0..8 and of all from 12 on |
//! | 12.. | length of the metadata (u32), metadata, zeros to the next 64 bytes, body: an IPC `RecordBatch` message without its schema |
//!
//! The schema is the operator's and not repeated in each block. Compression is ours instead of IPC's own, which compresses each
//! column apart and believes the length that a column claims to have. Whatever the bytes are, decoding neither panics nor
//! allocates more than a bound that the bytes that are there pay for.

use crate::{Malformed, OperatorSchema, schema::rows_bytes};
use arrow::{
    array::{BufferSpec, RecordBatch, layout},
    buffer::{Buffer, MutableBuffer},
    datatypes::{DataType, Field},
};
use arrow_ipc::{
    FieldNode, MetadataVersion, reader::read_record_batch, root_as_message, writer::DictionaryTracker, writer::IpcDataGenerator,
    writer::IpcWriteContext, writer::IpcWriteOptions,
};
use bytes::Bytes;
use std::{collections::HashMap, sync::Arc};

const HEADER: usize = 12;
const ALIGNMENT: usize = 64;
const RAW_BYTES_MAX: usize = 64 << 20;
/// LZ4 cannot do better: a run of 255 costs a byte.
const LZ4_RATIO_MAX: usize = 255;
/// Below this compressing is not worth the time.
const COMPRESS_BYTES_MIN: usize = 256;

/// Encodes all rows of `batch` into blocks of about `bytes_max` decompressed bytes or fewer (one row at least).
pub fn encode_blocks(batch: &RecordBatch, bytes_max: u64) -> Vec<Bytes> {
    let (rows, bytes) = (batch.num_rows(), rows_bytes(batch));
    if rows == 0 {
        return Vec::new();
    }
    let blocks = bytes.div_ceil(bytes_max.max(1)).clamp(1, rows as u64) as usize;
    let rows_each = rows.div_ceil(blocks);
    (0..rows).step_by(rows_each).map(|from| encode_block(&batch.slice(from, rows_each.min(rows - from)))).collect()
}

/// Encodes `batch` as one block.
///
/// # Panics
/// Where the rows take more than 64 MiB: [`encode_blocks`] cuts.
pub(crate) fn encode_block(batch: &RecordBatch) -> Bytes {
    let raw = encode_ipc(batch);
    assert!(raw.len() <= RAW_BYTES_MAX, "a block of {} bytes could not be read back", raw.len());
    let packed = if raw.len() < COMPRESS_BYTES_MIN { Vec::new() } else { lz4_flex::block::compress(&raw) };
    let is_packed = !packed.is_empty() && packed.len() < raw.len();
    let payload = if is_packed { &packed } else { &raw };
    let mut out = Vec::with_capacity(HEADER + payload.len());
    out.extend([u8::from(is_packed), 0, 0, 0]);
    out.extend((raw.len() as u32).to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&out), payload);
    out.extend(crc.to_le_bytes());
    out.extend(payload);
    out.into()
}

fn encode_ipc(batch: &RecordBatch) -> Vec<u8> {
    let options = IpcWriteOptions::try_new(ALIGNMENT, false, MetadataVersion::V5).expect("64 is an alignment");
    let mut dictionaries = DictionaryTracker::new(false);
    let mut context = IpcWriteContext::default();
    let encoded = IpcDataGenerator::default().encode(batch, &mut dictionaries, &options, &mut context);
    let (_, message) = encoded.expect("a batch of flat columns can be encoded");
    let body_at = (4 + message.ipc_message.len()).next_multiple_of(ALIGNMENT);
    let mut raw = Vec::with_capacity(body_at + message.arrow_data.len());
    raw.extend((message.ipc_message.len() as u32).to_le_bytes());
    raw.extend(&message.ipc_message);
    raw.resize(body_at, 0);
    raw.extend(&message.arrow_data);
    raw
}

/// Decodes what [`encode_blocks`] made of rows of this operator.
///
/// # Errors
/// Where the bytes are not a whole block of such rows.
pub fn decode_block(bytes: &[u8], schema: &OperatorSchema) -> Result<RecordBatch, Malformed> {
    let (header, payload) = bytes.split_at_checked(HEADER).ok_or_else(|| malformed("is shorter than its header"))?;
    let crc = u32::from_le_bytes(header[8..12].try_into().expect("four bytes"));
    if crc32c::crc32c_append(crc32c::crc32c(&header[..8]), payload) != crc {
        return Err(malformed("does not match its checksum"));
    }
    let raw_len = u32::from_le_bytes(header[4..8].try_into().expect("four bytes")) as usize;
    let batch = decode_ipc(&unpack(header[0], payload, raw_len)?, schema)?;
    schema.check(&batch)?;
    Ok(batch)
}

fn unpack(compression: u8, payload: &[u8], raw_len: usize) -> Result<Buffer, Malformed> {
    let possible = match compression {
        0 => raw_len == payload.len(),
        1 => raw_len <= payload.len().saturating_mul(LZ4_RATIO_MAX),
        _ => return Err(malformed("is compressed in a way that is not known")),
    };
    if !possible || raw_len > RAW_BYTES_MAX {
        return Err(malformed("claims a length that it cannot have"));
    }
    // Aligned as Arrow wants it, so that columns are used where they lie.
    let mut raw = MutableBuffer::from_len_zeroed(raw_len);
    if compression == 0 {
        raw.as_slice_mut().copy_from_slice(payload);
    } else {
        let len = lz4_flex::block::decompress_into(payload, raw.as_slice_mut()).map_err(|error| malformed(&error.to_string()))?;
        if len != raw_len {
            return Err(malformed("decompresses to another length than it claims"));
        }
    }
    Ok(raw.into())
}

fn decode_ipc(raw: &Buffer, schema: &OperatorSchema) -> Result<RecordBatch, Malformed> {
    let metadata_len = raw.get(..4).map(|bytes| u32::from_le_bytes(bytes.try_into().expect("four bytes")) as usize);
    let metadata_end = metadata_len.and_then(|len| len.checked_add(4)).filter(|end| *end <= raw.len());
    let body_at = metadata_end.map(|end| end.next_multiple_of(ALIGNMENT)).filter(|at| *at <= raw.len());
    let (Some(metadata_end), Some(body_at)) = (metadata_end, body_at) else { return Err(malformed("has no room for its metadata")) };
    let message = root_as_message(&raw[4..metadata_end]).map_err(|error| malformed(&error.to_string()))?;
    let batch = message.header_as_record_batch().ok_or_else(|| malformed("is not a record batch"))?;
    let body = raw.slice(body_at);
    if message.version() != MetadataVersion::V5 || !is_bounded(&batch, schema, body.len()) {
        return Err(malformed("has metadata that does not fit its rows"));
    }
    let columns = schema.columns().clone();
    read_record_batch(&body, batch, columns, &HashMap::new(), None, &message.version()).map_err(|error| malformed(&error.to_string()))
}

/// Whether the metadata is of as many columns as the operator has and names only bytes that are there, enough of them and
/// aligned. The Arrow library checks what is in the columns, but panics on such metadata.
fn is_bounded(batch: &arrow_ipc::RecordBatch<'_>, schema: &OperatorSchema, body_len: usize) -> bool {
    let (Some(nodes), Some(buffers)) = (batch.nodes(), batch.buffers()) else { return false };
    let (rows, fields) = (batch.length(), schema.columns().fields());
    let is_plain = batch.compression().is_none() && batch.variadicBufferCounts().is_none_or(|counts| counts.is_empty());
    if !is_plain || !(0..=i64::from(u32::MAX)).contains(&rows) || nodes.len() != fields.len() {
        return false;
    }
    let mut buffers = buffers.iter();
    let has_enough = |(field, node): (&Arc<Field>, &FieldNode)| {
        node.length() == rows
            && (0..=rows).contains(&node.null_count())
            && buffer_needs(field.data_type(), rows, node.null_count())
                .all(|need| buffers.next().is_some_and(|buffer| need.is_met_by(buffer, body_len)))
    };
    fields.iter().zip(nodes.iter()).all(has_enough) && buffers.next().is_none()
}

/// What a buffer of a column has to be.
struct BufferNeed {
    bytes_min: i64,
    /// Its length is a multiple of this.
    width: i64,
}

impl BufferNeed {
    fn is_met_by(&self, buffer: &arrow_ipc::Buffer, body_len: usize) -> bool {
        let (offset, len) = (buffer.offset(), buffer.length());
        let end = offset.checked_add(len).and_then(|end| usize::try_from(end).ok());
        offset >= 0
            && offset % ALIGNMENT as i64 == 0
            && len >= self.bytes_min
            && len % self.width == 0
            && end.is_some_and(|end| end <= body_len)
    }
}

/// The buffers that IPC has for a column of this type: validity first, then those of its layout.
fn buffer_needs(data_type: &DataType, rows: i64, nulls: i64) -> impl Iterator<Item = BufferNeed> {
    let bits = (rows + 7) / 8;
    let validity = BufferNeed { bytes_min: if nulls > 0 { bits } else { 0 }, width: 1 };
    let of_type = layout(data_type).buffers.into_iter().map(move |buffer| match buffer {
        // Offsets have one more, which the library checks.
        BufferSpec::FixedWidth { byte_width, .. } => BufferNeed { bytes_min: rows * byte_width as i64, width: byte_width.max(1) as i64 },
        BufferSpec::BitMap => BufferNeed { bytes_min: bits, width: 1 },
        BufferSpec::VariableWidth | BufferSpec::AlwaysNull => BufferNeed { bytes_min: 0, width: 1 },
    });
    std::iter::once(validity).chain(of_type)
}

fn malformed(why: &str) -> Malformed {
    Malformed(format!("block of state {why}"))
}

#[cfg(test)]
mod tests;
