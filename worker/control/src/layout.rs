//! The part of every name that tells one life of a Pipeline from the next.

use std::{fmt, str::FromStr};

/// `{first 8 hex of the Pipeline's uid}-{plan version}-{maxParallelism}`, for example `1c9e04d7-2-64`.
///
/// It is part of group, transactional ids, internal topics and object names: a Pipeline made anew, a plan that cannot go on from the old
/// state, and another number of hash partitions each get names that never meet the old ones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Layout {
    uid: String,
    plan_version: u32,
    max_parallelism: u32,
}

/// The text is not a layout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("layout {0:?} is not <8 hex>-<plan version>-<maxParallelism>")]
pub struct InvalidLayout(pub String);

impl Layout {
    /// The layout of a Pipeline with this `metadata.uid`, in the given version of its plan (from 1), cut into this many hash partitions.
    ///
    /// # Errors
    /// [`InvalidLayout`] where `uid` does not start with 8 hexadecimal digits, or `max_parallelism` is 0.
    pub fn new(uid: &str, plan_version: u32, max_parallelism: u32) -> Result<Self, InvalidLayout> {
        let first = uid.get(..8).filter(|first| first.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match first {
            Some(first) if max_parallelism > 0 => Ok(Self { uid: first.to_ascii_lowercase(), plan_version, max_parallelism }),
            _ => Err(InvalidLayout(uid.chars().take(64).collect())),
        }
    }

    /// First 8 hex of the Pipeline's uid.
    #[must_use]
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// Version of the plan, from 1; grows when a new plan cannot go on under the old names.
    #[must_use]
    pub fn plan_version(&self) -> u32 {
        self.plan_version
    }

    /// Number of hash partitions of each keyed exchange and of the state.
    #[must_use]
    pub fn max_parallelism(&self) -> u32 {
        self.max_parallelism
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.uid, self.plan_version, self.max_parallelism)
    }
}

impl FromStr for Layout {
    type Err = InvalidLayout;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidLayout(text.chars().take(64).collect());
        let mut parts = text.splitn(3, '-');
        let uid = parts.next().filter(|uid| uid.len() == 8).ok_or_else(invalid)?;
        let mut number = || parts.next().and_then(|part| part.parse().ok()).ok_or_else(invalid);
        let (plan_version, max_parallelism) = (number()?, number()?);
        let layout = Self::new(uid, plan_version, max_parallelism).map_err(|_| invalid())?;
        if layout.to_string() == text { Ok(layout) } else { Err(invalid()) }
    }
}

impl TryFrom<String> for Layout {
    type Error = InvalidLayout;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Layout> for String {
    fn from(layout: Layout) -> Self {
        layout.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_reads_back_what_it_prints() {
        let layout = Layout::new("1c9e04d7-aaaa-bbbb-cccc-0123456789ab", 2, 64).unwrap();
        assert_eq!(layout.to_string(), "1c9e04d7-2-64");
        assert_eq!("1c9e04d7-2-64".parse::<Layout>().unwrap(), layout);
    }

    #[test]
    fn text_that_is_not_a_layout_is_refused() {
        for bad in [
            "",
            "1c9e04d7",
            "1c9e04d7-2",
            "1c9e04d7-2-0",
            "1c9e04d7-02-64",
            "1c9e04d-2-64",
            "zc9e04d7-2-64",
            "1c9e04d7-2-64-1",
            "1C9E04D7-2-64",
        ] {
            assert!(bad.parse::<Layout>().is_err(), "{bad:?} was accepted");
        }
    }
}
