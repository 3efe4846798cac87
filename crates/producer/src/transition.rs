//! Read a job, decide, write: again when somebody else was faster.

use panofleet_job_schema::lifecycle::{Decision, Event, Refusal, decide};
use panofleet_job_schema::policy::Policy;
use panofleet_job_schema::{Job, JobId, Timestamp};
use panofleet_jobs_db::{Batch, JobWrite, JobsDb, JobsDbError};

/// Lost races after which something is wrong: each means that somebody else got on.
const TRIES_MAX: u32 = 32;

/// What came of an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Transition {
    /// The job changed, and it is written.
    Changed(Box<Decision>),
    /// The event changes nothing about the job as it stands.
    Refused(Refusal, Box<Job>),
    /// There is no such job.
    Missing,
}

/// Applies one event to one job.
///
/// `event` gets the database's time and the job as it was read.
///
/// # Errors
/// [`JobsDbError`]; `Conflict` only if the job changes faster than it can be read.
pub async fn transition(
    db: &dyn JobsDb,
    id: JobId,
    policy: &Policy,
    event: impl Fn(Timestamp, &Job) -> Event + Send + Sync,
) -> Result<Transition, JobsDbError> {
    for tries_left in (0..TRIES_MAX).rev() {
        let (now, mut found) = db.get_now(&[id]).await?;
        let Some(found) = found.pop() else { return Ok(Transition::Missing) };
        let decision = match decide(&found.job, &event(now, &found.job), policy) {
            Ok(decision) => decision,
            Err(refusal) => return Ok(Transition::Refused(refusal, Box::new(found.job))),
        };
        let write = JobWrite::of(&decision, found.version, now, policy);
        match db.commit(Batch { jobs: vec![write], ..Batch::default() }).await {
            Ok(()) => return Ok(Transition::Changed(Box::new(decision))),
            Err(JobsDbError::Conflict(_)) if tries_left > 0 => {}
            Err(error) => return Err(error),
        }
    }
    Err(JobsDbError::Conflict(format!("job {id}")))
}
