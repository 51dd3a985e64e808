//! Partial rows by who owns their hash partition.

use arrow::{
    array::{AsArray, RecordBatch, UInt32Array},
    compute::take_record_batch,
    datatypes::UInt64Type,
    error::ArrowError,
};

use crate::hash::hash_partition;

/// Rows for one owner.
#[derive(Clone, Debug)]
pub struct Scatter {
    /// What `owner_of` answered for their hash partitions.
    pub owner: usize,
    /// The rows, in the order they had.
    pub rows: RecordBatch,
}

/// Cuts a partial batch (its first column is `key_hash`) by owner, where `owner_of[k]` owns hash partition `k`; owners ascend. A batch of
/// one owner is handed on as it is.
///
/// # Errors
/// The rows cannot be taken: a column of more than 2 GiB.
///
/// # Panics
/// Where the first column is not `UInt64` or `owner_of` is empty.
pub fn scatter(batch: &RecordBatch, owner_of: &[usize]) -> Result<Vec<Scatter>, ArrowError> {
    let max_parallelism = u32::try_from(owner_of.len()).expect("fewer than 2^32 hash partitions");
    let hashes = batch.column(0).as_primitive::<UInt64Type>().values();
    let owners: Vec<usize> = hashes.iter().map(|hash| owner_of[hash_partition(*hash, max_parallelism) as usize]).collect();
    let Some(first) = owners.first() else { return Ok(Vec::new()) };
    if owners.iter().all(|owner| owner == first) {
        return Ok(vec![Scatter { owner: *first, rows: batch.clone() }]);
    }
    // A counting sort: where the rows of each owner begin, then every row to its place.
    let mut starts = vec![0_usize; owner_of.iter().max().map_or(0, |most| most + 2)];
    owners.iter().for_each(|owner| starts[owner + 1] += 1);
    (1..starts.len()).for_each(|index| starts[index] += starts[index - 1]);
    let bounds = starts.clone();
    let mut order = vec![0_u32; owners.len()];
    for (row, owner) in (0_u32..).zip(&owners) {
        order[starts[*owner]] = row;
        starts[*owner] += 1;
    }
    let sorted = take_record_batch(batch, &UInt32Array::from(order))?;
    let owned = bounds.windows(2).enumerate().filter(|(_, bounds)| bounds[0] < bounds[1]);
    Ok(owned.map(|(owner, bounds)| Scatter { owner, rows: sorted.slice(bounds[0], bounds[1] - bounds[0]) }).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{Int64Array, UInt64Array},
        datatypes::{DataType, Field, Int64Type, Schema},
    };

    use super::*;

    #[test]
    fn every_row_goes_to_the_owner_of_its_hash_partition_in_order() {
        let hashes: UInt64Array = (0..1000_u64).map(|row| row.wrapping_mul(0x9E37_79B9_7F4A_7C15)).collect();
        let rows = Int64Array::from_iter_values(0..1000);
        let schema = Schema::new(vec![Field::new("key_hash", DataType::UInt64, false), Field::new("row", DataType::Int64, false)]);
        let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(hashes.clone()), Arc::new(rows)]).unwrap();
        let owner_of = [2, 0, 0, 5, 2, 5, 0];
        let scattered = scatter(&batch, &owner_of).unwrap();
        assert_eq!(scattered.iter().map(|part| part.owner).collect::<Vec<_>>(), [0, 2, 5]);
        assert_eq!(scattered.iter().map(|part| part.rows.num_rows()).sum::<usize>(), 1000);
        for part in &scattered {
            let rows = part.rows.column(1).as_primitive::<Int64Type>().values();
            assert!(rows.is_sorted());
            assert!(rows.iter().all(|row| owner_of[hash_partition(hashes.value(*row as usize), 7) as usize] == part.owner));
        }
        assert_eq!(scatter(&batch, &[3; 64]).unwrap()[0].rows, batch);
        assert!(scatter(&batch.slice(0, 0), &[3; 64]).unwrap().is_empty());
    }
}
