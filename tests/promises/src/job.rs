//! One write of a job.

use panofleet_job_schema::job::State;
use panofleet_job_schema::{Job, limits};

use crate::{Broken, Promise};

/// A job in a few words.
pub fn shown(job: &Job) -> String {
    let counters = &job.counters;
    let held = match &job.state {
        State::Running { claims, .. } => {
            let claims =
                claims.iter().map(|claim| format!(" {}@{}", claim.claim.short(), claim.worker));
            claims.collect()
        }
        State::Sent { attempt, placement, .. } => {
            format!(" a{attempt} at {:?}", placement.map(|placement| placement.offset))
        }
        _ => String::new(),
    };
    format!(
        "{}{held} g{} a{} charged {} crashes {} losses {} releases {}",
        job.state.name(),
        job.generation,
        counters.last_attempt,
        counters.charged,
        counters.crashes,
        counters.losses,
        counters.releases
    )
}

/// A job that stood as `before` is written as `after`. `failures` are those that its generation has had, this write
/// included, by whoever counts them apart from the job.
///
/// # Errors
/// The promise that this breaks.
pub fn check_write(before: &Job, after: &Job, failures: u32) -> Result<(), Broken> {
    let broken = |promise, how: &str| {
        Err(Broken::new(promise, format!("{}: {how}: {}", after.id, shown(after))))
    };
    let is_replay = after.generation.0 == before.generation.0 + 1;
    if before.state.is_terminal() && !is_replay {
        return broken(Promise::OnlyAReplayLeavesAnEnd, "it had ended");
    }
    if after.generation < before.generation
        || after.counters.last_attempt < before.counters.last_attempt
    {
        return broken(Promise::AttemptNumbersAreUsedOnce, "its numbers went back");
    }
    let counters = &after.counters;
    let is_sent_anew = counters.last_attempt > before.counters.last_attempt;
    let may_go_on = counters.charged < after.max_attempts
        && counters.crashes < limits::CRASHES_MAX
        && counters.losses < limits::LOSSES_MAX
        && counters.releases < limits::RELEASES_MAX
        && failures < after.max_attempts;
    if is_sent_anew && !may_go_on {
        return broken(Promise::LimitsHold, "sent again past its limits");
    }
    Ok(())
}
