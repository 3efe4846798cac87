//! The way from a process to a server, where calls get lost.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

use crate::faults::Fate;
use crate::world::{Server, Shared, World};

/// How long a caller waits for an answer that does not come, in milliseconds: from, to.
const PATIENCE_MS: (u64, u64) = (500, 3000);
/// How long a call takes each way, in milliseconds: from, to.
const LATENCY_MS: (u64, u64) = (0, 40);
/// How long a slow call takes, in milliseconds: from, to.
const SLOW_MS: (u64, u64) = (100, 4000);
/// How long after its sender has given up a call arrives, in milliseconds: from, to.
const LATE_MS: (u64, u64) = (1, 8000);

/// One process's way to one server.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    /// The world.
    pub world: World,
    /// Whose way it is.
    pub process: &'static str,
    /// Which life of the process.
    pub life: u32,
    /// The server.
    pub server: Server,
    /// Whether calls take time and may go wrong.
    pub has_network: bool,
    /// Kills the process.
    pub kill: Arc<Notify>,
}

/// No answer came: nobody knows whether the call was carried out.
#[derive(Clone, Debug)]
pub(crate) struct NoAnswer(pub(crate) String);

impl Link {
    /// Calls the server: `effect` is what it does there.
    pub(crate) async fn call<T, F>(&self, what: &'static str, mut effect: F) -> Result<T, NoAnswer>
    where
        T: Send + 'static,
        F: FnMut(&mut Shared) -> T + Send + 'static,
    {
        if !self.has_network {
            return Ok(effect(&mut self.world.enter()));
        }
        let (fate, there, back, patience) = self.draw(what);
        sleep(there).await;
        if fate == Fate::KilledBefore {
            return self.die().await;
        }
        if fate == Fate::TurnedAway {
            return Err(self.no_answer(what, "turned away"));
        }
        if !self.reaches() || fate == Fate::Lost {
            sleep(patience).await;
            return Err(self.no_answer(what, "no answer"));
        }
        if fate == Fate::Late {
            self.send_late(patience, effect);
            sleep(patience).await;
            return Err(self.no_answer(what, "no answer"));
        }
        let done = self.carry_out(matches!(fate, Fate::Good | Fate::Slow), &mut effect);
        match fate {
            Fate::KilledAfter => return self.die().await,
            Fate::AnswerLost => {
                sleep(patience).await;
                return Err(self.no_answer(what, "no answer"));
            }
            _ => sleep(back).await,
        }
        Ok(done)
    }

    fn carry_out<T>(&self, is_answered: bool, effect: &mut impl FnMut(&mut Shared) -> T) -> T {
        let mut world = self.world.enter();
        world.is_answered = is_answered;
        let done = effect(&mut world);
        world.is_answered = true;
        done
    }

    fn send_late<T>(
        &self,
        patience: Duration,
        mut effect: impl FnMut(&mut Shared) -> T + Send + 'static,
    ) {
        let mut world = self.world.enter();
        let after = world.random.millis(LATE_MS.0, LATE_MS.1);
        world.arrive_late(patience + after, move |shared| drop(effect(shared)));
    }

    fn reaches(&self) -> bool {
        let world = self.world.enter();
        world.is_alive(self.process, self.life)
            && world.faults.reaches((self.process, self.server), world.now)
    }

    fn draw(&self, what: &'static str) -> (Fate, Duration, Duration, Duration) {
        let mut world = self.world.enter();
        let Shared { random, faults, .. } = &mut *world;
        let fate = faults.fate(random);
        let slow =
            if fate == Fate::Slow { random.millis(SLOW_MS.0, SLOW_MS.1) } else { Duration::ZERO };
        let there = random.millis(LATENCY_MS.0, LATENCY_MS.1) + slow;
        let back = random.millis(LATENCY_MS.0, LATENCY_MS.1);
        let patience = random.millis(PATIENCE_MS.0, PATIENCE_MS.1);
        if !matches!(fate, Fate::Good | Fate::Slow) {
            let (process, server) = (self.process, self.server.name());
            world.note(format_args!("{process} → {server}: {what}: {fate:?}"));
        }
        (fate, there, back, patience)
    }

    fn no_answer(&self, what: &str, why: &str) -> NoAnswer {
        NoAnswer(format!("{why} from the simulated {} to {what}", self.server.name()))
    }

    async fn die<T>(&self) -> T {
        self.kill.notify_one();
        std::future::pending().await
    }
}
