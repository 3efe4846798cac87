//! How much there is to do, said by whoever leads.

use std::collections::BTreeMap;
use std::time::Duration;

use panofleet_bus::Queue;
use panofleet_job_schema::job::State;
use panofleet_job_schema::{Lane, Region, Timestamp};
use panofleet_jobs_db::{Backlog, PauseTarget};
use tokio_util::sync::CancellationToken;

use super::Dispatcher;
use super::pausing::Pauses;
use crate::metrics;
use crate::scale::{Load, Readings};

/// Time between two looks: each reads every job that has not ended.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// What jobs are counted under whose region the configuration does not name (any more): nobody sends them.
const UNCONFIGURED: &str = "unconfigured";

impl Dispatcher {
    /// Says how many jobs there are, and what is paused, until `shutdown`. A look that fails is left out.
    pub(super) async fn measure(&self, shutdown: &CancellationToken) {
        let gauges = Gauges { regions: &self.regions };
        loop {
            match Readings::read(self.db.as_ref()).await {
                Ok(readings) => {
                    gauges.say(readings.now, &readings.backlog);
                    gauges.say_pauses(&readings.pauses);
                    gauges.say_scale(|queue| {
                        let load = readings.load(queue, &self.policy);
                        let wanted = load.desired(&self.api.scale);
                        (load, wanted)
                    });
                }
                Err(error) => tracing::debug!(%error, "the backlog is not known"),
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = shutdown.cancelled() => return,
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
            jobs.extend(State::OPEN_NAMES.map(|state| ((queue.0, queue.1, state), 0)));
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
            if let Some(state) = State::OPEN_NAMES.into_iter().find(|known| *known == state) {
                metrics::jobs((region, lane), state, count);
            }
        }
        for (queue, waits) in oldest {
            metrics::oldest_queued(queue, waits);
        }
    }

    fn say_pauses(&self, pauses: &Pauses) {
        for kind in PauseTarget::KINDS {
            metrics::pauses(kind, pauses.count(kind));
        }
        for queue in self.queues() {
            metrics::queue_paused(&queue, pauses.hold(&queue));
        }
    }

    /// Says of each queue how many workers it has, and how many it should have.
    fn say_scale(&self, load: impl Fn(&Queue) -> (Load, u32)) {
        for queue in self.queues() {
            let (load, wanted) = load(&queue);
            metrics::scale(&queue, &load, wanted);
        }
    }

    fn queues(&self) -> impl Iterator<Item = Queue> {
        let regions = self.regions.iter();
        regions.flat_map(|region| Lane::ALL.map(|lane| Queue { region: region.clone(), lane }))
    }
}

impl Drop for Gauges<'_> {
    fn drop(&mut self) {
        self.say(Timestamp::from_millis(0), &[]);
        self.say_pauses(&Pauses::default());
        self.say_scale(|_| (Load::default(), 0));
    }
}
