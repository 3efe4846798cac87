//! Jobs that are split, and how their children stand.

use panofleet_job_schema::{Generation, Job, JobId};

/// A generation of a job that may have children.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FamilyKey {
    /// The job.
    pub parent: JobId,
    /// Its generation.
    pub generation: Generation,
}

impl FamilyKey {
    /// The present generation of a job.
    pub const fn of(job: &Job) -> Self {
        Self { parent: job.id, generation: job.generation }
    }
}

/// Children of one family in one state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildCount {
    /// The state's name.
    pub state: String,
    /// How many there are, at least 1.
    pub jobs: u32,
    /// The first of them.
    pub first: JobId,
}
