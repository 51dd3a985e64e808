//! Who owns what: the group's assignor, and what travels in JoinGroup metadata and SyncGroup assignments.

use std::collections::{BTreeMap, BTreeSet};

use crate::{HashPartition, SourceIndex};

/// Source partitions and hash partitions of one pod. A hash partition brings its exchange and state partitions with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignment {
    /// Source partitions.
    pub sources: BTreeSet<SourceIndex>,
    /// Hash partitions.
    pub hashes: BTreeSet<HashPartition>,
}

/// Bytes that are not an assignment of this version.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssignmentError {
    /// The first byte is not a known version.
    #[error("assignment has version {0}, this pod knows {VERSION}: pods of different versions share the group")]
    Version(u8),
    /// The bytes end early, or go on too long.
    #[error("assignment is damaged")]
    Damaged,
}

/// One member as the leader sees it.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Its member id.
    pub member_id: String,
    /// What it says it owns. Members that did not rejoin are there with what they last said.
    pub owned: Assignment,
    /// The generation in which it owned that; -1 if none.
    pub generation: i32,
}

impl Assignment {
    /// Everything in the plan.
    #[must_use]
    pub fn whole(sources: u32, hash_partitions: u32) -> Self {
        Self { sources: (0..sources).map(SourceIndex).collect(), hashes: (0..hash_partitions).map(HashPartition).collect() }
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty() && self.hashes.is_empty()
    }

    /// What a member puts into its JoinGroup metadata: `{2, generation, source count, hash count, sources…, hashes…}`, numbers
    /// big-endian, four bytes each. `generation` is the one in which it owned this, -1 if none.
    #[must_use]
    pub fn encode(&self, generation: i32) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&generation.to_be_bytes());
        self.put(&mut bytes);
        bytes
    }

    /// Reads what [`Assignment::encode`] wrote. No bytes at all are a member that owns nothing.
    ///
    /// # Errors
    /// Another version, or damaged bytes.
    pub fn decode(bytes: &[u8]) -> Result<(Self, i32), AssignmentError> {
        if bytes.is_empty() {
            return Ok((Self::default(), -1));
        }
        let ([generation], rest) = numbers::<1>(bytes)?;
        Ok((Self::take(rest)?, generation.cast_signed()))
    }

    fn put(&self, bytes: &mut Vec<u8>) {
        let mut put = |n: u32| bytes.extend_from_slice(&n.to_be_bytes());
        put(u32::try_from(self.sources.len()).expect("source indexes are u32, so there are at most as many"));
        put(u32::try_from(self.hashes.len()).expect("hash partitions are u32, so there are at most as many"));
        self.sources.iter().for_each(|source| put(source.0));
        self.hashes.iter().for_each(|hash| put(hash.0));
    }

    fn take(bytes: &[u8]) -> Result<Self, AssignmentError> {
        if !bytes.len().is_multiple_of(4) {
            return Err(AssignmentError::Damaged);
        }
        let mut numbers = bytes.chunks_exact(4).map(|chunk| u32::from_be_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]));
        let (Some(sources), Some(hashes)) = (numbers.next(), numbers.next()) else { return Err(AssignmentError::Damaged) };
        if u64::from(sources) + u64::from(hashes) != numbers.len() as u64 {
            return Err(AssignmentError::Damaged);
        }
        let sources = numbers.by_ref().take(sources as usize).map(SourceIndex).collect();
        Ok(Self { sources, hashes: numbers.map(HashPartition).collect() })
    }
}

/// What the leader gives one member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// The member's partitions.
    pub assignment: Assignment,
    /// Members in this generation; 0 if the leader did not mention this member.
    pub members: u32,
    /// Whether everything is assigned. If not, something is about to move, and another generation has to come.
    pub complete: bool,
    /// What was shared out: source partitions and hash partitions of the leader's plan. A static member that comes back within its session
    /// is given what it had, without a rebalance; if a topic has grown meanwhile, that is a share of a plan that is no more.
    pub of: (u32, u32),
}

impl Share {
    /// Reads what [`lead`] wrote. No bytes at all are the empty share that the coordinator gives to a member which the leader did
    /// not mention.
    ///
    /// # Errors
    /// Another version, or damaged bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, AssignmentError> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let ([members, complete, sources, hash_partitions], rest) = numbers::<4>(bytes)?;
        Ok(Self { assignment: Assignment::take(rest)?, members, complete: complete == 1, of: (sources, hash_partitions) })
    }

    /// `{2, members, complete, sources of the plan, hash partitions of the plan, source count, hash count, sources…, hashes…}`.
    fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        for number in [self.members, u32::from(self.complete), self.of.0, self.of.1] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        self.assignment.put(&mut bytes);
        bytes
    }
}

const VERSION: u8 = 2;

/// The first `N` numbers after the version, and what follows.
fn numbers<const N: usize>(bytes: &[u8]) -> Result<([u32; N], &[u8]), AssignmentError> {
    let (&version, mut rest) = bytes.split_first().ok_or(AssignmentError::Damaged)?;
    if version != VERSION {
        return Err(AssignmentError::Version(version));
    }
    let mut numbers = [0; N];
    for number in &mut numbers {
        let (first, others) = rest.split_first_chunk::<4>().ok_or(AssignmentError::Damaged)?;
        (*number, rest) = (u32::from_be_bytes(*first), others);
    }
    Ok((numbers, rest))
}

/// What the leader of a generation answers: each member's id and JoinGroup metadata in, each member's id and [`Share`] out.
///
/// # Errors
/// A member's metadata has another version, or is damaged.
pub fn lead(sources: u32, hash_partitions: u32, members: &[(String, Vec<u8>)]) -> Result<Vec<(String, Vec<u8>)>, AssignmentError> {
    let candidate = |(member_id, metadata): &(String, Vec<u8>)| {
        let (owned, generation) = Assignment::decode(metadata)?;
        Ok(Candidate { member_id: member_id.clone(), owned, generation })
    };
    let candidates = members.iter().map(candidate).collect::<Result<Vec<_>, _>>()?;
    let shares = assign(sources, hash_partitions, &candidates);
    let (p, k) = shares.values().fold((0, 0), |(p, k), share| (p + share.sources.len(), k + share.hashes.len()));
    let complete = (p, k) == (sources as usize, hash_partitions as usize);
    let members = u32::try_from(members.len()).unwrap_or(u32::MAX);
    let share = |assignment| Share { assignment, members, complete, of: (sources, hash_partitions) };
    Ok(shares.into_iter().map(|(member_id, assignment)| (member_id, share(assignment).encode())).collect())
}

/// Shares the plan out, evenly, and *never gives away what a member lists as owned*: a partition that is to move is first left
/// out, its owner commits, releases and joins again, and only then does another get it. So whoever takes part in every
/// generation has lost nothing meanwhile (rule 4).
///
/// When two members list the same partition, the one that owned it in the later generation has it: the other missed a
/// generation, and drops everything when it learns so.
#[must_use]
pub fn assign(sources: u32, hash_partitions: u32, candidates: &[Candidate]) -> BTreeMap<String, Assignment> {
    let mut members: Vec<&Candidate> = candidates.iter().collect();
    members.sort_by(|a, b| (a.generation, &a.member_id).cmp(&(b.generation, &b.member_id)));
    let owned = |pick: fn(&Assignment) -> BTreeSet<u32>| members.iter().map(|member| pick(&member.owned)).collect::<Vec<_>>();
    let owned_hashes = owned(|a| a.hashes.iter().map(|hash| hash.0).collect());
    let owned_sources = owned(|a| a.sources.iter().map(|source| source.0).collect());
    let fair_hashes = fair_counts(hash_partitions, &owned_hashes, |_| true);
    // A pod without hash partitions could not witness the positions of its sources: it gets none.
    let fair_sources = fair_counts(sources, &owned_sources, |member| fair_hashes[member] > 0);
    let hashes = share(hash_partitions, &owned_hashes, &fair_hashes);
    let sources = share(sources, &owned_sources, &fair_sources);
    members
        .iter()
        .zip(sources.into_iter().zip(hashes))
        .map(|(member, (sources, hashes))| {
            let sources = sources.into_iter().map(SourceIndex).collect();
            (member.member_id.clone(), Assignment { sources, hashes: hashes.into_iter().map(HashPartition).collect() })
        })
        .collect()
}

/// Each member keeps up to its fair count of what it owns; what nobody owns fills the others up; what an owner has above its fair
/// count is given to nobody in this generation. `owned` is in order of trust, the most trusted last.
fn share(count: u32, owned: &[BTreeSet<u32>], fair: &[usize]) -> Vec<BTreeSet<u32>> {
    let owners: BTreeMap<u32, usize> = owned.iter().enumerate().flat_map(|(m, set)| set.iter().map(move |&n| (n, m))).collect();
    let mut shares: Vec<BTreeSet<u32>> = vec![BTreeSet::new(); owned.len()];
    for (&n, &member) in owners.range(..count) {
        if shares[member].len() < fair[member] {
            shares[member].insert(n);
        }
    }
    let mut free = (0..count).filter(|n| !owners.contains_key(n));
    for (share, &fair) in shares.iter_mut().zip(fair) {
        let missing = fair - share.len();
        share.extend(free.by_ref().take(missing));
    }
    shares
}

/// Equal counts for those that are eligible; what does not divide goes, one each, to those who own most (of equals, the most
/// trusted), so that little moves.
fn fair_counts(count: u32, owned: &[BTreeSet<u32>], eligible: impl Fn(usize) -> bool) -> Vec<usize> {
    let mut order: Vec<usize> = (0..owned.len()).filter(|&member| eligible(member)).collect();
    order.sort_by_key(|&member| std::cmp::Reverse((owned[member].len(), member)));
    let (members, count) = (order.len().max(1), count as usize);
    let mut fair = vec![0; owned.len()];
    for (rank, member) in order.into_iter().enumerate() {
        fair[member] = count / members + usize::from(rank < count % members);
    }
    fair
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(member_id: &str, sources: &[u32], hashes: &[u32]) -> Candidate {
        let owned = Assignment {
            sources: sources.iter().copied().map(SourceIndex).collect(),
            hashes: hashes.iter().copied().map(HashPartition).collect(),
        };
        Candidate { member_id: member_id.into(), owned, generation: 1 }
    }

    #[test]
    fn one_member_gets_everything() {
        assert_eq!(assign(3, 4, &[candidate("a", &[], &[])])["a"], Assignment::whole(3, 4));
    }

    #[test]
    fn what_a_member_owns_is_never_given_to_another_in_the_same_generation() {
        let shares = assign(2, 4, &[candidate("a", &[0, 1], &[0, 1, 2, 3]), candidate("b", &[], &[])]);
        assert!(shares["b"].is_empty(), "{shares:?}");
        assert_eq!(shares["a"].hashes.len(), 2);
        let next =
            assign(2, 4, &[Candidate { member_id: "a".into(), owned: shares["a"].clone(), generation: 2 }, candidate("b", &[], &[])]);
        assert_eq!(next["a"], shares["a"]);
        assert_eq!((next["b"].sources.len(), next["b"].hashes.len()), (1, 2));
    }

    #[test]
    fn of_two_that_list_the_same_the_later_generation_has_it() {
        let mut late = candidate("a", &[0], &[0, 1]);
        late.generation = 4;
        let mut missed = candidate("b", &[0], &[0, 1]);
        missed.generation = 3;
        let shares = assign(1, 2, &[late, missed]);
        assert!(shares["b"].is_empty(), "{shares:?}");
        assert_eq!(shares["a"].sources.len(), 1);
    }

    #[test]
    fn a_member_without_hash_partitions_gets_no_sources() {
        let shares = assign(6, 2, &[candidate("a", &[], &[]), candidate("b", &[], &[]), candidate("c", &[], &[])]);
        for share in shares.values() {
            assert_eq!(share.sources.len(), 3 * share.hashes.len(), "{shares:?}");
        }
    }

    #[test]
    fn shares_settle_even_disjoint_and_whole_from_any_start() {
        for members in 1..9_u32 {
            let mut candidates: Vec<Candidate> = (0..members).map(|m| candidate(&format!("m{m}"), &[], &[])).collect();
            candidates[0].owned = Assignment::whole(7, 64);
            for _ in 0..3 {
                let shares = assign(7, 64, &candidates);
                for candidate in &mut candidates {
                    candidate.owned = shares[&candidate.member_id].clone();
                }
            }
            let mut all: Vec<u32> = candidates.iter().flat_map(|c| c.owned.hashes.iter().map(|k| k.0)).collect();
            all.sort_unstable();
            assert_eq!(all, (0..64).collect::<Vec<_>>(), "{members} members");
            let sizes: BTreeSet<usize> = candidates.iter().map(|c| c.owned.hashes.len()).collect();
            assert!(sizes.last().unwrap() - sizes.first().unwrap() <= 1, "{sizes:?}");
        }
    }

    #[test]
    fn an_assignment_survives_its_bytes_and_damage_is_refused() {
        let assignment = Assignment::whole(3, 5);
        let bytes = assignment.encode(7);
        assert_eq!(Assignment::decode(&bytes), Ok((assignment, 7)));
        assert_eq!(Assignment::decode(&[]), Ok((Assignment::default(), -1)));
        assert_eq!(Assignment::decode(&[1]), Err(AssignmentError::Version(1)));
        assert_eq!(Assignment::decode(&bytes[..bytes.len() - 1]), Err(AssignmentError::Damaged));
        assert_eq!(Assignment::decode(&bytes[..bytes.len() - 4]), Err(AssignmentError::Damaged));
        assert_eq!(Assignment::decode(&[&[2][..], &[255; 12][..]].concat()), Err(AssignmentError::Damaged));
    }

    #[test]
    fn a_leader_says_how_many_there_are_and_whether_something_is_still_to_move() {
        let owner = ("a".to_owned(), Assignment::whole(2, 4).encode(1));
        let alone = lead(2, 4, std::slice::from_ref(&owner)).unwrap();
        let whole = Share { assignment: Assignment::whole(2, 4), members: 1, complete: true, of: (2, 4) };
        assert_eq!(Share::decode(&alone[0].1), Ok(whole));
        let two = lead(2, 4, &[owner, ("b".to_owned(), Vec::new())]).unwrap();
        assert_eq!(Share::decode(&two[1].1), Ok(Share { members: 2, of: (2, 4), ..Share::default() }));
        assert_eq!(Share::decode(&[]), Ok(Share::default()));
        assert_eq!(Share::decode(&[2, 0]), Err(AssignmentError::Damaged));
    }
}
