//! Jobs that may run in several regions: where they are, and whose word counts.

use panofleet_job_schema::Job;
use panofleet_job_schema::job::State;

use super::Promise;
use crate::roles::region_of_worker;

/// What a write of a job breaks, if anything.
pub(super) fn broken(before: &Job, job: &Job) -> Option<(Promise, &'static str)> {
    if (&job.bucket, job.events_partition) != (&before.bucket, before.events_partition) {
        return Some((Promise::AHopMovesTheJobOnly, "its result or its events moved"));
    }
    let may_be_there = match &job.route {
        Some(route) => route.regions.contains(&job.region),
        None => job.region == before.region,
    };
    if !may_be_there {
        return Some((Promise::AHopMovesTheJobOnly, "it is where it may not run"));
    }
    let State::Running { claims, .. } = &job.state else { return None };
    let is_elsewhere = claims.iter().any(|claim| {
        let sent_to = job.region_of(claim.attempt);
        sent_to.is_some_and(|sent_to| region_of_worker(&claim.worker).as_ref() != Some(sent_to))
    });
    if is_elsewhere {
        return Some((Promise::ARegionsWordCountsForItsOwn, "a worker of another region holds it"));
    }
    let was_held = matches!(before.state, State::Running { .. });
    let taken_by = claims.first().and_then(|claim| job.region_of(claim.attempt));
    if !was_held && taken_by.is_some_and(|region| *region != job.region) {
        return Some((Promise::WhoClaimsAJobHasIt, "it is not where it is held"));
    }
    None
}
