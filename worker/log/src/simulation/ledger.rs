//! What clients have sent and what was acknowledged to them: the other half of every check.

use std::collections::{BTreeMap, HashMap};

/// What one partition's clients know.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Acknowledged: payload by base offset.
    pub(crate) acked: BTreeMap<i64, u64>,
    /// Every payload ever sent, and by which producer (0 for none), in which order.
    pub(crate) sent: HashMap<u64, (i64, i32)>,
    /// The greatest log start acknowledged, and the greatest asked for.
    pub(crate) log_start_acked: i64,
    pub(crate) log_start_asked: i64,
}

/// What a reader found: payloads by offset, and where the partition stands.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) log_start: i64,
    pub(crate) high_watermark: i64,
    pub(crate) records: BTreeMap<i64, u64>,
}

impl Ledger {
    /// Whether a reader of the whole partition saw what it must, and nothing else.
    pub(crate) fn check(&self, seen: &Seen) -> Result<(), String> {
        if seen.log_start < self.log_start_acked || seen.log_start > self.log_start_asked {
            return Err(format!("log start is {}, acknowledged {}, asked {}", seen.log_start, self.log_start_acked, self.log_start_asked));
        }
        for (offset, payload) in self.acked.range(seen.log_start..) {
            if seen.records.get(offset) != Some(payload) {
                return Err(format!("offset {offset} was acknowledged with {payload}, and is {:?}", seen.records.get(offset)));
            }
        }
        self.check_shape(seen)?;
        self.check_producers(seen)
    }

    fn check_shape(&self, seen: &Seen) -> Result<(), String> {
        let mut next = seen.log_start;
        for (offset, payload) in &seen.records {
            if *offset != next {
                return Err(format!("offset {next} is missing before {offset}"));
            }
            if *payload != 0 && !self.sent.contains_key(payload) {
                return Err(format!("offset {offset} holds {payload}, which nobody sent"));
            }
            next += 1;
        }
        if next == seen.high_watermark { Ok(()) } else { Err(format!("read up to {next}, the high watermark is {}", seen.high_watermark)) }
    }

    /// Of each idempotent producer every batch is there at most once, and in order.
    fn check_producers(&self, seen: &Seen) -> Result<(), String> {
        let mut last = HashMap::new();
        for (offset, payload) in seen.records.iter().filter(|(_, payload)| **payload != 0) {
            let (producer, sequence) = self.sent[payload];
            if producer == 0 {
                continue;
            }
            if let Some(before) = last.insert(producer, sequence).filter(|before| *before >= sequence) {
                return Err(format!("offset {offset} holds sequence {sequence} of producer {producer} behind {before}"));
            }
        }
        Ok(())
    }
}
