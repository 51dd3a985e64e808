//! Rows of sources: decoded once for each stage that reads them, their event times watched.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::TimestampMillisecondType,
};
use bytes::Bytes;
use client::{Fetched, Isolation};
use flow::{
    Batch,
    chain::Chain,
    files::FileRows,
    format::{Decoder, Row},
    watermark::{EVERYTHING_MS, PartitionWatermark, Progress, Upstream},
};
use records::{BatchHeader, Records};
use sql::Operator;
use units::{Offset, TopicPartition};

use super::{Worker, wall_clock_ms};
use crate::dead_letter::Origin;

/// Rows that are decoded at a time.
const ROWS_MAX: usize = 8_192;
/// A batch that decompresses to more is not opened: its bytes go to the dead letters.
const DECOMPRESSED_BYTES_MAX: usize = 128 << 20;
/// A batch of more records is not opened either: each of them may become a dead letter or a row, which is larger than it is.
const RECORDS_MAX: u32 = 1 << 20;
/// Batches are opened until they are so large together, then computed: what a lane holds of a fetch is bounded by this and one batch.
const OPENED_BYTES: usize = 8 << 20;

/// One stage that reads a source.
pub(super) struct Reader {
    decoder: Decoder,
    chain: Chain,
    root: usize,
    event_time: Option<usize>,
}

/// A source partition on this lane.
pub(super) struct TopicInput {
    readers: Vec<Reader>,
    pub(super) watermark: PartitionWatermark,
    pub(super) rows: u64,
    told: Option<Progress>,
}

/// A file on this lane.
pub(super) struct FileInput {
    reader: Reader,
    pub(super) watermark: PartitionWatermark,
    pub(super) rows: u64,
}

impl Worker {
    fn reader(&self, stage: usize) -> Result<Reader, String> {
        let plan = &self.program.plan;
        let root = plan.stages[stage].root;
        let Operator::Source(source) = &plan.nodes[root].operator else { return Err("a stage is not one of a source".into()) };
        let decoder = Decoder::new(source).map_err(|error| error.to_string())?;
        let chain = Chain::new(plan, stage).map_err(|error| error.to_string())?;
        Ok(Reader { decoder, chain, root, event_time: plan.nodes[root].event_time })
    }

    pub(super) fn adopt_source(&mut self, source: usize, watermark_ms: i64) -> Result<(), String> {
        let topic = &self.program.topics[self.program.sources[source].topic];
        let readers = topic.stages.iter().map(|&stage| self.reader(stage)).collect::<Result<_, _>>()?;
        let watermark = PartitionWatermark::new(topic.watermark_delay_ms, topic.idle_timeout_ms, watermark_ms, self.now_ms());
        self.topics.insert(source, TopicInput { readers, watermark, rows: 0, told: None });
        self.tell_source(source)
    }

    pub(super) fn adopt_file(&mut self, file: usize, header: Option<&[u8]>, watermark_ms: i64) -> Result<(), String> {
        let spec = &self.program.files[file];
        let mut reader = self.reader(spec.stage)?;
        if let Some(line) = header {
            reader.decoder.read_header(line, &spec.table.columns)?;
        }
        let delay_ms = spec.table.event_time.as_ref().map_or(0, |event_time| event_time.watermark_delay_ms);
        let watermark = PartitionWatermark::new(delay_ms, 0, watermark_ms, self.now_ms());
        self.files.insert(file, FileInput { reader, watermark, rows: 0 });
        self.tell_file(file)
    }

    pub(super) fn rows(&mut self, source: usize, fetched: &Fetched) -> Result<(), String> {
        let program = Arc::clone(&self.program);
        let at = &program.sources[source].at;
        let Some(mut input) = self.topics.remove(&source) else { return Ok(()) };
        let (mut opened, mut opened_bytes) = (Vec::new(), 0);
        for (header, bytes) in &fetched.batches {
            match open(header, bytes) {
                Ok(records) => {
                    opened_bytes += records.payload_bytes();
                    opened.push((bytes, records));
                }
                Err(why) => self.dead_batch(at, header, bytes, &why),
            }
            if opened_bytes >= OPENED_BYTES {
                self.opened(at, fetched.from, &opened, &mut input)?;
                (opened, opened_bytes) = (Vec::new(), 0);
            }
        }
        self.opened(at, fetched.from, &opened, &mut input)?;
        input.watermark.on_log_end(fetched.is_at_end(Isolation::ReadCommitted));
        self.topics.insert(source, input);
        self.tell_source(source)
    }

    /// Computes the records of opened batches, those below `from` left out.
    fn opened(&mut self, at: &TopicPartition, from: Offset, opened: &[(&Bytes, Records)], input: &mut TopicInput) -> Result<(), String> {
        let (topic, partition) = (at.topic.as_str(), at.partition.0);
        let mut rows: Vec<Row<'_>> = Vec::new();
        for (bytes, records) in opened {
            for record in records.iter() {
                match record {
                    Ok(record) if record.offset < from => continue,
                    Ok(record) => rows.push(Row {
                        value: record.value,
                        key: record.key,
                        timestamp_ms: record.timestamp.0,
                        partition,
                        offset: record.offset.0,
                    }),
                    Err(error) => self.dead_batch(at, records.header(), bytes, &error.to_string()),
                }
                if rows.len() == ROWS_MAX {
                    self.chunk(&rows, &mut input.readers, topic, partition, &mut input.watermark)?;
                    input.rows += rows.len() as u64;
                    rows.clear();
                }
            }
        }
        input.rows += rows.len() as u64;
        if rows.is_empty() { Ok(()) } else { self.chunk(&rows, &mut input.readers, topic, partition, &mut input.watermark) }
    }

    /// What a producer wrote that cannot be opened is one dead letter: the batch, as far as a topic takes it.
    fn dead_batch(&mut self, at: &TopicPartition, header: &BatchHeader, bytes: &Bytes, why: &str) {
        let (name, partition, offset) = (at.topic.as_str(), at.partition.0, header.base_offset.0);
        let origin = Origin { name, partition, offset, timestamp_ms: header.max_timestamp.0 };
        self.dead_row(origin, None, Some(bytes), &format!("the record batch cannot be opened: {why}"));
    }

    pub(super) fn file_rows(&mut self, file: usize, rows: &FileRows) -> Result<(), String> {
        let Some(mut input) = self.files.remove(&file) else { return Ok(()) };
        let name = self.program.files[file].table.path.clone();
        let all: Vec<Row<'_>> = rows.iter().collect();
        for rows in all.chunks(ROWS_MAX) {
            self.chunk(rows, std::slice::from_mut(&mut input.reader), &name, 0, &mut input.watermark)?;
        }
        for bad in rows.bad() {
            let origin = Origin { name: &name, partition: 0, offset: i64::from(bad.index), timestamp_ms: wall_clock_ms() };
            self.dead_row(origin, None, None, &bad.reason);
        }
        input.rows += all.len() as u64;
        if rows.is_end {
            input.watermark.finish();
        }
        self.files.insert(file, input);
        self.tell_file(file)
    }

    /// Decodes and computes some rows for every stage that reads them.
    fn chunk(
        &mut self,
        rows: &[Row<'_>],
        readers: &mut [Reader],
        name: &str,
        partition: i32,
        watermark: &mut PartitionWatermark,
    ) -> Result<(), String> {
        let mut bad: BTreeMap<u32, String> = BTreeMap::new();
        let now_ms = self.now_ms();
        for reader in readers {
            let decoded = reader.decoder.decode(rows).map_err(|error| error.to_string())?;
            for row in decoded.bad {
                bad.entry(row.index).or_insert(row.reason);
            }
            if let Some(column) = reader.event_time {
                watermark.on_rows(times(&decoded.batch, column), wall_clock_ms(), now_ms);
            }
            let batch = Batch { rows: decoded.batch, origin: decoded.origin.into() };
            let output = reader.chain.run(batch);
            self.take_output(output, partition, &mut bad)?;
        }
        for (index, reason) in bad {
            let row = &rows[index as usize];
            let timestamp_ms = if row.timestamp_ms >= 0 { row.timestamp_ms } else { wall_clock_ms() };
            self.dead_row(Origin { name, partition, offset: row.offset, timestamp_ms }, row.key, row.value, &reason);
        }
        Ok(())
    }

    fn dead_row(&mut self, origin: Origin<'_>, key: Option<&[u8]>, value: Option<&[u8]>, reason: &str) {
        let bytes = self.dead.push(origin, key, value, reason);
        self.mailboxes.flight().add_pending(bytes as u64);
    }

    /// A partition that was silent long enough no longer holds the others back.
    pub(super) fn tick(&mut self) -> Result<(), String> {
        let sources: Vec<usize> = self.topics.keys().copied().collect();
        sources.into_iter().try_for_each(|source| self.tell_source(source))
    }

    /// Announces a source partition's progress, if it is news.
    fn tell_source(&mut self, source: usize) -> Result<(), String> {
        let (now_ms, partition) = (self.now_ms(), self.program.sources[source].at.partition.0);
        let Some(input) = self.topics.get_mut(&source) else { return Ok(()) };
        let progress = Progress { watermark_ms: input.watermark.watermark_ms(), is_idle: input.watermark.is_idle(now_ms) };
        if input.told == Some(progress) {
            return Ok(());
        }
        input.told = Some(progress);
        let partition = u32::try_from(partition).unwrap_or(0);
        let of = |reader: &Reader| Upstream { node: u32::try_from(reader.root).unwrap_or(u32::MAX), partition };
        let said = input.readers.iter().map(|reader| (of(reader), progress)).collect();
        self.announce(said)
    }

    fn tell_file(&mut self, file: usize) -> Result<(), String> {
        let Some(input) = self.files.get(&file) else { return Ok(()) };
        let node = u32::try_from(input.reader.root).unwrap_or(u32::MAX);
        // A file without event time speaks only of its end.
        let known = input.reader.event_time.is_some() || input.watermark.watermark_ms() == EVERYTHING_MS;
        let progress = Progress { watermark_ms: input.watermark.watermark_ms(), is_idle: false };
        self.announce(if known { vec![(Upstream { node, partition: 0 }, progress)] } else { Vec::new() })
    }
}

/// The records of a batch, where it is no larger than a lane has room for.
fn open(header: &BatchHeader, bytes: &Bytes) -> Result<Records, String> {
    if header.record_count > RECORDS_MAX {
        return Err(format!("it has {} records, and this version reads at most {RECORDS_MAX} of one batch", header.record_count));
    }
    Records::decode(bytes, DECOMPRESSED_BYTES_MAX).map_err(|error| error.to_string())
}

/// Event times of a batch, those that are NULL left out.
fn times(batch: &RecordBatch, column: usize) -> impl Iterator<Item = i64> + '_ {
    let column = batch.column(column).as_primitive::<TimestampMillisecondType>();
    (0..column.len()).filter(|&row| column.is_valid(row)).map(|row| column.value(row))
}
