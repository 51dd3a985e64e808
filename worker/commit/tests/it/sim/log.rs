//! One partition's log as a read_committed client sees it: transactions, markers, last stable offset, producer sequences.

use std::collections::BTreeMap;

use super::flow::Record;

/// Producer id and epoch.
pub type Identity = (i64, i16);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Open,
    Committed,
    Aborted,
}

#[derive(Clone, Debug)]
struct Entry {
    /// None for a control record.
    record: Option<Record>,
    producer: i64,
    fate: Fate,
}

/// What a broker answers to a produce it does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// INVALID_PRODUCER_EPOCH
    Epoch,
    /// OUT_OF_ORDER_SEQUENCE_NUMBER
    Sequence,
}

struct Producer {
    epoch: i16,
    next: i32,
    last: Option<(i32, i64)>,
}

/// Records, control records, and who may append.
#[derive(Default)]
pub struct Log {
    entries: Vec<Entry>,
    start: i64,
    producers: BTreeMap<i64, Producer>,
}

impl Log {
    /// Appends outside of any transaction.
    pub fn append_plain(&mut self, record: Record) -> i64 {
        self.entries.push(Entry { record: Some(record), producer: -1, fate: Fate::Committed });
        self.entries.len() as i64 - 1
    }

    /// Appends one batch; a batch that is there already is answered again. Gives the offset after the batch.
    pub fn append(&mut self, (id, epoch): Identity, sequence: i32, records: &[Record]) -> Result<i64, Refused> {
        let end = self.entries.len() as i64 + records.len() as i64;
        let producer = self.producers.entry(id).or_insert(Producer { epoch, next: 0, last: None });
        if epoch < producer.epoch {
            return Err(Refused::Epoch);
        }
        if epoch > producer.epoch {
            *producer = Producer { epoch, next: 0, last: None };
        }
        if let Some((last, end)) = producer.last
            && last == sequence
        {
            return Ok(end);
        }
        if sequence != producer.next {
            return Err(Refused::Sequence);
        }
        producer.next = sequence + records.len() as i32;
        producer.last = Some((sequence, end));
        self.entries.extend(records.iter().map(|record| Entry { record: Some(record.clone()), producer: id, fate: Fate::Open }));
        Ok(end)
    }

    /// Writes the marker that decides this producer's open transaction here.
    pub fn mark(&mut self, (id, epoch): Identity, commit: bool) {
        let fate = if commit { Fate::Committed } else { Fate::Aborted };
        self.entries.iter_mut().filter(|entry| entry.producer == id && entry.fate == Fate::Open).for_each(|entry| entry.fate = fate);
        self.entries.push(Entry { record: None, producer: id, fate });
        let producer = self.producers.entry(id).or_insert(Producer { epoch, next: 0, last: None });
        if epoch > producer.epoch {
            *producer = Producer { epoch, next: 0, last: None };
        }
    }

    /// Offset up to which every transaction is decided.
    pub fn last_stable(&self) -> i64 {
        self.entries.iter().position(|entry| entry.fate == Fate::Open).unwrap_or(self.entries.len()) as i64
    }

    /// First offset that can be read.
    pub fn start(&self) -> i64 {
        self.start
    }

    /// Offset after the last record.
    pub fn end(&self) -> i64 {
        self.entries.len() as i64
    }

    /// Up to `count` committed records from `from`, and the offset to go on from. `None`: out of range.
    pub fn read(&self, from: i64, count: usize) -> Option<(Vec<(i64, Record)>, i64)> {
        if from < self.start || from > self.end() {
            return None;
        }
        let (mut records, mut next) = (Vec::new(), from);
        while next < self.last_stable() && records.len() < count {
            let entry = &self.entries[next as usize];
            if let (Some(record), Fate::Committed) = (&entry.record, entry.fate) {
                records.push((next, record.clone()));
            }
            next += 1;
        }
        Some((records, next))
    }

    /// DeleteRecords.
    pub fn trim(&mut self, before: i64) {
        self.start = self.start.max(before.min(self.end()));
    }

    /// Loses everything from the first record for which `lost` holds: what no rule can prevent and rule 6 has to notice.
    pub fn lose_from(&mut self, offset: i64) {
        self.entries.truncate(offset as usize);
        self.producers.clear();
    }
}
