//! The fleet's processes as the world has them: alive, frozen, dead until they are started again.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use panofleet_test_promises::Promise;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::link::Link;
use crate::process::{Process, Turn};
use crate::random::Random;
use crate::roles::{self, Main, PROCESSES, Role, Start};
use crate::world::{Server, World};

/// The wall clock of a process is this much wrong at most, in milliseconds.
const SKEW_MS_MAX: u64 = 3000;

/// A process, over all its lives.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    process: Option<Process>,
    life: u32,
    /// One for each tenant, if it is a producer that lives.
    routers: Vec<Router>,
    shutdown: CancellationToken,
    pub(crate) frozen_until: Option<Duration>,
    pub(crate) starts_at: Duration,
    pub(crate) skew_ms: i64,
}

impl Member {
    fn new((name, role): (&'static str, Role), random: &mut Random) -> Self {
        Self {
            name,
            role,
            process: None,
            life: 0,
            routers: Vec::new(),
            shutdown: CancellationToken::new(),
            frozen_until: None,
            starts_at: random.millis(0, 300),
            skew_ms: skew(random),
        }
    }

    /// Every process of the fleet.
    pub(crate) fn all(random: &mut Random) -> Vec<Self> {
        PROCESSES.map(|process| Self::new(process, random)).into()
    }

    /// The process and its API for a tenant, if it can answer now.
    pub(crate) fn api(&self, tenant: usize) -> Option<(&Process, Router)> {
        Some((self.process.as_ref()?, self.routers.get(tenant)?.clone()))
    }

    /// The process, if it lives.
    pub(crate) const fn process(&self) -> Option<&Process> {
        self.process.as_ref()
    }

    /// Asks it to end by itself.
    pub(crate) fn terminate(&self) {
        self.shutdown.cancel();
    }

    /// Lets it live until `now`, in whatever way it does at the moment.
    pub(crate) fn turn(&mut self, world: &World, scratch: &Path, now: Duration) {
        if let Some(until) = self.frozen_until {
            if until > now {
                return;
            }
            self.frozen_until = None;
            if let Some(process) = &mut self.process {
                process.leap(now, self.skew_ms);
                world.lock().note(format_args!("{} goes on", self.name));
            }
        }
        if self.process.is_none() && self.starts_at <= now {
            self.start(world, scratch, now);
        }
        let Some(process) = &mut self.process else { return };
        match process.run_until(now, self.skew_ms) {
            Turn::Over => {}
            Turn::Killed => self.die(world, now),
            Turn::Ended(Ok(())) if self.shutdown.is_cancelled() => self.die(world, now),
            Turn::Ended(ended) => {
                let how = format!("{} ended: {ended:?}", self.name);
                world.lock().checker.fail(Promise::ProcessesGoOn, how);
                self.die(world, now);
            }
        }
    }

    fn start(&mut self, world: &World, scratch: &Path, now: Duration) {
        self.life += 1;
        let mut shared = world.lock();
        shared.begin_life(self.name, self.life);
        shared.note(format_args!("{} starts", self.name));
        drop(shared);
        let kill = Arc::new(Notify::new());
        self.shutdown = CancellationToken::new();
        let (process, life, server) = (self.name, self.life, Server::Bus);
        let (has_network, world) = (true, world.clone());
        let link = Link { world, process, life, server, has_network, kill: Arc::clone(&kill) };
        let start = Start { link, scratch, shutdown: self.shutdown.clone() };
        let main: Main = match self.role {
            Role::Producer => {
                let (main, routers) = roles::producer(&start);
                self.routers = routers;
                main
            }
            Role::Collector => roles::collector(&start),
            Role::Worker(place) => roles::worker(&start, place),
        };
        self.process = Some(Process::start(now, self.skew_ms, kill, main));
    }

    /// It is dead; it comes back some time later.
    pub(crate) fn die(&mut self, world: &World, now: Duration) {
        let mut shared = world.lock();
        shared.end_life(self.name);
        shared.note(format_args!("{} is dead", self.name));
        self.starts_at = now + shared.random.millis(50, 5000);
        if shared.random.happens(1000) {
            self.starts_at += shared.random.millis(5000, 25_000);
        }
        drop(shared);
        self.routers.clear();
        self.frozen_until = None;
        self.process = None;
    }
}

/// How far a wall clock is ahead, in milliseconds.
pub(crate) fn skew(random: &mut Random) -> i64 {
    let skew = random.between(0, 2 * SKEW_MS_MAX);
    i64::try_from(skew).unwrap_or(0) - i64::try_from(SKEW_MS_MAX).unwrap_or(0)
}
