//! Who holds which message of a queue: in memory, by the monotonic clock. The file says which messages there
//! are; this says which of them may be handed out.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

/// The locks of one queue.
#[derive(Debug, Default)]
pub(super) struct Locks {
    /// Messages below this have been handed out by this process, or were gone by then.
    cursor: u64,
    held: HashMap<u64, Held>,
    /// The held ones by the time at which they lapse.
    lapses: BTreeSet<(Instant, u64)>,
    /// Messages below the cursor that nobody holds: lapsed or released.
    returned: BTreeSet<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    delivery: u64,
    until: Instant,
}

impl Locks {
    /// Takes back what its holders did not settle in time.
    pub(super) fn lapse(&mut self, now: Instant) {
        while let Some(&(until, offset)) = self.lapses.first() {
            if until > now {
                return;
            }
            self.give_back(offset);
        }
    }

    /// When the next lock lapses.
    pub(super) fn next_lapse(&self) -> Option<Instant> {
        self.lapses.first().map(|(until, _)| *until)
    }

    /// Where messages begin that were never handed out by this process.
    pub(super) const fn cursor(&self) -> u64 {
        self.cursor
    }

    /// Messages that came back, oldest first.
    pub(super) fn returned(&self) -> impl Iterator<Item = u64> + '_ {
        self.returned.iter().copied()
    }

    /// Whether there is nothing to hand out in a queue that ends at `end`.
    pub(super) fn nothing_below(&self, end: u64) -> bool {
        self.returned.is_empty() && self.cursor >= end
    }

    /// Notes that a message was handed out.
    pub(super) fn hold(&mut self, offset: u64, delivery: u64, until: Instant) {
        self.forget(offset);
        self.cursor = self.cursor.max(offset + 1);
        self.held.insert(offset, Held { delivery, until });
        self.lapses.insert((until, offset));
    }

    /// Whether this handing out is the last one and has not lapsed.
    pub(super) fn holds(&self, offset: u64, delivery: u64, now: Instant) -> bool {
        self.held.get(&offset).is_some_and(|held| held.delivery == delivery && held.until > now)
    }

    /// Makes a held message available.
    pub(super) fn give_back(&mut self, offset: u64) {
        self.forget(offset);
        self.returned.insert(offset);
    }

    /// Notes that a message is gone from the file.
    pub(super) fn forget(&mut self, offset: u64) {
        self.cursor = self.cursor.max(offset + 1);
        self.returned.remove(&offset);
        if let Some(held) = self.held.remove(&offset) {
            self.lapses.remove(&(held.until, offset));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_lapsed_lock_gives_the_message_back_and_settles_nothing() {
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        let mut locks = Locks::default();
        locks.hold(7, 1, later);
        assert_eq!((locks.cursor(), locks.next_lapse()), (8, Some(later)));
        locks.lapse(now);
        assert!(locks.holds(7, 1, now) && locks.nothing_below(8));
        assert!(!locks.holds(7, 1, later), "the lock ends at its time, swept or not");
        locks.lapse(later);
        assert_eq!(locks.returned().collect::<Vec<_>>(), [7]);
        assert_eq!(locks.next_lapse(), None);
    }

    #[test]
    fn a_receipt_of_an_earlier_delivery_holds_nothing() {
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        let mut locks = Locks::default();
        locks.hold(0, 1, later);
        locks.give_back(0);
        locks.hold(0, 2, later);
        assert!(!locks.holds(0, 1, now) && locks.holds(0, 2, now));
        locks.forget(0);
        assert!(!locks.holds(0, 2, now) && locks.nothing_below(1) && locks.next_lapse().is_none());
    }
}
