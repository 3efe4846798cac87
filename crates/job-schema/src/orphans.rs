//! What attempts that lost leave in the object store, and from when on nobody adds to it.

use std::time::Duration;

use crate::job::{Job, State};
use crate::time::Timestamp;

/// Room for clocks that differ, and for the last request of an attempt that was just killed.
const SLACK: Duration = Duration::from_secs(600);

/// When the last attempt of a job that has ended is over for certain: it began before the deadline, ran for its timeout at
/// most, and its worker has killed it by then.
pub fn quiet_at(job: &Job) -> Timestamp {
    let ended_at = job.finished_at.unwrap_or(job.deadline_at);
    ended_at.max(job.deadline_at) + job.timeout.0 + SLACK
}

/// When the folders of attempts that lost are to be looked for; `None` if the job has not ended, or leaves none behind: it
/// was never sent, or its first attempt succeeded and nothing else is known to have run.
pub fn sweep_at(job: &Job) -> Option<Timestamp> {
    let counters = &job.counters;
    let is_tidy = match &job.state {
        State::Succeeded { .. } => {
            counters.last_attempt <= 1
                && job.generation.0 == 1
                && job.lapsed_claims.is_empty()
                && job.ended_claims.len() <= 1
        }
        State::Dead { .. } | State::Cancelled | State::Expired => counters.last_attempt == 0,
        _ => return None,
    };
    (!is_tidy).then(|| quiet_at(job))
}
