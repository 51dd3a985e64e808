//! Rule 1, *fence*: a commit is fenced by what it names.
//!
//! The failure: a pod that owns hash partition *k* is evicted, and then a timer fires there: outputs and deltas, but no consumed
//! offset. `EndTxn` knows nothing of groups and commits, while another pod owns *k* already: two writers, doubled outputs.
//! So `EndTxn(commit)` is sent only after a `TxnOffsetCommit` with member id and generation that names every source and hash
//! partition whose rows, state or timers the transaction touched; it is sent after the last produce was acknowledged, and nothing is
//! produced after it. (The order of the requests is the order of [`crate::Pod`]'s steps, which wait for one another.)

use std::collections::BTreeMap;

use units::Offset;

use super::Rules;
use crate::{Burst, CommitNumber, Fence, HashPartition, Input, NamedOffset};

/// What the transaction of `burst` must name. `floors` are those in force; a manifest that is in the burst has its new floor there.
pub fn named<B>(rules: &Rules, burst: &Burst<B>, number: CommitNumber, floors: &BTreeMap<HashPartition, Offset>) -> Vec<NamedOffset> {
    let sources = burst.sources.iter().map(|&(source, position)| (Input::Source(source), position));
    let exchanges = burst.exchanges.iter().map(|&(exchange, k, position)| (Input::Exchange(exchange, k), position));
    let floor = |hash| floors.get(&hash).copied().unwrap_or(Offset::ZERO);
    let hashes = burst.hashes.iter().filter(|_| rules.names_hashes).map(|touched| (Input::State(touched.hash), floor(touched.hash)));
    let all = sources.chain(exchanges).chain(hashes);
    all.map(|(input, position)| NamedOffset { input, position, content: number }).collect()
}

/// Whether what the pod holds is worthless now. The failure: a process that was replaced registers anew and goes on with what it
/// holds, so that its rows are committed beside those of its successor. It may register anew, but only with empty hands.
pub fn drops_everything(rules: &Rules, fence: Fence) -> bool {
    match fence {
        Fence::Producer | Fence::Instance => rules.drops_when_fenced,
        Fence::Member => rules.same_member,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SourceIndex, TouchedHash};

    #[test]
    fn a_commit_that_only_fired_timers_still_names_its_hash_partitions() {
        let touched = TouchedHash { hash: HashPartition(3), delta_bytes: 9, manifest: false, whole: false };
        let burst = Burst { sources: vec![], exchanges: vec![], hashes: vec![touched], bytes: 9, markers: 1, payload: () };
        let floors = BTreeMap::from([(HashPartition(3), Offset(17))]);
        let state = NamedOffset { input: Input::State(HashPartition(3)), position: Offset(17), content: CommitNumber(8) };
        assert_eq!(named(&Rules::default(), &burst, CommitNumber(8), &floors), [state]);
    }

    #[test]
    fn sources_are_named_with_their_next_offset() {
        let burst =
            Burst { sources: vec![(SourceIndex(1), Offset(5))], exchanges: vec![], hashes: vec![], bytes: 0, markers: 0, payload: () };
        let source = NamedOffset { input: Input::Source(SourceIndex(1)), position: Offset(5), content: CommitNumber(8) };
        assert_eq!(named(&Rules::default(), &burst, CommitNumber(8), &BTreeMap::new()), [source]);
    }
}
