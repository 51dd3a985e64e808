//! The number of a pod within its StatefulSet.

use anyhow::Context;

/// The number given, or that at the end of the pod's name (`main-broker-3` is 3), which is in `POD_NAME`, or else the host's name.
///
/// # Errors
/// Where there is none.
pub(crate) fn ordinal(given: Option<u32>) -> anyhow::Result<u32> {
    if let Some(given) = given {
        return Ok(given);
    }
    let host = || std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
    let name = std::env::var("POD_NAME").unwrap_or_else(|_| host());
    of(&name).with_context(|| format!("the pod is called {name}, which does not end with a number; set POD_NAME"))
}

fn of(name: &str) -> Option<u32> {
    name.rsplit_once('-')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pods_number_is_at_the_end_of_its_name() {
        assert_eq!(of("main-broker-3"), Some(3));
        assert_eq!(of("main-broker-12"), Some(12));
        for none in ["main", "main-broker", "main-broker-", "main-broker-x"] {
            assert_eq!(of(none), None, "{none}");
        }
    }
}
