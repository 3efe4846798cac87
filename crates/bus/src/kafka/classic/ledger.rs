//! What a member of a classic group knows of one partition: which messages are settled, in whose hands, and handed out
//! how often.
//!
//! A classic group keeps one number for each partition, the offset up to which everything is settled, and a note of
//! at most 4096 bytes. The note says what is to be known of the messages above that offset, so that nothing is lost
//! with the member: whoever has the partition next goes on from there.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use bytes::Bytes;

/// Messages above the first that is not settled. The note of so many, at ten bytes each at most, is short enough.
pub(super) const WINDOW: usize = 400;

/// One partition.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// The offset after the last that arrived.
    next: u64,
    /// What is not settled, and what is settled above it.
    entries: BTreeMap<u64, Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    /// `None` until it arrives.
    payload: Option<Bytes>,
    /// How often it was handed out.
    deliveries: u32,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    /// In somebody's hands, until then.
    Held(Instant),
    Settled,
}

/// A message that is handed out.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) offset: u64,
    pub(super) deliveries: u32,
    pub(super) payload: Bytes,
}

impl Ledger {
    /// A partition that is settled below `position`, with the note of who had it last. Whoever held a message then has
    /// it for a whole lock from now: how much of it is over, nobody can say.
    pub(super) fn resume(position: u64, note: &str, locked_until: Instant) -> Self {
        let mut ledger = Self { next: position, entries: BTreeMap::new() };
        for (above, deliveries, state) in read(note) {
            let state = match state {
                's' => State::Settled,
                'h' => State::Held(locked_until),
                _ => State::Free,
            };
            let entry = Entry { payload: None, deliveries, state };
            ledger.entries.insert(position + above, entry);
        }
        ledger
    }

    /// Takes in a message that the broker gave.
    pub(super) fn arrive(&mut self, offset: u64, payload: Bytes) {
        if offset < self.next {
            return;
        }
        // What retention deleted in between does not come any more.
        self.entries.retain(|at, entry| *at >= offset || entry.payload.is_some());
        self.next = offset + 1;
        let new = Entry { payload: None, deliveries: 0, state: State::Free };
        let entry = self.entries.entry(offset).or_insert(new);
        entry.payload = Some(payload);
        self.forget();
    }

    /// Hands out up to `max` messages that nobody has, the oldest first.
    pub(super) fn take(&mut self, max: usize, now: Instant, lock: Duration) -> Vec<Taken> {
        let mut taken = Vec::new();
        for (offset, entry) in &mut self.entries {
            let free = match entry.state {
                State::Free => true,
                State::Held(until) => until <= now,
                State::Settled => false,
            };
            if taken.len() == max || !free {
                continue;
            }
            if let Some(payload) = entry.payload.clone() {
                entry.state = State::Held(now + lock);
                entry.deliveries += 1;
                taken.push(Taken { offset: *offset, deliveries: entry.deliveries, payload });
            }
        }
        taken
    }

    /// Takes a handing out back: it did not happen.
    pub(super) fn untake(&mut self, offset: u64) {
        if let Some(entry) = self.entries.get_mut(&offset) {
            entry.state = State::Free;
            entry.deliveries = entry.deliveries.saturating_sub(1);
        }
    }

    /// Consumes a message, or gives it back.
    pub(super) fn settle(&mut self, offset: u64, consume: bool) {
        if let Some(entry) = self.entries.get_mut(&offset) {
            entry.state = if consume { State::Settled } else { State::Free };
        }
    }

    /// Puts a message back into the hands that it was in.
    pub(super) fn hold(&mut self, offset: u64, until: Instant) {
        if let Some(entry) = self.entries.get_mut(&offset) {
            entry.state = State::Held(until);
        }
    }

    /// When the next lock lapses.
    pub(super) fn next_lapse(&self) -> Option<Instant> {
        let held = self.entries.values().filter_map(|entry| match entry.state {
            State::Held(until) => Some(until),
            State::Free | State::Settled => None,
        });
        held.min()
    }

    /// How many messages could be handed out now, and how many bytes they are.
    pub(super) fn free(&self) -> (usize, usize) {
        let free = self.entries.values().filter(|entry| entry.state == State::Free);
        let sizes = free.filter_map(|entry| Some(entry.payload.as_ref()?.len()));
        sizes.fold((0, 0), |(count, bytes), size| (count + 1, bytes + size))
    }

    /// Whether no more is to come for now: the note would not hold it.
    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= WINDOW
    }

    /// What is to be committed: the offset below which everything is settled, and the note.
    pub(super) fn note(&mut self) -> (u64, String) {
        self.forget();
        let first = self.entries.first_key_value().map_or(self.next, |(offset, _)| *offset);
        let position = first.min(self.next); // What has not arrived is not settled either.
        let mut note = String::new();
        for (offset, entry) in &self.entries {
            let state = match entry.state {
                State::Settled => 's',
                State::Held(_) => 'h',
                State::Free if entry.deliveries > 0 => 'f',
                State::Free => continue,
            };
            let (above, deliveries) = (offset - position, entry.deliveries);
            write!(note, "{above}{state}{deliveries} ")
                .expect("a string takes whatever is written");
        }
        (position, note)
    }

    /// Forgets what is settled below everything else.
    fn forget(&mut self) {
        while let Some(first) = self.entries.first_entry()
            && first.get().state == State::Settled
            && *first.key() < self.next
        {
            first.remove();
        }
    }
}

/// Whether a note says of a message so far above its position that it is settled.
pub(super) fn is_settled(note: &str, above: u64) -> bool {
    read(note).any(|(at, _, state)| at == above && state == 's')
}

/// The words of a note: how far above the position, how often handed out, and `s`ettled, `h`eld or `f`ree. Somebody
/// else's note says nothing.
fn read(note: &str) -> impl Iterator<Item = (u64, u32, char)> {
    note.split_whitespace().map_while(|word| {
        let at = word.find(['s', 'h', 'f'])?;
        let (above, rest) = word.split_at_checked(at)?;
        let (state, deliveries) = rest.split_at_checked(1)?;
        Some((above.parse().ok()?, deliveries.parse().ok()?, state.chars().next()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: Duration = Duration::from_secs(10);

    fn ledger(messages: u64) -> Ledger {
        let mut ledger = Ledger::default();
        for offset in 0..messages {
            ledger.arrive(offset, Bytes::from(offset.to_string()));
        }
        ledger
    }

    fn offsets(taken: &[Taken]) -> Vec<(u64, u32)> {
        taken.iter().map(|taken| (taken.offset, taken.deliveries)).collect()
    }

    #[test]
    fn what_is_held_is_handed_out_again_when_its_lock_lapses_only() {
        let (mut ledger, now) = (ledger(3), Instant::now());
        assert_eq!(offsets(&ledger.take(2, now, LOCK)), [(0, 1), (1, 1)]);
        assert_eq!(offsets(&ledger.take(9, now, LOCK)), [(2, 1)]);
        ledger.settle(1, true);
        ledger.settle(2, false);
        assert_eq!(offsets(&ledger.take(9, now, LOCK)), [(2, 2)]);
        assert_eq!(offsets(&ledger.take(9, now + LOCK, LOCK)), [(0, 2), (2, 3)]);
        ledger.untake(0);
        assert_eq!(offsets(&ledger.take(9, now, LOCK)), [(0, 2)]);
    }

    #[test]
    fn whoever_has_the_partition_next_knows_what_the_last_one_knew() {
        let (mut before, now) = (ledger(6), Instant::now());
        before.take(5, now, LOCK);
        for (offset, consume) in [(0, true), (2, true), (3, false)] {
            before.settle(offset, consume);
        }
        let (position, note) = before.note();
        assert_eq!((position, &*note), (1, "0h1 1s1 2f1 3h1 "));
        assert!(is_settled(&note, 1) && !is_settled(&note, 0) && !is_settled(&note, 4));

        let mut after = Ledger::resume(position, &note, now + LOCK);
        for offset in position..8 {
            after.arrive(offset, Bytes::from_static(b"x"));
        }
        assert_eq!(offsets(&after.take(9, now, LOCK)), [(3, 2), (5, 1), (6, 1), (7, 1)]);
        assert_eq!(offsets(&after.take(9, now + LOCK, LOCK)).first(), Some(&(1, 2)));
    }

    #[test]
    fn the_position_moves_over_what_is_settled_and_what_is_gone() {
        let (mut ledger, now) = (ledger(3), Instant::now());
        ledger.take(3, now, LOCK);
        ledger.settle(2, true);
        assert_eq!(ledger.note().0, 0);
        ledger.settle(0, true);
        ledger.settle(1, true);
        assert_eq!(ledger.note(), (3, String::new()));
        let mut ledger = Ledger::resume(3, "1s1 ", now + LOCK);
        assert_eq!(ledger.note(), (3, "1s1 ".to_owned()), "the first did not arrive yet");
        let mut ledger = Ledger::resume(3, "0h1 1s1 7h2 ", now + LOCK);
        ledger.arrive(9, Bytes::new());
        assert_eq!(ledger.note().0, 9, "retention deleted the rest");
    }

    #[test]
    fn the_longest_note_fits_and_others_say_nothing() {
        let (mut ledger, now) = (ledger(WINDOW as u64), Instant::now());
        assert!(ledger.is_full());
        for turn in 0..10 {
            ledger.take(WINDOW, now + LOCK * turn, LOCK);
        }
        (1..WINDOW as u64).step_by(2).for_each(|offset| ledger.settle(offset, true));
        let note = ledger.note().1;
        assert!(note.len() <= 4096, "{} bytes", note.len());
        assert_eq!(read(&note).count(), WINDOW);
        for foreign in ["", "hello", "1h", "h1", "12345678901234567890123h1", "ü1s1"] {
            assert_eq!(read(foreign).count(), 0, "{foreign}");
        }
    }
}
