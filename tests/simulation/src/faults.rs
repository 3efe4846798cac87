//! What goes wrong, how often, and how often it has.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::random::Random;
use crate::world::Server;

/// How often each kind of fault strikes a call, in parts of 10,000.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rates {
    /// It never arrives.
    pub lost: u64,
    /// It is carried out, and its answer never arrives.
    pub answer_lost: u64,
    /// Its sender gives up on it, and it arrives after that.
    pub late: u64,
    /// It is refused for now, at once.
    pub turned_away: u64,
    /// It takes seconds, and is carried out.
    pub slow: u64,
    /// The caller is killed as it calls.
    pub killed_before: u64,
    /// The caller is killed while the answer is on its way.
    pub killed_after: u64,
}

impl Rates {
    /// What an ordinary bad day looks like.
    const BAD_DAY: Self = Self {
        lost: 200,
        answer_lost: 300,
        late: 120,
        turned_away: 120,
        slow: 250,
        killed_before: 5,
        killed_after: 10,
    };
    /// Nothing goes wrong.
    pub(crate) const NONE: Self = Self {
        lost: 0,
        answer_lost: 0,
        late: 0,
        turned_away: 0,
        slow: 0,
        killed_before: 0,
        killed_after: 0,
    };

    /// A bad day of its own kind: some faults not at all, some more often. Days on which everything goes wrong alike hide
    /// what only shows when little else does. (Groce, Zhang, Eide, Chen, Regehr, "Swarm Testing", ISSTA 2012.)
    pub(crate) fn of_a_bad_day(random: &mut Random) -> Self {
        let mut some = |parts: u64| parts * random.one_of(&[0, 1, 2, 2, 4]) / 2;
        let Self { lost, answer_lost, late, turned_away, slow, killed_before, killed_after } =
            Self::BAD_DAY;
        Self {
            lost: some(lost),
            answer_lost: some(answer_lost),
            late: some(late),
            turned_away: some(turned_away),
            slow: some(slow),
            killed_before: some(killed_before),
            killed_after: some(killed_after),
        }
    }
}

/// What becomes of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is carried out and answered.
    Good,
    /// See [`Rates`].
    Lost,
    /// See [`Rates`].
    AnswerLost,
    /// See [`Rates`].
    Late,
    /// See [`Rates`].
    TurnedAway,
    /// See [`Rates`].
    Slow,
    /// See [`Rates`].
    KilledBefore,
    /// See [`Rates`].
    KilledAfter,
}

/// What goes wrong now, and what has so far.
#[derive(Debug)]
pub(crate) struct Faults {
    rates: Rates,
    /// Links that are cut: a process, and the server that it does not reach, until when.
    cut: BTreeMap<(&'static str, Server), Duration>,
    /// Servers that are down, until when.
    down: BTreeMap<Server, Duration>,
    counts: BTreeMap<&'static str, u64>,
}

impl Faults {
    pub(crate) const fn new(rates: Rates) -> Self {
        Self { rates, cut: BTreeMap::new(), down: BTreeMap::new(), counts: BTreeMap::new() }
    }

    /// Draws what becomes of a call, and counts it.
    pub(crate) fn fate(&mut self, random: &mut Random) -> Fate {
        let Rates { lost, answer_lost, late, turned_away, slow, killed_before, killed_after } =
            self.rates;
        let mut drawn = random.below(10_000);
        for (parts, fate, name) in [
            (lost, Fate::Lost, "call lost"),
            (answer_lost, Fate::AnswerLost, "answer lost"),
            (late, Fate::Late, "call late"),
            (turned_away, Fate::TurnedAway, "call turned away"),
            (slow, Fate::Slow, "call slow"),
            (killed_before, Fate::KilledBefore, "killed at a call"),
            (killed_after, Fate::KilledAfter, "killed before an answer"),
        ] {
            if drawn < parts {
                self.count(name);
                return fate;
            }
            drawn -= parts;
        }
        Fate::Good
    }

    /// Counts a fault.
    pub(crate) fn count(&mut self, name: &'static str) {
        *self.counts.entry(name).or_default() += 1;
    }

    /// Until `until` a process does not reach a server.
    pub(crate) fn cut(&mut self, link: (&'static str, Server), until: Duration) {
        self.cut.insert(link, until);
    }

    /// Until `until` nobody reaches a server.
    pub(crate) fn take_down(&mut self, server: Server, until: Duration) {
        self.down.insert(server, until);
    }

    /// Whether a process reaches a server.
    pub(crate) fn reaches(&self, link: (&'static str, Server), now: Duration) -> bool {
        let over = |until: Option<&Duration>| until.is_none_or(|until| *until <= now);
        over(self.cut.get(&link)) && over(self.down.get(&link.1))
    }

    /// From now on nothing goes wrong.
    pub(crate) fn end(&mut self) {
        self.rates = Rates::NONE;
        self.cut.clear();
        self.down.clear();
    }

    /// How often each fault has struck.
    pub(crate) const fn counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.counts
    }
}

impl Faults {
    /// Whether a body breaks off half way.
    pub(crate) fn cuts_body(&mut self, random: &mut Random) -> bool {
        self.strikes(random, "body cut")
    }

    /// Whether a conditional put is turned away because another is said to be under way.
    pub(crate) fn collides(&mut self, random: &mut Random) -> bool {
        self.strikes(random, "conditional put collided")
    }

    /// Whether a child cannot be started.
    pub(crate) fn spawn_fails(&mut self, random: &mut Random) -> bool {
        self.strikes(random, "child not started")
    }

    /// As often as an answer is lost.
    fn strikes(&mut self, random: &mut Random, name: &'static str) -> bool {
        let strikes = self.rates.answer_lost > 0 && random.happens(self.rates.answer_lost);
        if strikes {
            self.count(name);
        }
        strikes
    }
}
