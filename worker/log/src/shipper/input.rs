//! The batches of a planned segment: from memory, else from the WAL.

use bytes::Bytes;

use super::ShipError;
use crate::{
    engine::plan::ShipPlan,
    partition::index::IndexEntry,
    segment::SectionInput,
    spans::{self, SpanError},
    wal::layout,
};

/// What each section of `plan` holds. What is not in memory is read in the order of the WAL, whoever's it is: partitions lie
/// interleaved there, and reading them one by one would read every file once for each.
pub(super) fn inputs(plan: &ShipPlan) -> Result<Vec<SectionInput>, ShipError> {
    let mut found: Vec<Vec<Option<Bytes>>> = plan.sections.iter().map(|section| section.in_memory.clone()).collect();
    let mut missing: Vec<(IndexEntry, usize, usize)> = Vec::new();
    for (section, planned) in plan.sections.iter().enumerate() {
        let not_found = planned.entries.iter().enumerate().filter(|(index, _)| found[section][*index].is_none());
        missing.extend(not_found.map(|(index, entry)| (*entry, section, index)));
    }
    missing.sort_unstable_by_key(|(entry, ..)| entry.location);
    let entries: Vec<_> = missing.iter().map(|(entry, ..)| *entry).collect();
    let read = spans::read_once(&plan.files, &entries).map_err(|error| local_error(plan, error))?;
    for ((_, section, index), bytes) in missing.into_iter().zip(read) {
        found[section][index] = Some(bytes);
    }
    let input = |(section, found): (&crate::engine::plan::PlannedSection, Vec<Option<Bytes>>)| SectionInput {
        id: section.id,
        batches: section
            .entries
            .iter()
            .zip(found.into_iter().flatten())
            .map(|(entry, bytes)| (entry.base, entry.last_delta, entry.max_timestamp, bytes))
            .collect(),
        state: Vec::new(),
        has_aborted: false,
    };
    Ok(plan.sections.iter().zip(found).map(input).collect())
}

fn local_error(plan: &ShipPlan, error: SpanError) -> ShipError {
    match error {
        SpanError::Disk(source) => ShipError::Local(source),
        SpanError::Corrupt(entry) => {
            let place = format!("{} at byte {}", layout::file_name(entry.location.file), entry.location.position);
            let holder = plan.sections.iter().find(|section| section.entries.contains(&entry)).expect("it was asked for");
            ShipError::Damaged { partition: holder.id, offset: entry.base, place }
        }
    }
}
