//! Jobs that are split, and their children.

use std::collections::BTreeMap;

use panofleet_job_schema::job::State;
use panofleet_job_schema::lifecycle::next_timer;
use panofleet_job_schema::policy::Policy;
use panofleet_job_schema::{Job, JobId, Timestamp};
use panofleet_jobs_db::{ChildCount, FamilyKey, Versioned};

use super::state::{DbState, Row};
use crate::mutant::Mutant;
use crate::world::Shared;

/// Whether a job is a child of this generation of a job.
fn is_of(job: &Job, key: FamilyKey) -> bool {
    job.child_of.is_some_and(|of| (of.parent, of.generation) == (key.parent, key.generation))
}

impl DbState {
    /// Keeps children that came with their parent's write. One that is there already is left alone.
    pub(super) fn add_children(&mut self, children: &[Job]) {
        for child in children {
            let timer_at =
                next_timer(child, &Policy::default()).map(|at| at.min(child.deadline_at));
            let new = || Row { job: child.clone(), version: 1, timer_at, history: Vec::new() };
            self.jobs.entry(child.id).or_insert_with(new);
        }
    }

    /// A child has ended: whoever waits for it looks at once, and nobody writes over that with what was decided before.
    pub(super) fn tell_parent(&mut self, child: &Job) {
        let Some(of) = child.child_of.filter(|_| child.state.is_terminal()) else { return };
        let parent = self.jobs.get_mut(&of.parent);
        if let Some(row) = parent.filter(|row| matches!(row.job.state, State::Blocked { .. })) {
            (row.timer_at, row.version) = (Some(Timestamp::from_millis(0)), row.version + 1);
        }
    }

    /// The children of a generation of a job, in their order.
    pub(crate) fn family(&self, key: FamilyKey) -> impl Iterator<Item = &Job> {
        self.jobs.values().map(|row| &row.job).filter(move |job| is_of(job, key))
    }

    pub(super) fn children(&self, key: FamilyKey) -> Vec<Versioned> {
        let ids: Vec<JobId> = self.family(key).map(|job| job.id).collect();
        self.get(&ids)
    }

    /// Children that have not ended, of jobs that have, or that were started anew since.
    pub(super) fn strays(&self, limit: u32) -> Vec<Versioned> {
        let is_stray = |row: &&Row| {
            let job = &row.job;
            let is_open = !job.state.is_terminal() && !matches!(job.state, State::Closing { .. });
            is_open
                && job.child_of.is_some_and(|of| {
                    let parent = self.jobs.get(&of.parent).map(|row| &row.job);
                    parent.is_some_and(|parent| {
                        parent.state.is_terminal() || parent.generation != of.generation
                    })
                })
        };
        let strays = self.jobs.values().filter(is_stray).take(limit as usize);
        strays.map(Row::versioned).collect()
    }
}

/// How the children of these generations of jobs stand.
pub(super) fn child_counts(
    shared: &Shared,
    parents: &[FamilyKey],
) -> BTreeMap<FamilyKey, Vec<ChildCount>> {
    let mut counts = BTreeMap::new();
    for key in parents {
        let mut states: BTreeMap<&str, ChildCount> = BTreeMap::new();
        for job in shared.db.family(*key) {
            let state = match job.state.name() {
                _ if shared.is_mutant(Mutant::ChildrenLookEnded) => "succeeded",
                state => state,
            };
            let new = || ChildCount { state: state.to_owned(), jobs: 0, first: job.id };
            states.entry(state).or_insert_with(new).jobs += 1;
        }
        if !states.is_empty() {
            counts.insert(*key, states.into_values().collect());
        }
    }
    counts
}
