//! One watch's list: what is in it so far, and whether there was a whole one.

use std::collections::HashSet;

use crate::resource::Key;

/// The state of a watch's list.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    open: Option<(HashSet<Key>, u64)>,
    was_whole: bool,
}

impl Listing {
    pub(crate) fn begin(&mut self) {
        self.open = Some((HashSet::new(), 0));
    }

    pub(crate) fn add(&mut self, (key, version): (Key, u64)) {
        let (keys, newest) = self.open.get_or_insert_with(Default::default);
        *newest = (*newest).max(version);
        keys.insert(key);
    }

    /// What was listed, and its newest version; `None` where no list was begun.
    pub(crate) fn end(&mut self) -> Option<(HashSet<Key>, u64)> {
        self.was_whole = true;
        self.open.take()
    }

    pub(crate) fn was_whole(&self) -> bool {
        self.was_whole
    }
}
