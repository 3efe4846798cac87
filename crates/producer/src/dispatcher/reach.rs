//! Regions that are cut off: their workers fell silent together.
//!
//! One worker that falls silent has died, or as good as. When all of a region do, at least two and within one lease of each
//! other, it is far more likely that nobody can hear them: they run on, and what they were given would be done twice
//! if it were sent again. So for `policy.region_patience` nothing is concluded from their silence; and when one of them is
//! heard of again, all have a lease to speak in. A region of one worker gets no such patience: there, silence tells nothing
//! that it does not tell of a single worker.
//!
//! Whether a region is silent is read from the workers' rows, so every dispatcher comes to the same conclusion. When it
//! was heard of again is what the leader remembers. One that has just begun to lead does not know that; it takes a region
//! of which only some workers are heard for one that is coming back.

use std::collections::BTreeMap;
use std::time::Duration;

use panofleet_job_schema::policy::Policy;
use panofleet_job_schema::{Region, Timestamp};
use panofleet_jobs_db::WorkerRow;
use tokio_util::sync::CancellationToken;

use super::{Dispatcher, TurnError};
use crate::metrics;

/// Time between two looks at what is to be said of regions.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// When the workers of a region were last heard of, if they are several and fell silent together, should they be silent.
fn last_of_several<'a>(
    workers: impl Iterator<Item = &'a WorkerRow>,
    policy: &Policy,
) -> Option<Timestamp> {
    // Who drained and held nothing has most likely ended.
    let stay = workers.filter(|row| !row.worker.draining || !row.claims.is_empty());
    let beats: Vec<Timestamp> = stay.map(|row| row.beat_at).collect();
    let last = beats.iter().copied().max()?;
    let together = beats.iter().filter(|beat_at| last.since(**beat_at) < policy.lease.0);
    (together.count() > 1).then_some(last)
}

/// Without any sign of life from a region for this long, it is silent: before the first lease of a worker ends that was
/// cut off with the others, though its last heartbeat came up to one heartbeat before theirs; and later than the next
/// heartbeat of any of them is due.
fn quiet(policy: &Policy) -> Duration {
    policy.lease.0.saturating_sub(policy.heartbeat.0 * 3 / 2)
}

/// Whether a region whose several workers were last heard of at `last` is taken for cut off at `now`.
fn is_cut_off(last: Timestamp, now: Timestamp, policy: &Policy) -> bool {
    let silent = now.since(last);
    silent >= quiet(policy) && silent < policy.region_patience.0
}

/// Whether a worker is one of those of a region that is cut off.
pub(crate) fn is_unreachable(
    row: &WorkerRow,
    workers: &[WorkerRow],
    now: Timestamp,
    policy: &Policy,
) -> bool {
    last_of_several(of(&row.worker.region, workers), policy).is_some_and(|last| {
        is_cut_off(last, now, policy) && last.since(row.beat_at) < policy.lease.0
    })
}

fn of<'a>(region: &Region, workers: &'a [WorkerRow]) -> impl Iterator<Item = &'a WorkerRow> {
    workers.iter().filter(move |row| row.worker.region == *region)
}

/// What a leader knows of the regions' silence.
#[derive(Debug, Default)]
pub(super) struct Reach {
    regions: BTreeMap<Region, Heard>,
}

/// What was heard of a region at the last look.
#[derive(Clone, Copy, Debug)]
struct Heard {
    last: Timestamp,
    /// When it was found to be back from its last silence.
    back_at: Option<Timestamp>,
}

impl Reach {
    /// Takes note of who was heard of by `now`. Gives for each region that is cut off, or was, the time before which nothing
    /// may be concluded from silence.
    pub(super) fn look(
        &mut self,
        regions: &[Region],
        workers: &[WorkerRow],
        now: Timestamp,
        policy: &Policy,
    ) -> BTreeMap<Region, Timestamp> {
        let mut excused = BTreeMap::new();
        if policy.region_patience.0.is_zero() {
            return excused;
        }
        for region in regions {
            let Some(last) = of(region, workers).map(|row| row.beat_at).max() else { continue };
            let before = self.regions.get(region);
            let is_back = match before {
                Some(before) => last.since(before.last) >= quiet(policy),
                None => may_be_coming_back(of(region, workers), now, policy),
            };
            let back_at =
                if is_back { Some(now) } else { before.and_then(|before| before.back_at) };
            self.regions.insert(region.clone(), Heard { last, back_at });
            let silent_since = last_of_several(of(region, workers), policy)
                .filter(|last| is_cut_off(*last, now, policy));
            let excused_at = match silent_since {
                // The last lease ends when patience does.
                Some(last) => {
                    Some(now.min(last + policy.region_patience.0 - policy.lease.0)).max(back_at)
                }
                None => back_at,
            };
            excused.extend(excused_at.map(|at| (region.clone(), at)));
        }
        excused
    }
}

/// Whether some workers of a region are heard of, and others fell silent not too long ago: a region is back before
/// patience is over, and then has a lease to speak in.
fn may_be_coming_back<'a>(
    workers: impl Iterator<Item = &'a WorkerRow>,
    now: Timestamp,
    policy: &Policy,
) -> bool {
    let silent: Vec<Duration> = workers.map(|row| now.since(row.beat_at)).collect();
    let (quiet, long) = (quiet(policy), policy.region_patience.0 + policy.lease.0);
    silent.iter().any(|silent| *silent < quiet)
        && silent.iter().any(|silent| (quiet..long).contains(silent))
}

impl Dispatcher {
    /// Says which regions are cut off, until `shutdown`. A look that fails is left out.
    pub(super) async fn watch_regions(&self, shutdown: &CancellationToken) {
        let mut gauges = Gauges { regions: &self.regions, cut_off: BTreeMap::new() };
        loop {
            match self.heard_of_regions().await {
                Ok(heard) => gauges.say(&heard),
                Err(error) => tracing::debug!(%error, "nobody knows which regions are cut off"),
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// When each region was last heard of, and whether it is cut off. Only what the log was read up to is silence: if nobody
    /// is heard because the bus or the collectors are away, that is no region's doing.
    async fn heard_of_regions(&self) -> Result<BTreeMap<Region, (Timestamp, bool)>, TurnError> {
        let log_id = self.bus.event_log_id().await?;
        let partitions = self.db.partitions(&log_id).await?;
        let read_up_to = partitions.values().map(|row| row.caught_up_at).min().unwrap_or_default();
        let workers = self.db.workers().await?;
        let heard = |region: &Region| {
            let last = of(region, &workers).map(|row| row.beat_at).max()?;
            let is_cut_off = last_of_several(of(region, &workers), &self.policy)
                .is_some_and(|last| is_cut_off(last, read_up_to, &self.policy));
            Some((region.clone(), (last, is_cut_off)))
        };
        Ok(self.regions.iter().filter_map(heard).collect())
    }
}

/// What is said of the regions. When it is dropped, none is cut off: somebody else says it from then on.
struct Gauges<'a> {
    regions: &'a [Region],
    /// Those that were said to be cut off, and when they were last heard of.
    cut_off: BTreeMap<Region, Timestamp>,
}

impl Gauges<'_> {
    fn say(&mut self, heard: &BTreeMap<Region, (Timestamp, bool)>) {
        for (region, (last, is_cut_off)) in heard {
            metrics::region_unreachable(region, *is_cut_off);
            let last_heard_at = *last;
            match (self.cut_off.get(region), is_cut_off) {
                (None, true) => {
                    self.cut_off.insert(region.clone(), *last);
                    tracing::warn!(%region, %last_heard_at, "region is unreachable: its workers fell silent together");
                }
                (Some(before), false) => {
                    if last > before {
                        tracing::info!(%region, "region is heard of again");
                    } else {
                        tracing::warn!(%region, %last_heard_at, "region was silent for too long: its workers count as dead");
                    }
                    self.cut_off.remove(region);
                }
                (None, false) | (Some(_), true) => {}
            }
        }
    }
}

impl Drop for Gauges<'_> {
    fn drop(&mut self) {
        for region in self.regions {
            metrics::region_unreachable(region, false);
        }
    }
}

#[cfg(test)]
mod tests;
