//! Rows that cannot be decoded or computed, as records of the dead-letter topic: the row's own key and bytes, and in headers why, from
//! where, and whose.

use std::sync::Arc;

use records::{BatchBuilder, Compression};
use units::TimestampMs;

/// A batch is closed before it grows beyond this; a topic takes batches of 1 MiB unless told otherwise.
const BATCH_BYTES: usize = 256 << 10;
/// What headers and lengths of a record take at most, besides the reason.
const OVERHEAD_BYTES: usize = 1 << 10;
/// Longer values are cut, since the topic may not take them whole; the header `streamwright.bytes` says how long they were.
const VALUE_BYTES_MAX: usize = 512 << 10;
/// Longer reasons are cut.
const REASON_BYTES_MAX: usize = 4 << 10;

/// Where a row came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    /// Topic, or file as the query names it; empty for a row that was computed from many.
    pub(crate) name: &'a str,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) timestamp_ms: i64,
}

/// Dead letters since the last cut.
#[derive(Debug)]
pub(crate) struct DeadLetters {
    /// `<namespace>/<name>` of the pipeline.
    pipeline: Arc<str>,
    current: BatchBuilder,
    full: Vec<Vec<u8>>,
    count: u64,
}

impl DeadLetters {
    pub(crate) fn new(pipeline: Arc<str>) -> Self {
        Self { pipeline, current: BatchBuilder::new(Compression::None), full: Vec::new(), count: 0 }
    }

    /// Adds a row; gives the bytes that it takes.
    pub(crate) fn push(&mut self, origin: Origin<'_>, key: Option<&[u8]>, value: Option<&[u8]>, reason: &str) -> usize {
        let pipeline = Arc::clone(&self.pipeline);
        let (partition, offset) = (origin.partition.to_string(), origin.offset.to_string());
        let length = value.map_or(0, <[u8]>::len).to_string();
        let reason = &reason.as_bytes()[..reason.len().min(REASON_BYTES_MAX)];
        let headers: [(&str, Option<&[u8]>); 6] = [
            ("streamwright.reason", Some(reason)),
            ("streamwright.pipeline", Some(pipeline.as_bytes())),
            ("streamwright.topic", Some(origin.name.as_bytes())),
            ("streamwright.partition", Some(partition.as_bytes())),
            ("streamwright.offset", Some(offset.as_bytes())),
            ("streamwright.bytes", Some(length.as_bytes())),
        ];
        let value = value.map(|value| &value[..value.len().min(VALUE_BYTES_MAX)]);
        let key = key.filter(|key| key.len() <= VALUE_BYTES_MAX / 2);
        let more = OVERHEAD_BYTES + reason.len() + key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len);
        if self.current.bytes() + more > BATCH_BYTES {
            self.close();
        }
        let before = self.current.bytes();
        self.count += 1;
        self.current.push(TimestampMs(origin.timestamp_ms), key, value, headers) - before
    }

    fn close(&mut self) {
        if !self.current.is_empty() {
            let full = std::mem::replace(&mut self.current, BatchBuilder::new(Compression::None));
            self.full.push(full.finish());
        }
    }

    /// All batches, and how many rows are in them.
    pub(crate) fn take(&mut self) -> (Vec<Vec<u8>>, u64) {
        self.close();
        (std::mem::take(&mut self.full), std::mem::take(&mut self.count))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use records::Records;

    use super::*;

    #[test]
    fn a_dead_letter_keeps_the_row_and_says_why_and_from_where() {
        let mut letters = DeadLetters::new("default/delays".into());
        let origin = Origin { name: "flights", partition: 3, offset: 41, timestamp_ms: 77 };
        letters.push(origin, Some(b"AA"), Some(b"{oops"), "byte 1: no field name");
        let (batches, count) = letters.take();
        assert_eq!((batches.len(), count), (1, 1));
        let records = Records::decode(&Bytes::from(batches[0].clone()), 1 << 20).unwrap();
        let record = records.iter().next().unwrap().unwrap();
        assert_eq!((record.key, record.value, record.timestamp.0), (Some(&b"AA"[..]), Some(&b"{oops"[..]), 77));
        let headers: Vec<(String, String)> =
            record.headers.map(|(name, value)| (name.to_owned(), String::from_utf8_lossy(value.unwrap()).into_owned())).collect();
        let has = |name: &str, value: &str| headers.contains(&(name.to_owned(), value.to_owned()));
        assert!(has("streamwright.reason", "byte 1: no field name") && has("streamwright.topic", "flights"), "{headers:?}");
        assert!(has("streamwright.partition", "3") && has("streamwright.offset", "41") && has("streamwright.bytes", "5"), "{headers:?}");
        assert_eq!(letters.take().1, 0);
    }

    #[test]
    fn rows_that_no_topic_would_take_are_cut() {
        let mut letters = DeadLetters::new("default/delays".into());
        let long = vec![b'x'; 2 << 20];
        for offset in 0..3 {
            letters.push(Origin { name: "t", partition: 0, offset, timestamp_ms: 0 }, None, Some(&long), "too long");
        }
        let (batches, _) = letters.take();
        assert!(batches.len() == 3 && batches.iter().all(|batch| batch.len() < 1 << 20));
    }

    #[test]
    fn a_long_row_behind_short_ones_does_not_make_a_batch_that_no_topic_takes() {
        let mut letters = DeadLetters::new("default/delays".into());
        let (short, long) = (vec![b'x'; 255 << 10], vec![b'y'; 2 << 20]);
        let origin = Origin { name: "t", partition: 0, offset: 0, timestamp_ms: 0 };
        letters.push(origin, None, Some(&short), "short");
        letters.push(origin, Some(&long[..256 << 10]), Some(&long), &"r".repeat(8 << 10));
        let (batches, count) = letters.take();
        assert_eq!(count, 2);
        assert!(batches.iter().all(|batch| batch.len() < 1 << 20), "{:?}", batches.iter().map(Vec::len).collect::<Vec<_>>());
    }
}
