//! What may be concluded from silence, as one turn of the dispatcher knows it.

use std::collections::{BTreeMap, BTreeSet};

use panofleet_bus::{CopyFate, Queue};
use panofleet_job_schema::family::Children;
use panofleet_job_schema::job::{Claim, State};
use panofleet_job_schema::lifecycle::{Horizon, PartitionHorizon};
use panofleet_job_schema::{ClaimId, Job, Lane, Region, Timestamp};
use panofleet_jobs_db::{FamilyKey, Versioned};

use super::{Dispatcher, Look, Partitions, TurnError};

pub(super) struct Horizons {
    partitions: Partitions,
    beats: BTreeMap<ClaimId, Timestamp>,
    children: BTreeMap<FamilyKey, Children>,
    excused: BTreeMap<Region, Timestamp>,
    takes: BTreeMap<Lane, BTreeSet<Region>>,
}

impl Horizons {
    /// Reads how far the event log is applied, and the last heartbeats of every claim of these jobs.
    ///
    /// The partitions are read before the heartbeats: a heartbeat that is missing was not applied up to them.
    pub(super) async fn read(
        dispatcher: &Dispatcher,
        jobs: &[Versioned],
        look: &Look,
    ) -> Result<Self, TurnError> {
        let log_id = dispatcher.bus.event_log_id().await?;
        let rows = dispatcher.db.partitions(&log_id).await?;
        let partitions = rows
            .into_iter()
            .map(|(partition, row)| {
                let horizon = PartitionHorizon {
                    caught_up_at: row.caught_up_at,
                    restarted_at: row.restarted_at,
                };
                (partition, horizon)
            })
            .collect();
        let claims: Vec<_> = jobs
            .iter()
            .filter_map(|found| match &found.job.state {
                State::Running { claims, .. } => Some(claims),
                _ => None,
            })
            .flatten()
            .map(|claim| (claim.worker.clone(), claim.claim))
            .collect();
        let beats =
            if claims.is_empty() { BTreeMap::new() } else { dispatcher.db.beats(&claims).await? };
        let children = dispatcher.children_of(jobs).await?;
        let hops = jobs.iter().any(|found| found.job.route.is_some());
        let takes = if hops { dispatcher.takes(look) } else { BTreeMap::new() };
        Ok(Self { partitions, beats, children, excused: look.excused.clone(), takes })
    }

    pub(super) async fn of(&self, job: &Job, dispatcher: &Dispatcher) -> Horizon {
        let claims = match &job.state {
            State::Running { claims, .. } => claims.as_slice(),
            _ => &[],
        };
        let beat = |claim: &Claim| Some((claim.claim, *self.beats.get(&claim.claim)?));
        Horizon {
            partitions: self.partitions.clone(),
            beats: claims.iter().filter_map(beat).collect(),
            copy_gone: copy_gone(job, dispatcher).await,
            children: self.children.get(&FamilyKey::of(job)).cloned(),
            excused: self.excused.clone(),
            takes: self.takes.get(&job.lane).cloned(),
        }
    }
}

impl Dispatcher {
    /// The regions that take jobs of each lane: not paused, with a worker that lives and does not drain.
    fn takes(&self, look: &Look) -> BTreeMap<Lane, BTreeSet<Region>> {
        let mut takes: BTreeMap<Lane, BTreeSet<Region>> = BTreeMap::new();
        for lane in Lane::ALL {
            let regions = takes.entry(lane).or_default();
            for region in &self.regions {
                let queue = Queue { region: region.clone(), lane };
                if !look.pauses.hold(&queue) && self.slots(&queue, &look.workers, look.now) > 0 {
                    regions.insert(queue.region);
                }
            }
        }
        takes
    }
}

/// Whether the message of a sent job is provably gone; a bus that does not answer proves nothing.
async fn copy_gone(job: &Job, dispatcher: &Dispatcher) -> bool {
    let State::Sent { placement: Some(placement), .. } = &job.state else { return false };
    let queue = Queue { region: job.region.clone(), lane: job.lane };
    match dispatcher.bus.copy_fate(&queue, *placement).await {
        Ok(fate) => fate == CopyFate::Gone,
        Err(error) => {
            let _span = super::span_of(job).entered();
            tracing::debug!(%error, "the queue does not say where the message is");
            false
        }
    }
}
