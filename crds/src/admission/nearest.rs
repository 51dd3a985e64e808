//! "Did you mean": the known word nearest to the one that was written.

/// The candidate that is a few typing errors away, if there is one; of several the nearest, then the first.
pub(super) fn nearest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written: Vec<char> = written.chars().take(64).flat_map(char::to_lowercase).collect();
    let tolerated = (written.len() / 3).clamp(1, 3);
    let distance = |candidate: &str| distance(&written, &candidate.chars().flat_map(char::to_lowercase).collect::<Vec<_>>());
    let known = candidates.into_iter().map(|candidate| (distance(candidate), candidate));
    known.filter(|(distance, _)| *distance <= tolerated).min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate)
}

/// Number of letters to insert, take away, change, or swap with their neighbour.
fn distance(left: &[char], right: &[char]) -> usize {
    let mut rows = vec![vec![0; right.len() + 1]; left.len() + 1];
    for (index, row) in rows.iter_mut().enumerate() {
        row[0] = index;
    }
    rows[0] = (0..=right.len()).collect();
    for row in 1..=left.len() {
        for column in 1..=right.len() {
            let change = usize::from(left[row - 1] != right[column - 1]);
            let mut best = (rows[row - 1][column] + 1).min(rows[row][column - 1] + 1).min(rows[row - 1][column - 1] + change);
            let is_swap = row > 1 && column > 1 && left[row - 1] == right[column - 2] && left[row - 2] == right[column - 1];
            if is_swap {
                best = best.min(rows[row - 2][column - 2] + 1);
            }
            rows[row][column] = best;
        }
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_and_a_far_one_is_not() {
        let known = ["partitions", "schema", "retention", "retentionPolicyRef"];
        assert_eq!(nearest("partition", known), Some("partitions"));
        assert_eq!(nearest("shcema", known), Some("schema"));
        assert_eq!(nearest("Retention", known), Some("retention"));
        assert_eq!(nearest("replicas", known), None);
    }
}
