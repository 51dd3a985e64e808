//! How many lanes a pod gets, and whether they are pinned.
//!
//! A lane a core that the pod may use, by its CPU limit (a quota of its cgroup) and its CPU set. Pinned only where the pod has its cores to
//! itself (a CPU set of its own, as the kubelet's static policy gives): pods that share a node would all pin to the same first cores.

use std::{fs, num::NonZeroUsize, thread};

use pipeline::Lanes;

/// The lanes of this process.
pub(super) fn start() -> Lanes {
    let usable = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let online = fs::read_to_string("/sys/devices/system/cpu/online").ok().and_then(|text| count(&text));
    let allowed = fs::read_to_string("/proc/self/status").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
        count(line)
    });
    let is_pinned = owns_its_cores(usable, allowed, online);
    tracing::info!(lanes = usable, is_pinned, "a lane for each core");
    if is_pinned { Lanes::pinned() } else { Lanes::new(usable) }
}

/// Whether the process may use all of a part of the machine's cores.
fn owns_its_cores(usable: usize, allowed: Option<usize>, online: Option<usize>) -> bool {
    allowed.zip(online).is_some_and(|(allowed, online)| usable == allowed && allowed < online)
}

/// How many a list like `0-3,8` names.
fn count(list: &str) -> Option<usize> {
    let one = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        last.checked_sub(first).map(|more| more + 1)
    };
    list.trim().split(',').map(one).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cores_are_counted() {
        assert_eq!(count("0-3,8\n"), Some(5));
        assert_eq!(count("\t2"), Some(1));
        assert_eq!(count("x"), None);
    }

    #[test]
    fn only_cores_of_its_own_are_pinned_to() {
        assert!(owns_its_cores(2, Some(2), Some(64)), "a CPU set of two");
        assert!(!owns_its_cores(2, Some(64), Some(64)), "a limit of two cores on a shared node");
        assert!(!owns_its_cores(64, Some(64), Some(64)), "no limit");
        assert!(!owns_its_cores(1, None, Some(4)));
    }
}
