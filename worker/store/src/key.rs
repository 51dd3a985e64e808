//! Names of objects: what every store can hold, from a bucket to a folder.

use std::{fmt, sync::Arc};

/// Name of one object: segments of `A-Z a-z 0-9 - _ . =`, each 1 to 250 bytes and neither `.` nor `..`, joined by `/`;
/// 1 to 1024 bytes in all. Ordered by bytes. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

/// The text cannot name an object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("object key {text:?} {rule}")]
pub struct InvalidKey {
    /// The text, cut to 300 characters.
    pub text: String,
    /// The rule that it breaks.
    pub rule: &'static str,
}

impl Key {
    /// Longest key in bytes, as in S3.
    pub const MAX_BYTES: usize = 1024;
    /// Longest segment in bytes: a file name less what the folder store adds to it.
    pub const SEGMENT_MAX_BYTES: usize = 250;

    /// Checks `text` against the rules above.
    ///
    /// # Errors
    /// [`InvalidKey`] naming the rule.
    pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidKey> {
        let text = text.as_ref();
        match text.split('/').find_map(broken_segment_rule).or_else(|| broken_length_rule(text)) {
            Some(rule) => Err(InvalidKey::of(text, rule)),
            None => Ok(Self(text.into())),
        }
    }

    /// This key with `/` and `rest` behind it.
    ///
    /// # Errors
    /// [`InvalidKey`] where the whole breaks a rule.
    pub fn join(&self, rest: impl fmt::Display) -> Result<Self, InvalidKey> {
        Self::new(format!("{self}/{rest}"))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The segments, in order; there is at least one.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// The last segment.
    #[must_use]
    pub fn name(&self) -> &str {
        self.segments().next_back().expect("a split gives at least one piece")
    }
}

/// The beginning of keys: any text that some key can begin with, also in the midst of a segment; empty for all keys.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(Arc<str>);

impl Prefix {
    /// Checks that a key can begin with `text`.
    ///
    /// # Errors
    /// [`InvalidKey`] naming the rule.
    pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidKey> {
        let text = text.as_ref();
        if text.is_empty() {
            return Ok(Self::all());
        }
        let (whole, begun) = text.rsplit_once('/').map_or((None, text), |(whole, begun)| (Some(whole), begun));
        let broken = whole
            .and_then(|whole| whole.split('/').find_map(broken_segment_rule))
            .or_else(|| begun.bytes().find(|byte| !is_safe(*byte)).map(|_| UNSAFE_BYTE))
            .or_else(|| broken_length_rule(text));
        match broken {
            Some(rule) => Err(InvalidKey::of(text, rule)),
            None => Ok(Self(text.into())),
        }
    }

    /// The prefix of every key.
    #[must_use]
    pub fn all() -> Self {
        Self("".into())
    }

    /// The prefix of the keys that lie in the folder `key`: its text and a `/`.
    #[must_use]
    pub fn folder(key: &Key) -> Self {
        Self(format!("{key}/").into())
    }

    /// The prefix as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `key` begins with this.
    #[must_use]
    pub fn matches(&self, key: &Key) -> bool {
        key.0.starts_with(&*self.0)
    }
}

const UNSAFE_BYTE: &str = "has a character other than A-Z a-z 0-9 - _ . = /";

fn is_safe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'=')
}

fn broken_segment_rule(segment: &str) -> Option<&'static str> {
    match segment {
        "" => Some("has an empty segment"),
        "." | ".." => Some("has a segment that is . or .."),
        long if long.len() > Key::SEGMENT_MAX_BYTES => Some("has a segment of more than 250 bytes"),
        text if !text.bytes().all(is_safe) => Some(UNSAFE_BYTE),
        _ => None,
    }
}

fn broken_length_rule(text: &str) -> Option<&'static str> {
    (text.len() > Key::MAX_BYTES).then_some("is longer than 1024 bytes")
}

impl InvalidKey {
    fn of(text: &str, rule: &'static str) -> Self {
        Self { text: text.chars().take(300).collect(), rule }
    }
}

impl std::str::FromStr for Key {
    type Err = InvalidKey;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prefix({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_safe_segments_within_bounds() {
        for good in ["a", "ab/c.d/e=1", "..a/b", &"x".repeat(250), &["y".repeat(200).as_str(); 5].join("/")] {
            assert_eq!(Key::new(good).unwrap().as_str(), good);
        }
        let long = ["y".repeat(204).as_str(); 6].join("/");
        for bad in ["", "/a", "a/", "a//b", ".", "a/../b", "a b", "ä", "a\0", "a~", &"x".repeat(251), &long] {
            assert!(Key::new(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn a_prefix_may_end_within_a_segment() {
        for good in ["", "a", "a/", "a/b.", ".", "a/.."] {
            assert_eq!(Prefix::new(good).unwrap().as_str(), good);
        }
        for bad in ["/", "a//", "../a", "a b"] {
            assert!(Prefix::new(bad).is_err(), "{bad:?} was accepted");
        }
        assert!(Prefix::new("a/b").unwrap().matches(&Key::new("a/bc/d").unwrap()));
        assert!(!Prefix::folder(&Key::new("a/b").unwrap()).matches(&Key::new("a/bc/d").unwrap()));
    }
}
