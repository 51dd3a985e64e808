//! The number of a group's generation.

use std::fmt;

/// Number of one membership and assignment of a group; the first is 1, 0 before it, -1 stands for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub i32);

impl Generation {
    /// No generation: the caller is not a member.
    pub const NONE: Self = Self(-1);

    /// The generation after this one; wraps from `i32::MAX` to 0, never below.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.checked_add(1).unwrap_or(0))
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
