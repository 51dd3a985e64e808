//! A block: one record of an exchange topic, rows of partial aggregates and how far everything behind them is (rule 3, progress in band).
//!
//! All numbers are little endian.
//!
//! | bytes | field |
//! |---|---|
//! | 0..4 | `SWXB` |
//! | 4 | version, 1 |
//! | 5 | flags: 1 = a cut follows, 2 = the rows are LZ4 |
//! | 6..14 | claim of the writer |
//! | 14..22 | commit number of the writer |
//! | 22..30 | fingerprint of the rows' columns |
//! | 30..32 | length of the layout, then the layout: UTF-8 |
//! | 4 | number of upstreams, then each: node u32, partition u32, watermark i64 (milliseconds), flags u8 (1 = idle) |
//! | 8 | the cut, where there is one |
//! | 4 | bytes of the rows, decompressed; 0 for a block without rows |
//! | … | the rows: length of the metadata u32, metadata, zeros to the next 64 bytes, body: an Arrow IPC `RecordBatch` message |
//!
//! A watermark of `i64::MAX` is the end of a bounded input. The schema is the operator's and not repeated; compression is ours instead of
//! IPC's own, which believes the lengths that columns claim. A reader ignores blocks of another layout and refuses another version.
//! Whatever the bytes are, decoding neither panics nor allocates more than the bytes that are there can pay for.

use std::collections::HashMap;

use arrow::{
    array::RecordBatch,
    buffer::{Buffer, MutableBuffer},
    datatypes::{Schema, SchemaRef},
};
use arrow_ipc::{
    MetadataVersion,
    reader::read_record_batch,
    root_as_message,
    writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions},
};

use crate::{
    hash::xxh64,
    watermark::{Progress, Upstream},
};

/// Most bytes of rows in a block, decompressed.
pub const ROWS_BYTES_MAX: usize = 64 << 20;

const MAGIC: [u8; 4] = *b"SWXB";
const VERSION: u8 = 1;
const HAS_CUT: u8 = 1;
const IS_LZ4: u8 = 2;
const IS_IDLE: u8 = 1;
const ALIGNMENT: usize = 64;
/// LZ4 cannot do better: a run of 255 costs a byte.
const LZ4_RATIO_MAX: usize = 255;
/// Below this compressing is not worth the time.
const COMPRESS_BYTES_MIN: usize = 256;
const UPSTREAM_BYTES: usize = 17;

/// What a block says besides its rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockHeader {
    /// Which layout of the pipeline wrote it.
    pub layout: String,
    /// The claim under which the writer owned its upstreams.
    pub claim: u64,
    /// The commit of the writer that carries it.
    pub commit: u64,
    /// How far the writer's upstreams are, behind the rows of this block.
    pub upstreams: Vec<(Upstream, Progress)>,
    /// The number of the snapshot that is cut here.
    pub cut: Option<u64>,
}

/// The bytes are not a block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Written by a version of this format that is not known here.
    #[error("block is of version {0}, and this worker knows 1")]
    Version(u8),
    /// The rows have other columns than the operator that reads them.
    #[error("block has rows of another operator")]
    Columns,
    /// Anything else.
    #[error("block {0}")]
    Malformed(String),
}

/// The rows of a block do not fit in one; cut them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} bytes of rows do not fit in a block of {ROWS_BYTES_MAX}")]
pub struct BlockTooLarge(pub usize);

fn malformed<T>(why: impl ToString) -> Result<T, BlockError> {
    Err(BlockError::Malformed(why.to_string()))
}

/// Identifies the types of columns, and their order; names are free.
fn fingerprint(schema: &Schema) -> u64 {
    let types: Vec<String> = schema.fields().iter().map(|field| field.data_type().to_string()).collect();
    xxh64(types.join(";").as_bytes(), 0)
}

/// Writes a block; `rows` may have none.
///
/// # Errors
/// More rows than a block takes.
///
/// # Panics
/// Where the layout has more than 65,535 bytes, which its maker excludes.
pub fn encode(header: &BlockHeader, rows: &RecordBatch) -> Result<Vec<u8>, BlockTooLarge> {
    let raw = if rows.num_rows() == 0 { Vec::new() } else { encode_rows(rows) };
    if raw.len() > ROWS_BYTES_MAX {
        return Err(BlockTooLarge(raw.len()));
    }
    let packed = if raw.len() < COMPRESS_BYTES_MIN { Vec::new() } else { lz4_flex::block::compress(&raw) };
    let is_packed = !packed.is_empty() && packed.len() < raw.len();
    let body = if is_packed { &packed } else { &raw };
    let flags = if header.cut.is_some() { HAS_CUT } else { 0 } | if is_packed { IS_LZ4 } else { 0 };
    let mut out = Vec::with_capacity(64 + header.layout.len() + header.upstreams.len() * UPSTREAM_BYTES + body.len());
    out.extend(MAGIC);
    out.extend([VERSION, flags]);
    out.extend(header.claim.to_le_bytes());
    out.extend(header.commit.to_le_bytes());
    out.extend(fingerprint(rows.schema_ref()).to_le_bytes());
    out.extend(u16::try_from(header.layout.len()).expect("a layout is a short name").to_le_bytes());
    out.extend(header.layout.as_bytes());
    out.extend(u32::try_from(header.upstreams.len()).expect("fewer than 2^32 upstreams").to_le_bytes());
    for (upstream, progress) in &header.upstreams {
        out.extend(upstream.node.to_le_bytes());
        out.extend(upstream.partition.to_le_bytes());
        out.extend(progress.watermark_ms.to_le_bytes());
        out.push(if progress.is_idle { IS_IDLE } else { 0 });
    }
    out.extend(header.cut.iter().flat_map(|cut| cut.to_le_bytes()));
    out.extend(u32::try_from(raw.len()).expect("at most 64 MiB").to_le_bytes());
    out.extend(body);
    Ok(out)
}

fn encode_rows(rows: &RecordBatch) -> Vec<u8> {
    let options = IpcWriteOptions::try_new(ALIGNMENT, false, MetadataVersion::V5).expect("64 is an alignment");
    let mut dictionaries = DictionaryTracker::new(false);
    let encoded = IpcDataGenerator::default().encode(rows, &mut dictionaries, &options, &mut IpcWriteContext::default());
    let (_, message) = encoded.expect("a batch of flat columns can be encoded");
    let body_at = (4 + message.ipc_message.len()).next_multiple_of(ALIGNMENT);
    let mut raw = Vec::with_capacity(body_at + message.arrow_data.len());
    raw.extend(u32::try_from(message.ipc_message.len()).expect("metadata is short").to_le_bytes());
    raw.extend(&message.ipc_message);
    raw.resize(body_at, 0);
    raw.extend(&message.arrow_data);
    raw
}

/// Takes fields from the front of some bytes.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&mut self, len: usize) -> Result<&'a [u8], BlockError> {
        let Some((taken, rest)) = self.0.split_at_checked(len) else { return malformed("is cut short") };
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BlockError> {
        Ok(self.bytes(N)?.try_into().expect("as many bytes as were asked for"))
    }
}

/// Reads the header alone: what is needed to pass a block by.
///
/// # Errors
/// [`BlockError`], but never for the rows.
pub fn decode_header(bytes: &[u8]) -> Result<BlockHeader, BlockError> {
    decode_fields(&mut Fields(bytes)).map(|(header, _, _)| header)
}

/// Reads a block whose rows have the columns of `schema`.
///
/// # Errors
/// [`BlockError`].
pub fn decode(bytes: &[u8], schema: &SchemaRef) -> Result<(BlockHeader, RecordBatch), BlockError> {
    let mut fields = Fields(bytes);
    let (header, flags, found) = decode_fields(&mut fields)?;
    let raw_len = u32::from_le_bytes(fields.array()?) as usize;
    if raw_len == 0 {
        return if fields.0.is_empty() {
            Ok((header, RecordBatch::new_empty(schema.clone())))
        } else {
            malformed("goes on behind its end")
        };
    }
    if found != fingerprint(schema) {
        return Err(BlockError::Columns);
    }
    let raw = unpack(fields.0, raw_len, flags & IS_LZ4 != 0)?;
    Ok((header, decode_rows(&raw, schema)?))
}

fn decode_fields(fields: &mut Fields<'_>) -> Result<(BlockHeader, u8, u64), BlockError> {
    if fields.bytes(4)? != MAGIC {
        return malformed("does not begin as one");
    }
    let [version, flags] = fields.array()?;
    if version != VERSION {
        return Err(BlockError::Version(version));
    }
    if flags & !(HAS_CUT | IS_LZ4) != 0 {
        return malformed("has flags that are not known");
    }
    let claim = u64::from_le_bytes(fields.array()?);
    let commit = u64::from_le_bytes(fields.array()?);
    let fingerprint = u64::from_le_bytes(fields.array()?);
    let layout_len = u16::from_le_bytes(fields.array()?);
    let layout = fields.bytes(layout_len.into())?;
    let Ok(layout) = String::from_utf8(layout.to_vec()) else { return malformed("has a layout that is not UTF-8") };
    let count = u32::from_le_bytes(fields.array()?) as usize;
    // The bytes must be there before anything is allocated for them.
    let mut listed = Fields(fields.bytes(count.saturating_mul(UPSTREAM_BYTES))?);
    let mut upstreams = Vec::with_capacity(count);
    for _ in 0..count {
        let upstream = Upstream { node: u32::from_le_bytes(listed.array()?), partition: u32::from_le_bytes(listed.array()?) };
        let watermark_ms = i64::from_le_bytes(listed.array()?);
        upstreams.push((upstream, Progress { watermark_ms, is_idle: listed.array::<1>()?[0] & IS_IDLE != 0 }));
    }
    let cut = if flags & HAS_CUT == 0 { None } else { Some(u64::from_le_bytes(fields.array()?)) };
    Ok((BlockHeader { layout, claim, commit, upstreams, cut }, flags, fingerprint))
}

fn unpack(body: &[u8], raw_len: usize, is_packed: bool) -> Result<Buffer, BlockError> {
    let is_possible = if is_packed { raw_len <= body.len().saturating_mul(LZ4_RATIO_MAX) } else { raw_len == body.len() };
    if !is_possible || raw_len > ROWS_BYTES_MAX {
        return malformed("claims a length that it cannot have");
    }
    // Aligned as Arrow wants it, so that columns are used where they lie.
    let mut raw = MutableBuffer::from_len_zeroed(raw_len);
    if !is_packed {
        raw.as_slice_mut().copy_from_slice(body);
        return Ok(raw.into());
    }
    match lz4_flex::block::decompress_into(body, raw.as_slice_mut()) {
        Ok(len) if len == raw_len => Ok(raw.into()),
        Ok(_) => malformed("decompresses to another length than it claims"),
        Err(error) => malformed(error),
    }
}

fn decode_rows(raw: &Buffer, schema: &SchemaRef) -> Result<RecordBatch, BlockError> {
    let metadata_len = raw.first_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes) as usize);
    let metadata_end = metadata_len.and_then(|len| len.checked_add(4)).filter(|end| *end <= raw.len());
    let body_at = metadata_end.map(|end| end.next_multiple_of(ALIGNMENT)).filter(|at| *at <= raw.len());
    let (Some(metadata_end), Some(body_at)) = (metadata_end, body_at) else { return malformed("has no room for its metadata") };
    let message = match root_as_message(&raw[4..metadata_end]) {
        Ok(message) => message,
        Err(error) => return malformed(error),
    };
    let Some(batch) = message.header_as_record_batch() else { return malformed("is not a record batch") };
    let body = raw.slice(body_at);
    if message.version() != MetadataVersion::V5 || !is_bounded(&batch, schema, body.len()) {
        return malformed("has metadata that does not fit its rows");
    }
    read_record_batch(&body, batch, SchemaRef::clone(schema), &HashMap::new(), None, &message.version()).or_else(malformed)
}

/// Whether the metadata names only bytes that are there, and as many columns as the operator has. The Arrow library checks what is in the
/// columns, but takes this for granted.
fn is_bounded(batch: &arrow_ipc::RecordBatch<'_>, schema: &Schema, body_len: usize) -> bool {
    let (Some(nodes), Some(buffers)) = (batch.nodes(), batch.buffers()) else { return false };
    let is_within = |buffer: &arrow_ipc::Buffer| {
        let (offset, len) = (u64::try_from(buffer.offset()).ok(), u64::try_from(buffer.length()).ok());
        offset.zip(len).and_then(|(offset, len)| offset.checked_add(len)).is_some_and(|end| end <= body_len as u64)
    };
    let rows = batch.length();
    (0..=i64::from(u32::MAX)).contains(&rows)
        && batch.compression().is_none()
        && batch.variadicBufferCounts().is_none_or(|counts| counts.is_empty())
        && nodes.len() == schema.fields().len()
        && nodes.iter().all(|node| node.length() == rows && (0..=rows).contains(&node.null_count()))
        && buffers.iter().all(is_within)
}
