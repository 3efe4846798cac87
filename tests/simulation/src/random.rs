//! The one source of chance: what a seed makes of a run is all drawn from here, in order.

use std::time::Duration;

/// `SplitMix64`. (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.)
#[derive(Clone, Copy, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The numbers of a seed.
    pub(crate) const fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number of [0, `below`); `below` is at least 1.
    pub(crate) const fn below(&mut self, below: u64) -> u64 {
        self.next() % below
    }

    /// A number of [`from`, `to`].
    pub(crate) const fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from + 1)
    }

    /// A time of [`from_ms`, `to_ms`], in milliseconds.
    pub(crate) const fn millis(&mut self, from_ms: u64, to_ms: u64) -> Duration {
        Duration::from_millis(self.between(from_ms, to_ms))
    }

    /// Whether something happens that does so `parts` times in 10,000.
    pub(crate) const fn happens(&mut self, parts: u64) -> bool {
        self.below(10_000) < parts
    }

    /// One of some things; there is at least one.
    pub(crate) fn one_of<'a, T>(&mut self, things: &'a [T]) -> &'a T {
        let index = self.below(things.len() as u64);
        &things[usize::try_from(index).unwrap_or(0)]
    }
}
