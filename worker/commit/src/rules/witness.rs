//! Rule 6, *two witnesses*: positions live in the group's offsets and in the state records, and they must tell the same story.
//!
//! The failures: offsets of an empty group expire, and a reset policy starts a pipeline from the beginning on top of old state. A lost
//! broker takes the last seconds of the group's offsets with it but not of the state, or the reverse: rows are consumed twice into
//! state, or never, and nothing notices. So: offsets missing or behind, the state complete: the state's positions win. Offsets ahead
//! of the state: state was lost, and the pipeline stops, naming what and where. There is no reset policy.

use std::collections::BTreeMap;

use units::Offset;

use super::Rules;
use crate::{CommitNumber, Committed, HashPartition, Input};

/// Data is gone: what the group's offsets say was done, the state does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataLoss {
    /// The group knows of a commit to this hash partition that its state partition does not hold.
    #[error("state of hash partition {} ends at commit {} but the group's offsets know commit {}", hash.0, state.0, group.0)]
    StateBehind {
        /// Hash partition.
        hash: HashPartition,
        /// Last commit in the state partition.
        state: CommitNumber,
        /// Last commit in the group's offsets.
        group: CommitNumber,
    },
    /// The group's position of an input is beyond what the state has seen.
    #[error("{input}: the group's offset is {group} but the state has seen rows only up to {state}")]
    PositionAhead {
        /// The input.
        input: Input,
        /// Position in the group's offsets.
        group: Offset,
        /// Position in the state.
        state: Offset,
    },
    /// Records that were not yet read are gone from a source or an exchange.
    #[error("{input}: records from {needed} on are needed, but the partition holds {log_start} to {log_end}")]
    RecordsGone {
        /// The input.
        input: Input,
        /// Next offset to read.
        needed: Offset,
        /// First offset there.
        log_start: Offset,
        /// Offset after the last.
        log_end: Offset,
    },
    /// Records that a restore needs were deleted from the state partition.
    #[error("state of hash partition {} starts at offset {log_start} but records from {needed} on are needed", hash.0)]
    Trimmed {
        /// Hash partition.
        hash: HashPartition,
        /// Where the state partition starts.
        log_start: Offset,
        /// First record needed.
        needed: Offset,
    },
}

/// What was read of one hash partition, up to the pod's claim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateWitness {
    /// Last commit before the claim that wrote more than a claim.
    pub last: Option<CommitNumber>,
    /// Log start of the state partition.
    pub log_start: Offset,
    /// Floor of the last manifest.
    pub floor: Option<Offset>,
    /// Positions of all inputs that its records speak of, the greatest of each.
    pub positions: BTreeMap<Input, Offset>,
}

/// The position at which each input goes on.
///
/// `group` holds what a stable `OffsetFetch` answered *before* the claim, `states` what each claimed state partition said. Positions
/// of source partitions are judged only where `sees_all`: a pod that owns every hash partition sees the whole second witness; one that
/// owns some sees part of it, and then the position of a source is the group's.
///
/// # Errors
/// [`DataLoss`], the first found in order of hash partition and input.
pub fn reconcile(
    rules: &Rules,
    group: &BTreeMap<Input, Committed>,
    states: &BTreeMap<HashPartition, StateWitness>,
    sees_all: bool,
) -> Result<BTreeMap<Input, Offset>, DataLoss> {
    let mut positions: BTreeMap<Input, Offset> = group.iter().map(|(&input, committed)| (input, committed.position)).collect();
    if !rules.two_witnesses {
        return Ok(positions);
    }
    for (&hash, state) in states {
        state_is_whole(hash, group.get(&Input::State(hash)), state)?;
    }
    let mut seen: BTreeMap<Input, Offset> = BTreeMap::new();
    for (&input, &position) in states.values().flat_map(|state| &state.positions) {
        let greatest = seen.entry(input).or_insert(position);
        *greatest = position.max(*greatest);
    }
    for (&input, &state) in seen.iter().filter(|(input, _)| sees_all || !matches!(input, Input::Source(_))) {
        match positions.get(&input) {
            Some(&group) if group > state => return Err(DataLoss::PositionAhead { input, group, state }),
            _ => positions.insert(input, state),
        };
    }
    Ok(positions)
}

fn state_is_whole(hash: HashPartition, group: Option<&Committed>, state: &StateWitness) -> Result<(), DataLoss> {
    let needed = state.floor.unwrap_or(Offset::ZERO);
    if state.log_start > needed {
        return Err(DataLoss::Trimmed { hash, log_start: state.log_start, needed });
    }
    match group {
        Some(group) if group.content > CommitNumber(0) && state.last.is_none_or(|last| last < group.content) => {
            let last = state.last.unwrap_or_default();
            Err(DataLoss::StateBehind { hash, state: last, group: group.content })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use units::{ProducerEpoch, ProducerId};

    use super::*;
    use crate::{CommitMark, Life, SourceIndex};

    const SOURCE: Input = Input::Source(SourceIndex(0));
    const K: HashPartition = HashPartition(0);

    fn committed(position: i64, number: u64) -> Committed {
        let life = Life { producer_id: ProducerId(1), epoch: ProducerEpoch(0) };
        let number = CommitNumber(number);
        Committed { position: Offset(position), mark: CommitMark { life, number }, content: number }
    }

    fn state(last: u64, source: i64) -> StateWitness {
        StateWitness { last: Some(CommitNumber(last)), positions: BTreeMap::from([(SOURCE, Offset(source))]), ..StateWitness::default() }
    }

    fn judge(group: &[(Input, Committed)], states: Vec<StateWitness>) -> Result<Option<Offset>, DataLoss> {
        let states = states.into_iter().enumerate().map(|(k, state)| (HashPartition(k as u32), state)).collect();
        reconcile(&Rules::default(), &group.iter().copied().collect(), &states, true).map(|positions| positions.get(&SOURCE).copied())
    }

    #[test]
    fn nothing_known_by_either_is_a_fresh_start() {
        assert_eq!(judge(&[], vec![StateWitness::default()]), Ok(None));
    }

    #[test]
    fn witnesses_that_agree_are_believed() {
        assert_eq!(judge(&[(SOURCE, committed(50, 9)), (Input::State(K), committed(0, 9))], vec![state(9, 50)]), Ok(Some(Offset(50))));
    }

    #[test]
    fn offsets_that_are_missing_or_behind_give_way_to_the_state() {
        assert_eq!(judge(&[], vec![state(9, 50)]), Ok(Some(Offset(50))));
        assert_eq!(judge(&[(SOURCE, committed(30, 5)), (Input::State(K), committed(0, 5))], vec![state(9, 50)]), Ok(Some(Offset(50))));
    }

    #[test]
    fn a_hash_partition_untouched_by_the_last_commits_does_not_hold_the_position_back() {
        let group = [(SOURCE, committed(50, 9)), (Input::State(K), committed(0, 9)), (Input::State(HashPartition(1)), committed(0, 4))];
        assert_eq!(judge(&group, vec![state(9, 50), state(4, 20)]), Ok(Some(Offset(50))));
    }

    #[test]
    fn state_that_lost_its_tail_is_data_loss_by_name() {
        let loss = DataLoss::StateBehind { hash: K, state: CommitNumber(7), group: CommitNumber(9) };
        assert_eq!(judge(&[(SOURCE, committed(50, 9)), (Input::State(K), committed(0, 9))], vec![state(7, 40)]), Err(loss.clone()));
        assert_eq!(loss.to_string(), "state of hash partition 0 ends at commit 7 but the group's offsets know commit 9");
    }

    #[test]
    fn a_claim_whose_maker_died_does_not_hide_what_was_lost_before_it() {
        let mut claimed = committed(0, 9);
        claimed.mark.number = CommitNumber(10);
        let loss = DataLoss::StateBehind { hash: K, state: CommitNumber(7), group: CommitNumber(9) };
        assert_eq!(judge(&[(SOURCE, committed(50, 9)), (Input::State(K), claimed)], vec![state(7, 40)]), Err(loss));
    }

    #[test]
    fn an_offset_beyond_what_the_state_has_seen_is_data_loss() {
        let loss = DataLoss::PositionAhead { input: SOURCE, group: Offset(60), state: Offset(50) };
        assert_eq!(judge(&[(SOURCE, committed(60, 9)), (Input::State(K), committed(0, 9))], vec![state(9, 50)]), Err(loss));
    }

    #[test]
    fn a_state_partition_trimmed_above_its_floor_is_data_loss() {
        let mut trimmed = state(9, 50);
        trimmed.log_start = Offset(12);
        assert_eq!(judge(&[], vec![trimmed.clone()]), Err(DataLoss::Trimmed { hash: K, log_start: Offset(12), needed: Offset::ZERO }));
        trimmed.floor = Some(Offset(12));
        assert_eq!(judge(&[], vec![trimmed]), Ok(Some(Offset(50))));
    }
}
