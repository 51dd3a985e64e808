//! Merging sorted rows of several ages into one sequence in which each key comes once, without holding more than a batch of
//! each at a time.

use crate::{OperatorSchema, ReadError, fold::gather, schema::DELETE};
use arrow::array::RecordBatch;
use arrow_row::Rows;
use std::{cell::OnceCell, cmp::Ordering};

/// Sorted rows, each key once, in batches.
pub(crate) type SortedRows<'a> = Box<dyn Iterator<Item = Result<RecordBatch, ReadError>> + Send + 'a>;

/// Which rows come out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keep {
    /// Rows that expire before this do not.
    pub(crate) horizon_ms: i64,
    /// Whether deletions do: not where nothing older can be hidden by them.
    pub(crate) deletions: bool,
}

/// The merge of several inputs: an iterator of batches.
pub(crate) struct Merge<'a> {
    schema: OperatorSchema,
    keep: Keep,
    rows_max: usize,
    /// The oldest first: of rows with one key, that of the last input comes out.
    inputs: Vec<Input<'a>>,
    /// Batches that rows of the next output lie in, and those rows.
    batches: Vec<RecordBatch>,
    picked: Vec<(usize, usize)>,
}

struct Input<'a> {
    rows: SortedRows<'a>,
    head: Option<Head>,
    has_ended: bool,
}

/// The batch that an input has come to.
struct Head {
    batch: RecordBatch,
    at: usize,
    keys: OnceCell<Rows>,
    /// Its number among the batches of the next output, once a row of it was picked.
    number: Option<usize>,
}

impl<'a> Merge<'a> {
    /// Merges `inputs`, the oldest first, into batches of about `rows_max` rows.
    pub(crate) fn new(schema: &OperatorSchema, inputs: Vec<SortedRows<'a>>, keep: Keep, rows_max: usize) -> Self {
        let input = |rows| Input { rows, head: None, has_ended: false };
        let inputs = inputs.into_iter().map(input).collect();
        Self { schema: schema.clone(), keep, rows_max, inputs, batches: Vec::new(), picked: Vec::new() }
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>, ReadError> {
        loop {
            self.load()?;
            let Some(lowest) = self.heads().map(|(_, hash)| hash).min() else { break };
            let at_lowest: Vec<usize> = self.heads().filter(|(_, hash)| *hash == lowest).map(|(input, _)| input).collect();
            match at_lowest[..] {
                [only] => self.pick_alone(only),
                _ => self.pick_one_key(&at_lowest),
            }
            if self.picked.len() >= self.rows_max || self.batches.len() > 4 * self.inputs.len() + 16 {
                break;
            }
        }
        let is_done = self.picked.is_empty() && self.inputs.iter().all(|input| input.has_ended);
        if is_done { Ok(None) } else { Ok(Some(self.flush())) }
    }

    /// Makes every input that has rows left stand on one.
    fn load(&mut self) -> Result<(), ReadError> {
        for input in &mut self.inputs {
            while !input.has_ended && input.head.as_ref().is_none_or(|head| head.at == head.batch.num_rows()) {
                match input.rows.next().transpose()? {
                    Some(batch) => input.head = Some(Head { batch, at: 0, keys: OnceCell::new(), number: None }),
                    None => (input.head, input.has_ended) = (None, true),
                }
            }
        }
        Ok(())
    }

    /// The inputs that stand on a row, and its hash.
    fn heads(&self) -> impl Iterator<Item = (usize, u64)> {
        let head = |(index, input): (usize, &Input<'a>)| input.head.as_ref().map(|head| (index, self.hash(head)));
        self.inputs.iter().enumerate().filter_map(head)
    }

    fn hash(&self, head: &Head) -> u64 {
        self.schema.hashes(&head.batch).value(head.at)
    }

    /// Takes the rows of the one input that stands lowest, up to where another stands.
    fn pick_alone(&mut self, index: usize) {
        let others = self.heads().filter(|(other, _)| *other != index).map(|(_, hash)| hash).min();
        let head = self.inputs[index].head.as_mut().expect("the input stands on a row");
        let hashes = &self.schema.hashes(&head.batch).values()[head.at..];
        let count = others.map_or(hashes.len(), |other| hashes.partition_point(|hash| *hash < other));
        let range = head.at..head.at + count;
        head.at = range.end;
        let number = *head.number.get_or_insert_with(|| {
            self.batches.push(head.batch.clone());
            self.batches.len() - 1
        });
        let (schema, keep) = (&self.schema, self.keep);
        let (ops, expiries) = (schema.ops(&head.batch).values(), schema.expiries(&head.batch));
        self.picked.extend(range.filter(|row| keep.keeps(ops, expiries, *row)).map(|row| (number, row)));
    }

    /// Takes the lowest key of several inputs that stand on rows of one hash: the newest row with it.
    fn pick_one_key(&mut self, inputs: &[usize]) {
        let lowest = inputs.iter().copied().reduce(|lowest, other| match self.compare(other, lowest) {
            // Of equal keys the later input, which is the newer.
            Ordering::Less | Ordering::Equal => other,
            Ordering::Greater => lowest,
        });
        let newest = lowest.expect("there are several");
        let alike: Vec<usize> = inputs.iter().copied().filter(|other| self.compare(*other, newest) == Ordering::Equal).collect();
        let head = self.inputs[newest].head.as_mut().expect("the input stands on a row");
        if self.keep.keeps(self.schema.ops(&head.batch).values(), self.schema.expiries(&head.batch), head.at) {
            let number = *head.number.get_or_insert_with(|| {
                self.batches.push(head.batch.clone());
                self.batches.len() - 1
            });
            self.picked.push((number, head.at));
        }
        for input in alike {
            self.inputs[input].head.as_mut().expect("the input stands on a row").at += 1;
        }
    }

    fn compare(&self, one: usize, other: usize) -> Ordering {
        let key = |index: usize| {
            let head = self.inputs[index].head.as_ref().expect("the input stands on a row");
            head.keys.get_or_init(|| self.schema.keys(&head.batch)).row(head.at)
        };
        key(one).cmp(&key(other))
    }

    fn flush(&mut self) -> RecordBatch {
        let batch = match (&self.batches[..], &self.picked[..]) {
            // Rows that lie together already are not copied.
            ([only], [(_, from), .., (_, to)]) if to - from + 1 == self.picked.len() => only.slice(*from, self.picked.len()),
            _ => gather(&self.schema, &self.batches, &self.picked),
        };
        self.picked.clear();
        self.batches.clear();
        for head in self.inputs.iter_mut().filter_map(|input| input.head.as_mut()) {
            head.number = None;
        }
        batch
    }
}

impl Keep {
    fn keeps(self, ops: &[i8], expiries: Option<&[i64]>, row: usize) -> bool {
        (self.deletions || ops[row] != DELETE) && expiries.is_none_or(|expiries| expiries[row] >= self.horizon_ms)
    }
}

impl Iterator for Merge<'_> {
    type Item = Result<RecordBatch, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.advance().transpose()? {
                Ok(batch) if batch.num_rows() == 0 => {}
                other => return Some(other),
            }
        }
    }
}
