//! Where somebody stands in what is known, and what keys do. Nothing here waits for anything.

use std::time::Duration;

use panofleet_job_schema::{JobId, WorkerId};
use panofleet_jobs_db::PauseTarget;

use super::snapshot::{Rates, Snapshot};

/// A part of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tab {
    Overview,
    Running,
    Retries,
    Failures,
    Workers,
}

impl Tab {
    pub(crate) const ALL: [Self; 5] =
        [Self::Overview, Self::Running, Self::Retries, Self::Failures, Self::Workers];

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Running => "Running",
            Self::Retries => "Retries",
            Self::Failures => "Failures",
            Self::Workers => "Workers",
        }
    }

    const fn place(self) -> usize {
        match self {
            Self::Overview => 0,
            Self::Running => 1,
            Self::Retries => 2,
            Self::Failures => 3,
            Self::Workers => 4,
        }
    }
}

/// What is to be done, once somebody has said yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Cancel this job.
    Cancel(JobId),
    /// Have this job go now, before its time.
    RunNow(JobId),
    /// Have this job's worker let it go.
    Release(JobId),
    /// Start the ended jobs of this kind of failure anew.
    RetryGroup {
        /// Its fingerprint.
        failure: String,
        /// How many there were when it was asked.
        jobs: u64,
    },
    /// Have this worker finish what it has, and take no more.
    Drain(WorkerId),
    /// Have this worker take jobs again.
    Undrain(WorkerId),
    /// Send nothing more to this queue.
    Pause(PauseTarget),
    /// Send jobs to this queue again.
    Resume(PauseTarget),
}

impl Action {
    pub(crate) fn question(&self) -> String {
        match self {
            Self::Cancel(job) => format!("Cancel job {job}?"),
            Self::RunNow(job) => format!("Have job {job} go now?"),
            Self::Release(job) => {
                format!("Have the worker let job {job} go, so that it goes again?")
            }
            Self::RetryGroup { failure, jobs } => {
                format!("Start {jobs} ended jobs of failure {failure} anew?")
            }
            Self::Drain(worker) => format!("Have {worker} finish what it has, and take no more?"),
            Self::Undrain(worker) => format!("Have {worker} take jobs again?"),
            Self::Pause(queue) => format!("Send nothing more to {}?", queue.name()),
            Self::Resume(queue) => format!("Send jobs to {} again?", queue.name()),
        }
    }
}

/// A key that means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Quit,
    NextTab,
    TabBefore,
    /// The tab at this place, from 0.
    TabAt(usize),
    Down,
    Up,
    First,
    Last,
    Retry,
    Cancel,
    Release,
    Drain,
    Pause,
    Yes,
    /// Any other: it means no where something is asked.
    Other,
}

/// What is to follow a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Only draw.
    Draw,
    /// Do this.
    Do(Action),
    /// Leave.
    Quit,
}

/// What is shown, and where in it somebody stands.
#[derive(Clone, Debug)]
pub(crate) struct App {
    /// The address of the API.
    pub(crate) url: String,
    /// What was read last, if anything was.
    pub(crate) last: Option<Snapshot>,
    /// How fast jobs come and go.
    pub(crate) rates: Option<Rates>,
    /// How long ago that was.
    pub(crate) age: Duration,
    /// Why nothing was read since.
    pub(crate) trouble: Option<String>,
    /// What came of the last action.
    pub(crate) said: Option<String>,
    /// What waits for a yes.
    pub(crate) asked: Option<Action>,
    /// What is looked at.
    pub(crate) tab: Tab,
    rows: [usize; Tab::ALL.len()],
}

impl App {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            last: None,
            rates: None,
            age: Duration::ZERO,
            trouble: None,
            said: None,
            asked: None,
            tab: Tab::Overview,
            rows: [0; Tab::ALL.len()],
        }
    }

    /// News, or why there are none: what was known stays.
    pub(crate) fn news(&mut self, read: Result<Snapshot, String>) {
        match read {
            Ok(snapshot) => {
                self.rates = self.last.as_ref().and_then(|last| snapshot.rates_since(last));
                (self.last, self.trouble, self.age) = (Some(snapshot), None, Duration::ZERO);
            }
            Err(why) => self.trouble = Some(why),
        }
    }

    /// How many rows a tab has.
    fn rows_of(&self, tab: Tab) -> usize {
        let Some(last) = &self.last else { return 0 };
        match tab {
            Tab::Overview => last.queues.as_ref().map_or(0, Vec::len),
            Tab::Running => last.running.len(),
            Tab::Retries => last.retries.len(),
            Tab::Failures => last.failures.len(),
            Tab::Workers => last.workers.as_ref().map_or(0, Vec::len),
        }
    }

    /// The row that is chosen; rows may have gone since.
    pub(crate) fn row(&self) -> usize {
        let row = self.rows.get(self.tab.place()).copied().unwrap_or(0);
        row.min(self.rows_of(self.tab).saturating_sub(1))
    }

    fn go_to(&mut self, row: usize) {
        let row = row.min(self.rows_of(self.tab).saturating_sub(1));
        if let Some(place) = self.rows.get_mut(self.tab.place()) {
            *place = row;
        }
    }

    fn turn(&mut self, steps: usize) {
        let place = (self.tab.place() + steps) % Tab::ALL.len();
        self.tab = Tab::ALL.get(place).copied().unwrap_or(self.tab);
    }

    /// What a key does.
    pub(crate) fn press(&mut self, key: Key) -> Then {
        if let Some(action) = self.asked.take() {
            return if key == Key::Yes { Then::Do(action) } else { Then::Draw };
        }
        self.said = None;
        match key {
            Key::Quit => return Then::Quit,
            Key::NextTab => self.turn(1),
            Key::TabBefore => self.turn(Tab::ALL.len() - 1),
            Key::TabAt(place) => self.tab = Tab::ALL.get(place).copied().unwrap_or(self.tab),
            Key::Down => self.go_to(self.row() + 1),
            Key::Up => self.go_to(self.row().saturating_sub(1)),
            Key::First => self.go_to(0),
            Key::Last => self.go_to(usize::MAX),
            Key::Retry | Key::Cancel | Key::Release | Key::Drain | Key::Pause => {
                match self.action(key) {
                    Ok(action) => self.asked = Some(action),
                    Err(why) => self.said = Some(why.to_owned()),
                }
            }
            Key::Yes | Key::Other => {}
        }
        Then::Draw
    }

    /// What a key would do to the chosen row, or why it does nothing.
    fn action(&self, key: Key) -> Result<Action, &'static str> {
        let nothing = "there is nothing here that this key acts on";
        let last = self.last.as_ref().ok_or(nothing)?;
        let row = self.row();
        match (key, self.tab) {
            (Key::Cancel, Tab::Running) => {
                Ok(Action::Cancel(last.running.get(row).ok_or(nothing)?.id))
            }
            (Key::Cancel, Tab::Retries) => {
                Ok(Action::Cancel(last.retries.get(row).ok_or(nothing)?.id))
            }
            (Key::Retry, Tab::Failures) => {
                let group = last.failures.get(row).ok_or(nothing)?;
                let ended = |state| group.states.get(state).copied().unwrap_or(0);
                let jobs = ended("dead") + ended("expired");
                if jobs == 0 {
                    return Err("none of them has ended: each is tried again by itself");
                }
                if last.tenant.is_none() {
                    return Err("jobs are started anew for one tenant: start top with --tenant");
                }
                Ok(Action::RetryGroup { failure: group.fingerprint.clone(), jobs })
            }
            (Key::Retry, Tab::Retries) => {
                Ok(Action::RunNow(last.retries.get(row).ok_or(nothing)?.id))
            }
            (Key::Release, Tab::Running) => {
                Ok(Action::Release(last.running.get(row).ok_or(nothing)?.id))
            }
            (Key::Drain, Tab::Workers) => {
                let view = last.workers.as_ref().and_then(|workers| workers.get(row));
                let view = view.ok_or(nothing)?;
                let worker = view.info.worker.clone();
                Ok(if view.drain.is_some() {
                    Action::Undrain(worker)
                } else {
                    Action::Drain(worker)
                })
            }
            (Key::Pause, Tab::Overview) => {
                let queue = last.queues.as_ref().and_then(|queues| queues.get(row));
                let queue = queue.ok_or(nothing)?;
                let target = PauseTarget::Lane(queue.region.clone(), queue.lane);
                Ok(if queue.paused { Action::Resume(target) } else { Action::Pause(target) })
            }
            _ => Err(nothing),
        }
    }
}
