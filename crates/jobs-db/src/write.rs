//! From a decision of the lifecycle to what is written: the row, its timer, its line of history.

use std::collections::BTreeSet;

use panofleet_job_schema::job::State;
use panofleet_job_schema::lifecycle::{Decision, next_timer};
use panofleet_job_schema::policy::Policy;
use panofleet_job_schema::{Failure, Job, JobId, Timestamp};

use crate::{HistoryEntry, JobWrite};

impl JobWrite {
    /// The write of a decision about the row that has `expected_version`.
    pub fn of(decision: &Decision, expected_version: u64, now: Timestamp, policy: &Policy) -> Self {
        let job = decision.job.clone();
        let line = decision.reason.is_history().then(|| HistoryEntry {
            at: now,
            state: job.state.name().to_owned(),
            reason: decision.reason.name(),
            generation: job.generation.0,
            attempt: decision.note.attempt.map(|attempt| attempt.0),
            worker: decision.note.worker.clone(),
            detail: decision.note.detail.clone(),
            code: decision.note.failure.as_ref().map(|failure| failure.code.clone()),
            failure: decision.note.failure.as_ref().map(Failure::fingerprint),
            held_ms: decision
                .note
                .held_since
                .map(|since| u64::try_from(now.since(since).as_millis()).unwrap_or(u64::MAX)),
            progress: None,
        });
        let timer_at = next_timer(&job, policy);
        let children = decision.children.clone();
        Self { expected_version, job, timer_at, children, history: line.into_iter().collect() }
    }

    /// Adds what a further decision, made about this write's job before it was written, changes.
    #[must_use]
    pub fn then(self, decision: &Decision, now: Timestamp, policy: &Policy) -> Self {
        let next = Self::of(decision, self.expected_version, now, policy);
        let history = self.history.into_iter().chain(next.history).collect();
        let children = self.children.into_iter().chain(next.children).collect();
        Self { children, history, ..next }
    }

    /// The place in the history of the line that takes the job out of `Running`, if it was running and is not any more.
    pub fn end_of_attempt(&self) -> Option<usize> {
        let runs = matches!(self.job.state, State::Running { .. });
        let end = self.history.iter().position(|line| line.state != "running");
        end.filter(|_| !runs)
    }
}

/// The parents of the children that end with these writes, each once and in order: whoever waits for them is to look.
pub(crate) fn parents_to_tell<'a>(
    writes: impl IntoIterator<Item = &'a JobWrite>,
) -> BTreeSet<JobId> {
    let ended = writes.into_iter().filter(|write| write.job.state.is_terminal());
    ended.filter_map(|write| Some(write.job.child_of?.parent)).collect()
}

/// The timer that a job begins with: what its state waits for, and its deadline at the latest.
pub(crate) fn first_timer(job: &Job) -> Option<Timestamp> {
    let state_timer = match &job.state {
        State::Waiting { due_at } => *due_at,
        State::Queued { .. } => job.hop_due().unwrap_or(job.deadline_at),
        State::Running { .. } => job.deadline_at,
        State::Sent { look_at, .. } | State::Blocked { look_at } => *look_at,
        State::Closing { try_at, .. } => *try_at,
        State::Succeeded { .. } | State::Dead { .. } | State::Cancelled | State::Expired => {
            return None;
        }
    };
    Some(state_timer.min(job.deadline_at))
}
