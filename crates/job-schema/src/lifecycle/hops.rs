//! A job that waits for too long goes on to another region of its route.
//!
//! Its outputs do not: store, bucket and key were fixed when it was accepted. A copy that still lies in the old
//! region's queue is superseded; if it is claimed all the same, both may run, and the first finisher wins.

use super::{Decision, Effect, Horizon, Reason, Refusal};
use crate::job::{Job, State};
use crate::time::Timestamp;

/// Goes on to the next region that takes jobs, or begins to wait anew where there is none.
pub(super) fn waited(job: &Job, now: Timestamp, horizon: &Horizon) -> Result<Decision, Refusal> {
    let (Some(due), Some(route), Some(takes)) = (job.hop_due(), &job.route, &horizon.takes) else {
        return Err(Refusal::NotYet);
    };
    let sent = matches!(job.state, State::Sent { .. });
    // A claim that the collector has not come to yet is no silence.
    if now < due || sent && !horizon.is_past(job.events_partition, due) {
        return Err(Refusal::NotYet);
    }
    let target = route.next(&job.region, |region| takes.contains(region)).cloned();
    let mut next = job.clone();
    if let Some(route) = &mut next.route {
        route.arrived_at = now;
        route.hops += u32::from(target.is_some());
    }
    let Some(target) = target else {
        return Ok(Decision::new(next, Reason::StillQueued));
    };
    let said = format!("from {} to {target}", job.region);
    next.region = target;
    if let State::Sent { sent_at, .. } = job.state {
        next.state = State::Queued { since: sent_at };
    }
    let effects = if job.possibly_sent() { vec![Effect::Control] } else { Vec::new() };
    Ok(Decision::new(next, Reason::Hopped).with(effects).saying(said))
}
