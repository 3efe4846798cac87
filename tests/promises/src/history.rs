//! What the history of one job may say.

use panofleet_job_schema::Job;
use panofleet_jobs_db::HistoryEntry;

use crate::{Broken, Promise, shown};

/// Reasons that no job has for its changes while collectors, dispatchers, APIs or the database are away, as long as no
/// worker comes to harm.
pub const AWAY: &[&str] =
    &["lease_lapsed", "message_lost", "attempt_timed_out", "revived", "joined"];

/// The same while the bus is away. A claim that was durable too late is let go, whether its message could be
/// acknowledged or not: another worker takes it, or it is found to be gone.
pub const BUS_AWAY: &[&str] = &["lease_lapsed", "attempt_timed_out", "revived"];

/// How many failures that count against a job's attempts these lines tell of.
pub fn charges(lines: &[HistoryEntry]) -> u32 {
    let is_charged = |line: &&HistoryEntry| {
        matches!(line.reason.as_str(), "attempt_failed" | "attempt_timed_out")
    };
    u32::try_from(lines.iter().filter(is_charged).count()).unwrap_or(u32::MAX)
}

/// The whole history of a job, oldest first, and the job as it stands.
///
/// # Errors
/// The promise that they break: attempts are sent one after the other and each once, an end stays but for a replay, and
/// the last line is where the job stands.
pub fn check_history(job: &Job, lines: &[HistoryEntry]) -> Result<(), Broken> {
    let broken = |promise, how: String| {
        let how = format!("{}: {how}: {}; {}", job.id, shown(job), told(lines));
        Err(Broken::new(promise, how))
    };
    let sent: Vec<u32> = lines
        .iter()
        .filter(|line| line.reason == "dispatched")
        .map(|line| line.attempt.unwrap_or(0))
        .collect();
    if !sent.iter().copied().eq(1..=job.counters.last_attempt) {
        return broken(Promise::AttemptNumbersAreUsedOnce, format!("attempts {sent:?} were sent"));
    }
    for pair in lines.windows(2) {
        let [before, after] = pair else { continue };
        if is_end(&before.state) && after.generation <= before.generation {
            let how = format!("{} followed its end", after.reason);
            return broken(Promise::OnlyAReplayLeavesAnEnd, how);
        }
    }
    let last = lines.last().map_or("", |line| line.state.as_str());
    if job.state.is_terminal() && last != job.state.name() {
        return broken(Promise::EveryJobEnds, "its history does not tell of its end".to_owned());
    }
    Ok(())
}

/// A history in which none of these reasons stands.
///
/// # Errors
/// The first that stands there.
pub fn nothing_repeated(
    job: &Job,
    lines: &[HistoryEntry],
    for_nothing: &[&str],
) -> Result<(), Broken> {
    match lines.iter().find(|line| for_nothing.contains(&line.reason.as_str())) {
        None => Ok(()),
        Some(line) => {
            let how = format!("{}: {}: {}; {}", job.id, line.reason, shown(job), told(lines));
            Err(Broken::new(Promise::NotSentAgainForNothing, how))
        }
    }
}

fn is_end(state: &str) -> bool {
    matches!(state, "succeeded" | "dead" | "cancelled" | "expired")
}

fn told(lines: &[HistoryEntry]) -> String {
    let words = lines.iter().map(|line| {
        let attempt = line.attempt.map(|attempt| format!(" a{attempt}")).unwrap_or_default();
        let worker = line.worker.as_ref().map(|worker| format!(" {worker}")).unwrap_or_default();
        format!("{}{attempt}{worker}", line.reason)
    });
    words.collect::<Vec<_>>().join(", ")
}
