//! One run: a seed, from the first process to the verdict.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use panofleet_test_promises::Broken;

use crate::bus::BusSettings;
use crate::checker;
use crate::client::Clients;
use crate::faults::Rates;
use crate::fleet::Member;
use crate::machine;
use crate::mutant::Mutant;
use crate::nemesis::Nemesis;
use crate::random::Random;
use crate::roles::Role;
use crate::scenario::{Trouble, Workload};
use crate::world::{Server, World};

/// The world's time goes on in such steps; within one, processes do not see what others do.
const STEP: Duration = Duration::from_millis(20);
/// How long it may take, without trouble, until all is over.
const CALM_MAX: Duration = Duration::from_secs(240);
/// What is away is away so long: twice the lease, and more.
const AWAY: (Duration, Duration) = (Duration::from_secs(14), Duration::from_secs(42));
/// When the workers of a region that is cut off are back, each later than the one before: long after their leases would
/// have ended, and the first of them a heartbeat and more before the region is given up.
const REGION_BACK: Duration = Duration::from_secs(35);
const BACK_AFTER_ANOTHER: Duration = Duration::from_secs(7);
/// When every dispatcher dies, and others come to lead: while the region is cut off, and while its workers come back.
const LEADERS_DIE: [Duration; 2] = [Duration::from_secs(24), Duration::from_secs(39)];
/// Lines of the record that a failure shows.
const LINES_SHOWN: usize = 60;

/// What is to be run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// What everything is drawn from.
    pub seed: u64,
    /// The rule that is broken, if any.
    pub mutant: Option<Mutant>,
    /// Whether every line of the record is said at once.
    pub is_loud: bool,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The first promise that was broken.
    pub broken: Option<Broken>,
    /// The last lines of the record.
    pub last: Vec<String>,
    /// A digest of the whole record: the same seed gives the same.
    pub digest: String,
    /// Faults by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Jobs by the state that they are in at the end.
    pub jobs: BTreeMap<&'static str, u64>,
    /// Writes of jobs.
    pub writes: u64,
    /// Simulated time.
    pub length: Duration,
}

/// Runs a seed. It takes the thread over for ever, so let it end afterwards; and a process runs one seed only, because
/// tokio counts its runtimes over the life of a process.
pub fn run(plan: Plan, scratch: &Path) -> Verdict {
    machine::simulate(plan.seed);
    let trouble = Trouble::of(plan.seed);
    let mut random = Random::of(plan.seed ^ 0x5eed);
    let rates = match trouble {
        Trouble::Chaos => Rates::of_a_bad_day(&mut random),
        _ => Rates::NONE,
    };
    let world =
        World::new(machine::beginning(), random.next(), rates, (BusSettings::FLEET, plan.mutant));
    let workload = Workload::draw(&mut random, trouble);
    let mut shared = world.lock();
    shared.trace.is_loud = plan.is_loud;
    shared.checker.for_nothing = trouble.for_nothing();
    for (object, source) in workload.wishes.iter().filter_map(|wish| wish.source.clone()) {
        shared.store.objects.insert(object, Bytes::from(source));
    }
    drop(shared);
    let mut fleet = Fleet {
        members: Member::all(&mut random),
        clients: Clients::new(workload),
        nemesis: Nemesis::new(),
        trouble,
    };
    let length = fleet.run(&world, scratch);
    let mut shared = world.lock();
    if shared.checker.broken.is_none() {
        checker::conclude(&mut shared);
    }
    let verdict = Verdict {
        broken: shared.checker.broken.clone(),
        last: shared.trace.last(LINES_SHOWN),
        digest: shared.trace.digest(),
        faults: shared.faults.counts().clone(),
        jobs: shared.db.by_state(),
        writes: shared.checker.writes,
        length,
    };
    drop(shared);
    for member in &mut fleet.members {
        member.die(&world, length);
    }
    verdict
}

struct Fleet {
    members: Vec<Member>,
    clients: Clients,
    nemesis: Nemesis,
    trouble: Trouble,
}

impl Fleet {
    /// Runs until a promise is broken, or everything is over, or has had its time.
    fn run(&mut self, world: &World, scratch: &Path) -> Duration {
        let mut now = Duration::ZERO;
        let mut is_calm = false;
        loop {
            now += STEP;
            world.advance(now);
            self.trouble(world, now, &mut is_calm);
            self.clients.turn(world, &self.members, now);
            for member in &mut self.members {
                member.turn(world, scratch, now);
            }
            let mut shared = world.lock();
            checker::look(&mut shared);
            let is_over = is_calm && self.clients.are_done() && checker::is_over(&shared);
            if is_over || shared.checker.broken.is_some() || now >= self.trouble.length() + CALM_MAX
            {
                return now;
            }
        }
    }

    fn trouble(&mut self, world: &World, now: Duration, is_calm: &mut bool) {
        if now >= self.trouble.length() && !*is_calm {
            *is_calm = true;
            let mut shared = world.lock();
            shared.faults.end();
            shared.note(format_args!("the trouble is over"));
            drop(shared);
            for member in &mut self.members {
                member.frozen_until = member.frozen_until.map(|_| now);
                member.starts_at = member.starts_at.min(now + Duration::from_secs(1));
                member.skew_ms = 0;
            }
        }
        if *is_calm {
            return;
        }
        let begins = now == AWAY.0;
        match self.trouble {
            Trouble::Chaos => self.nemesis.turn(world, &mut self.members, now),
            Trouble::DatabaseAway if begins => away(world, Server::Db),
            Trouble::BusAway if begins => away(world, Server::Bus),
            Trouble::CollectorsAway if begins => {
                let collectors =
                    self.members.iter_mut().filter(|member| member.role == Role::Collector);
                for collector in collectors {
                    collector.die(world, now);
                    collector.starts_at = AWAY.1;
                    world.lock().faults.count("collector away");
                }
            }
            Trouble::RegionCut => self.cut_region(world, now),
            Trouble::DatabaseAway | Trouble::BusAway | Trouble::CollectorsAway => {}
        }
    }

    fn cut_region(&mut self, world: &World, now: Duration) {
        if now == AWAY.0 {
            let workers = self.members.iter().filter(|member| member.role == Role::Worker(0));
            for (nth, worker) in (0..).zip(workers) {
                let mut shared = world.lock();
                let until = REGION_BACK + nth * BACK_AFTER_ANOTHER;
                shared.faults.cut((worker.name, Server::Bus), until);
                shared.faults.count("worker of a region cut off");
                shared.note(format_args!("{} is cut off with its region", worker.name));
            }
        }
        if LEADERS_DIE.contains(&now) {
            let producers = self.members.iter_mut().filter(|member| member.role == Role::Producer);
            producers.for_each(|producer| producer.die(world, now));
            world.lock().faults.count("dispatchers killed");
        }
    }
}

fn away(world: &World, server: Server) {
    let mut shared = world.lock();
    shared.faults.take_down(server, AWAY.1);
    shared.faults.count("server away");
    shared.note(format_args!("the {} is away", server.name()));
}
