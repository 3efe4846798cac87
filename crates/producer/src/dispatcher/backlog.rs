//! How much there is to do, said by whoever leads.

use std::collections::BTreeMap;
use std::time::Duration;

use panofleet_bus::Queue;
use panofleet_job_schema::{Lane, Region, Timestamp};
use panofleet_jobs_db::{Backlog, JobsDbError, Pause, PauseTarget};
use tokio_util::sync::CancellationToken;

use super::Dispatcher;
use super::pausing::Pauses;
use crate::metrics;
use crate::scale::{Load, Readings};

/// Time between two looks: each reads every job that has not ended.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// States that are not the end.
const STATES: [&str; 6] = ["waiting", "queued", "sent", "running", "blocked", "closing"];
/// What jobs are counted under whose region the configuration does not name (any more): nobody sends them.
const UNCONFIGURED: &str = "unconfigured";

impl Dispatcher {
    /// Says how many jobs there are, and what is paused, until `shutdown`. A look that fails is left out.
    pub(super) async fn measure(&self, shutdown: &CancellationToken) {
        let gauges = Gauges { regions: &self.regions };
        loop {
            match self.look().await {
                Ok((now, backlog, pauses, readings)) => {
                    gauges.say(now, &backlog);
                    gauges.say_pauses(pauses);
                    self.say_scale(&readings);
                }
                Err(error) => tracing::debug!(%error, "the backlog is not known"),
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    async fn look(&self) -> Result<(Timestamp, Vec<Backlog>, Vec<Pause>, Readings), JobsDbError> {
        let (now, backlog) = (self.db.now().await?, self.db.backlog().await?);
        let (pauses, workers) = (self.db.pauses().await?, self.db.workers().await?);
        let crew = (workers, self.db.orders().await?);
        let readings = Readings::of(now, backlog.clone(), crew, pauses.clone());
        Ok((now, backlog, pauses, readings))
    }

    /// Says of each queue how many workers it has, and how many it should have.
    fn say_scale(&self, readings: &Readings) {
        for region in &self.regions {
            for lane in Lane::ALL {
                let queue = Queue { region: region.clone(), lane };
                let load = readings.load(&queue, &self.policy);
                metrics::scale(&queue, &load, load.desired(&self.api.scale));
            }
        }
    }
}

/// What is said of each queue. When it is dropped, all of it is 0: somebody else says it from then on.
struct Gauges<'a> {
    regions: &'a [Region],
}

impl Gauges<'_> {
    fn say(&self, now: Timestamp, backlog: &[Backlog]) {
        let mut jobs: BTreeMap<(&str, Lane, &str), u64> = BTreeMap::new();
        let mut oldest: BTreeMap<(&str, Lane), Duration> = BTreeMap::new();
        let named = self.regions.iter().map(Region::as_str).chain([UNCONFIGURED]);
        for queue in named.flat_map(|region| Lane::ALL.map(|lane| (region, lane))) {
            oldest.insert(queue, Duration::ZERO);
            jobs.extend(STATES.map(|state| ((queue.0, queue.1, state), 0)));
        }
        for row in backlog {
            let region = self.regions.iter().find(|region| **region == row.region);
            let region = region.map_or(UNCONFIGURED, Region::as_str);
            *jobs.entry((region, row.lane, row.state)).or_default() += row.jobs;
            if row.state == "queued" {
                let waits = oldest.entry((region, row.lane)).or_default();
                *waits = (*waits).max(now.since(row.oldest_accepted_at));
            }
        }
        for ((region, lane, state), count) in jobs {
            if let Some(state) = STATES.into_iter().find(|known| *known == state) {
                metrics::jobs((region, lane), state, count);
            }
        }
        for (queue, waits) in oldest {
            metrics::oldest_queued(queue, waits);
        }
    }

    fn say_pauses(&self, pauses: Vec<Pause>) {
        for kind in PauseTarget::KINDS {
            let count = pauses.iter().filter(|pause| pause.target.kind() == kind).count();
            metrics::pauses(kind, count);
        }
        let pauses = Pauses::of(pauses);
        for region in self.regions {
            for lane in Lane::ALL {
                let queue = Queue { region: region.clone(), lane };
                metrics::queue_paused(&queue, pauses.hold(&queue));
            }
        }
    }
}

impl Drop for Gauges<'_> {
    fn drop(&mut self) {
        self.say(Timestamp::from_millis(0), &[]);
        self.say_pauses(Vec::new());
        for region in self.regions {
            for lane in Lane::ALL {
                let queue = Queue { region: region.clone(), lane };
                metrics::scale(&queue, &Load::default(), 0);
            }
        }
    }
}
