//! Producer ids: given out from blocks that were durably reserved, so that none is ever given twice.

use units::{BrokerId, ProducerId};

/// The ids of one broker: its number in the upper 23 bits, a count in the lower 40; those of broker 0 begin at 0.
#[derive(Debug)]
pub(crate) struct ProducerIds {
    first: i64,
    /// The next to give, and the first that is not reserved.
    next: i64,
    end: i64,
    is_reserving: bool,
}

const COUNT_BITS: u32 = 40;

impl ProducerIds {
    pub(crate) fn new(broker: BrokerId) -> Self {
        let first = i64::from(broker.0.max(0) & ((1 << 23) - 1)) << COUNT_BITS;
        Self { first, next: first, end: first, is_reserving: false }
    }

    /// An id, if one is reserved.
    pub(crate) fn take(&mut self) -> Option<ProducerId> {
        let id = (self.next < self.end).then_some(ProducerId(self.next))?;
        self.next += 1;
        Some(id)
    }

    /// What to reserve: `block` more than what may be in use by the durable record `used`. `None` while a reservation is on its way.
    pub(crate) fn reserve(&mut self, used: Option<ProducerId>, block: i64) -> Option<ProducerId> {
        if std::mem::replace(&mut self.is_reserving, true) {
            return None;
        }
        self.next = used.map_or(self.first, |used| used.0).max(self.end);
        self.end = self.next;
        Some(ProducerId(self.next + block.max(1)))
    }

    pub(crate) fn on_reserved(&mut self, end: ProducerId) {
        (self.end, self.is_reserving) = (end.0, false);
    }

    pub(crate) fn on_not_reserved(&mut self) {
        self.is_reserving = false;
    }

    /// The partition of the reservations is not ours any more: what was reserved is not given out.
    pub(crate) fn forget(&mut self) {
        (self.end, self.is_reserving) = (self.next, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_given_only_once_and_only_when_reserved() {
        let mut ids = ProducerIds::new(BrokerId(0));
        assert_eq!(ids.take(), None);
        assert_eq!(ids.reserve(Some(ProducerId(7)), 2), Some(ProducerId(9)));
        assert_eq!((ids.reserve(None, 2), ids.take()), (None, None));
        ids.on_reserved(ProducerId(9));
        assert_eq!((ids.take(), ids.take(), ids.take()), (Some(ProducerId(7)), Some(ProducerId(8)), None));
        assert_eq!(ids.reserve(Some(ProducerId(9)), 2), Some(ProducerId(11)));
        ids.on_not_reserved();
        assert_eq!(ids.reserve(Some(ProducerId(9)), 2), Some(ProducerId(11)));
    }

    #[test]
    fn brokers_have_ids_of_their_own() {
        let mut ids = ProducerIds::new(BrokerId(3));
        let end = ids.reserve(None, 1).unwrap();
        ids.on_reserved(end);
        assert_eq!(ids.take(), Some(ProducerId(3 << 40)));
    }
}
