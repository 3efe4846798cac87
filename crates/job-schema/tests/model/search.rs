//! Breadth first over every world that can be reached, then backwards from the ends.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::time::{Duration, Instant};

use crate::canonical::canonical;
use crate::jobs::Jobs;
use crate::promises::{self, Promise};
use crate::steps::{Action, Step};
use crate::world::World;

/// What a search came to.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) states: usize,
    pub(crate) steps: usize,
    pub(crate) took: Duration,
    /// Whether every state was looked at.
    pub(crate) complete: bool,
    pub(crate) violation: Option<Violation>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, steps, took, complete, violation } = self;
        write!(f, "{states:>9} states {steps:>9} steps {:>6.2} s", took.as_secs_f64())?;
        if !complete && violation.is_none() {
            write!(f, ", given up")?;
        }
        violation.iter().try_for_each(|violation| write!(f, ", {violation}"))
    }
}

/// A broken promise and the shortest way there.
#[derive(Debug)]
pub(crate) struct Violation {
    pub(crate) promise: Promise,
    pub(crate) trace: Vec<Action>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}:", self.promise)?;
        self.trace.iter().try_for_each(|action| write!(f, " {action:?}"))
    }
}

/// Looks at every world that can be reached from `first`, up to `states_max`; ends at the first broken promise.
pub(crate) fn search(
    jobs: &mut Jobs,
    first: World,
    states_max: usize,
    mut steps_of: impl FnMut(&mut Jobs, &World, &mut Vec<Step>),
) -> Found {
    let begun = Instant::now();
    let mut seen = Seen::new();
    seen.add(canonical(jobs, &first), None);
    let (mut steps, mut ways) = (Vec::new(), Vec::new());
    let (mut counted, mut next, mut violation) = (0, 0, None);
    while next < seen.worlds.len() && seen.worlds.len() <= states_max && violation.is_none() {
        let from = next as u32;
        let world = seen.worlds[next];
        next += 1;
        steps_of(jobs, &world, &mut steps);
        counted += steps.len();
        for step in &steps {
            if let Some(promise) = promises::broken(jobs, &world, step) {
                violation = Some(Violation { promise, trace: seen.trace(from, Some(step.action)) });
                break;
            }
            let to = seen.add(canonical(jobs, &step.after), Some((from, step.action)));
            if !step.is_fault {
                ways.push((to, from));
            }
        }
    }
    let complete = next == seen.worlds.len() && violation.is_none();
    if complete {
        violation = stuck(jobs, &seen, &mut ways).map(|world| Violation {
            promise: Promise::EveryJobEnds,
            trace: seen.trace(world, None),
        });
    }
    Found { states: seen.worlds.len(), steps: counted, took: begun.elapsed(), complete, violation }
}

/// A world from which no end can be reached without a fault. `ways` are steps without faults: to, from.
fn stuck(jobs: &Jobs, seen: &Seen, ways: &mut [(u32, u32)]) -> Option<u32> {
    ways.sort_unstable();
    let count = seen.worlds.len();
    let mut begins = vec![0_usize; count + 1];
    for (to, _) in ways.iter() {
        begins[*to as usize + 1] += 1;
    }
    for world in 0..count {
        begins[world + 1] += begins[world];
    }
    let is_end = |world: &World| jobs.facts(world.job).is_terminal();
    let mut good: Vec<bool> = seen.worlds.iter().map(is_end).collect();
    let mut open: Vec<usize> = (0..count).filter(|world| good[*world]).collect();
    while let Some(world) = open.pop() {
        for (_, from) in &ways[begins[world]..begins[world + 1]] {
            if !std::mem::replace(&mut good[*from as usize], true) {
                open.push(*from as usize);
            }
        }
    }
    good.iter().position(|good| !good).map(|world| world as u32)
}

/// Every world that was reached, once, and how. The table holds 4 bytes a slot and compares with the worlds.
struct Seen {
    worlds: Vec<World>,
    ways: Vec<Option<(u32, Action)>>,
    table: Vec<u32>,
}

const EMPTY: u32 = u32::MAX;

impl Seen {
    fn new() -> Self {
        Self { worlds: Vec::new(), ways: Vec::new(), table: vec![EMPTY; 1 << 12] }
    }

    /// The number of a world; a new one if it was not seen before.
    fn add(&mut self, world: World, way: Option<(u32, Action)>) -> u32 {
        if self.worlds.len() * 2 >= self.table.len() {
            self.grow();
        }
        let slot = self.slot(&world);
        if self.table[slot] == EMPTY {
            self.table[slot] = u32::try_from(self.worlds.len()).expect("fewer than 2^32 worlds");
            self.worlds.push(world);
            self.ways.push(way);
        }
        self.table[slot]
    }

    /// Where the world is, or would be.
    fn slot(&self, world: &World) -> usize {
        let mask = self.table.len() - 1;
        let mut hasher = Mixer(0);
        world.hash(&mut hasher);
        let mut slot = (hasher.finish() >> 20) as usize & mask;
        while self.table[slot] != EMPTY && self.worlds[self.table[slot] as usize] != *world {
            slot = (slot + 1) & mask;
        }
        slot
    }

    fn grow(&mut self) {
        self.table = vec![EMPTY; self.table.len() * 4];
        for number in 0..self.worlds.len() {
            let slot = self.slot(&self.worlds[number]);
            self.table[slot] = number as u32;
        }
    }

    fn trace(&self, world: u32, last: Option<Action>) -> Vec<Action> {
        let mut trace: Vec<Action> = last.into_iter().collect();
        let mut at = world;
        while let Some((from, action)) = self.ways[at as usize] {
            trace.push(action);
            at = from;
        }
        trace.reverse();
        trace
    }
}

/// Multiplies and rotates: worlds are no enemies, and there are many.
#[derive(Default)]
pub(crate) struct Mixer(u64);

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        (self.0 ^ self.0 >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(byte.into());
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.write_u64(word as u64);
    }
}
