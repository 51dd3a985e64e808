//! Names and numbers of the group protocol.

use std::{fmt, sync::Arc};

macro_rules! text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Arc<str>);

        impl $name {
            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

text!(
    /// Name of one member of a group, made by the coordinator; empty for a client that has none yet.
    MemberId
);
text!(
    /// `group.instance.id`: a name that outlives the process, for static membership (KIP-345).
    InstanceId
);

impl MemberId {
    /// The id of a client that has none yet.
    #[must_use]
    pub fn none() -> Self {
        Self::from("")
    }

    /// Whether the client has no id yet.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }
}

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
