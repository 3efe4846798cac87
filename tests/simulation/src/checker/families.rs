//! Jobs that are split: a job ends after its children, and is joined when all have ended.

use panofleet_job_schema::Job;
use panofleet_job_schema::job::State;
use panofleet_jobs_db::{FamilyKey, HistoryEntry};

use super::Promise;
use crate::world::Shared;

/// What a write of a job breaks, if anything. The rows of its children are as they will be when it is written.
pub(super) fn broken(
    shared: &Shared,
    (before, job): (&Job, &Job),
    history: &[HistoryEntry],
) -> Option<(Promise, &'static str)> {
    let family = job.family.filter(|_| job.generation == before.generation)?;
    if before.family.is_some_and(|known| known != family) {
        return Some((Promise::AJobIsSplitOnce, "it was split anew"));
    }
    let children = || shared.db.family(FamilyKey::of(job));
    let have_ended = || {
        children().count() == usize::try_from(family.children).unwrap_or(usize::MAX)
            && children().all(|child| child.state.is_terminal())
    };
    let is_joined = history.iter().any(|line| line.reason == "children_ended");
    if is_joined && !have_ended() {
        return Some((Promise::AJobEndsAfterItsChildren, "it is joined too soon"));
    }
    let is_over = |child: &Job| child.state.is_terminal() || is_closing(child);
    match &job.state {
        // What stood there before the job was split is as good a result: then nobody waits for the children.
        State::Succeeded { manifest } if manifest.attempt > family.last_before && !have_ended() => {
            Some((Promise::AJobEndsAfterItsChildren, "its join was faster than its children"))
        }
        State::Dead { .. } | State::Cancelled | State::Expired if !children().all(is_over) => {
            Some((Promise::AJobEndsAfterItsChildren, "nobody has cancelled its children"))
        }
        _ => None,
    }
}

fn is_closing(job: &Job) -> bool {
    matches!(job.state, State::Closing { .. })
}
