//! What befalls whole processes and servers while there is chaos.

use std::time::Duration;

use crate::db::end_sessions;
use crate::fleet::{Member, skew};
use crate::random::Random;
use crate::world::{Server, World};

/// How far a wall clock that is set wrong jumps, in milliseconds.
const JUMP_MS_MAX: u64 = 600_000;

/// Strikes at random times.
#[derive(Debug)]
pub(crate) struct Nemesis {
    next_at: Duration,
}

impl Nemesis {
    pub(crate) const fn new() -> Self {
        Self { next_at: Duration::from_secs(1) }
    }

    /// Strikes if it is time to.
    pub(crate) fn turn(&mut self, world: &World, members: &mut [Member], now: Duration) {
        if now < self.next_at {
            return;
        }
        let mut random = world.lock().random;
        self.next_at = now + random.millis(50, 1800);
        let index = usize::try_from(random.below(members.len() as u64)).unwrap_or(0);
        let struck = strike(world, &mut members[index], &mut random, now);
        let mut shared = world.lock();
        shared.random = random;
        shared.faults.count(struck);
        let name = members[index].name;
        shared.note(format_args!("nemesis: {struck} ({name})"));
    }
}

fn strike(world: &World, member: &mut Member, random: &mut Random, now: Duration) -> &'static str {
    match random.below(100) {
        // Wherever its tasks are when it has come to rest some times more.
        0..28 => {
            if let Some(process) = member.process() {
                process.kill_after(random.below(60));
            }
            "process killed"
        }
        28..33 => {
            member.terminate();
            "process asked to end"
        }
        33..45 => {
            member.frozen_until = Some(now + random.millis(100, 5000));
            "process frozen"
        }
        // Longer than the lease, the lock and every session.
        45..52 => {
            member.frozen_until = Some(now + random.millis(13_000, 25_000));
            "process frozen longer than its lease"
        }
        52..67 => {
            let server = *random.one_of(&Server::ALL);
            world.lock().faults.cut((member.name, server), now + random.millis(500, 16_000));
            "link cut"
        }
        67..75 => {
            let server = *random.one_of(&Server::ALL);
            world.lock().faults.take_down(server, now + random.millis(500, 8000));
            "server down"
        }
        75..82 => {
            let jump = random.between(0, 2 * JUMP_MS_MAX);
            member.skew_ms = if random.happens(5000) {
                skew(random)
            } else {
                i64::try_from(jump).unwrap_or(0) - i64::try_from(JUMP_MS_MAX).unwrap_or(0)
            };
            "wall clock set"
        }
        82..85 => {
            let ahead = if random.happens(2000) {
                random.millis(1000, 20_000)
            } else {
                random.millis(1, 2000)
            };
            world.lock().db.ahead += ahead;
            "database's clock set forward"
        }
        85..90 => {
            world.lock().bus.forget_locks();
            "locks forgotten"
        }
        90..95 => {
            world.lock().bus.rebalance();
            "readers rebalanced"
        }
        _ => {
            let process = random.happens(5000).then_some(member.name);
            end_sessions(&mut world.lock(), process);
            "database sessions ended"
        }
    }
}
