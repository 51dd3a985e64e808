//! Batches through stages: rows for sinks are written, partial rows go to their hash partitions, rows without an answer to the dead letters.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use flow::{
    Batch,
    chain::ChainOutput,
    format::{BadRow, row_as_json},
};

use super::{Worker, wall_clock_ms};
use crate::dead_letter::Origin;

impl Worker {
    /// Rows of completed windows go through the stage behind their aggregate.
    pub(super) fn computed(&mut self, exchange: usize, rows: RecordBatch) -> Result<(), String> {
        let output = self.exchanges[exchange].chain.run(Batch::new(rows.clone()));
        let mut bad = BTreeMap::new();
        let partition = i32::try_from(self.lane).unwrap_or(0);
        self.take_output(output, partition, &mut bad)?;
        for (row, reason) in bad {
            let origin = Origin { name: "", partition: -1, offset: -1, timestamp_ms: wall_clock_ms() };
            let bytes = self.dead.push(origin, None, Some(&row_as_json(&rows, row as usize)), &reason);
            self.mailboxes.flight().add_pending(bytes as u64);
        }
        Ok(())
    }

    /// What a stage made of one batch. Bad rows are added to `bad` by their position in what the stage was given; the first reason of a
    /// row counts.
    pub(super) fn take_output(&mut self, output: ChainOutput, partition: i32, bad: &mut BTreeMap<u32, String>) -> Result<(), String> {
        let now_ms = wall_clock_ms();
        let mut bytes = 0;
        for (sink, batch) in output.sinks {
            let written = self.outputs.write(sink, &batch.rows, partition, now_ms).map_err(|error| error.to_string())?;
            bytes += written.bytes;
            for BadRow { index, reason } in written.bad {
                bad.entry(batch.origin[index as usize]).or_insert(reason);
            }
        }
        self.mailboxes.flight().add_pending(bytes as u64);
        for BadRow { index, reason } in output.bad {
            bad.entry(index).or_insert(reason);
        }
        for (exchange, rows) in output.partials {
            self.exchange(exchange, &rows)?;
        }
        Ok(())
    }
}
