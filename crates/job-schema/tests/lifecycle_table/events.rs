//! The events of the table.

use std::collections::BTreeMap;
use std::time::Duration;

use panofleet_job_schema::failure::{ErrorClass, Failure};
use panofleet_job_schema::family::{Children, FailedChild, Join};
use panofleet_job_schema::job::{Job, Placement, State};
use panofleet_job_schema::lifecycle::{Event, Horizon, PartitionHorizon, next_timer};
use panofleet_job_schema::message::{AttemptId, ClaimEvent, Report};
use panofleet_job_schema::policy::Policy;
use panofleet_job_schema::spec::Priority;
use panofleet_job_schema::{Attempt, Generation, JobId, Region, Rerun, Span, Timestamp, WorkerId};
use uuid::Uuid;

use crate::states::{BEATS, EVENTS, at, child, claim, claim_name, summary};

/// Whatever happens without a timer happens at this time.
const NOW_S: i64 = 30;

/// Everything that can happen to a job, by its name in the table.
pub(crate) fn events(job: &Job) -> Vec<(String, Event)> {
    let mut events = sending(job);
    events.extend(reports(job));
    events.extend(ticks(job));
    events.extend(hops(job));
    events.extend(ends(job));
    events
}

fn sending(job: &Job) -> Vec<(String, Event)> {
    let now = at(NOW_S);
    let placed = |attempt: u32| Event::Placed {
        attempt: Attempt(attempt),
        placement: Placement { partition: 0, offset: 11 },
        now,
    };
    let last = job.counters.last_attempt.max(1);
    vec![
        ("dispatched".into(), Event::Dispatched { now }),
        ("placed, the last attempt".into(), placed(last)),
        ("placed, an earlier attempt".into(), placed(last - 1)),
    ]
}

/// Every report that tells claims apart, of every claim that there is, and of attempts that are not the job's.
fn reports(job: &Job) -> Vec<(String, Event)> {
    let last = job.attempt_id(Attempt(job.counters.last_attempt));
    let first = job.attempt_id(Attempt(1));
    let mut events = vec![
        ("New is claimed".to_owned(), report(last, 'N', Report::Claimed)),
        ("New is claimed, of attempt 1".to_owned(), report(first, 'N', Report::Claimed)),
        ("heartbeat of New".to_owned(), beat(last, 'N')),
    ];
    let mut claims = vec![('L', first), ('E', first), ('N', last)];
    if let State::Running { claims: held, .. } = &job.state {
        let of = |name| held.iter().find(|held| held.claim == claim(name));
        claims.splice(
            0..0,
            ['A', 'B']
                .into_iter()
                .filter_map(|name| Some((name, job.attempt_id(of(name)?.attempt)))),
        );
    }
    for (name, id) in claims {
        let shown = claim_name(claim(name));
        if name != 'N' {
            events.push((format!("{shown} is claimed"), report(id, name, Report::Claimed)));
            events.push((format!("heartbeat of {shown}"), beat(id, name)));
            let hour = Report::Probed { timeout: Span::from_secs(3600) };
            events
                .push((format!("{shown} has a source that takes an hour"), report(id, name, hour)));
        }
        for (says, said) in endings() {
            events.push((format!("{shown} {says}"), report(id, name, said)));
        }
    }
    let unsent = AttemptId { attempt: Attempt(last.attempt.0 + 1), ..last };
    let old = AttemptId { generation: Generation(1), ..first };
    let success = || Report::Succeeded { manifest: summary() };
    events.extend([
        ("dropped, the last attempt".to_owned(), report(last, 'N', Report::Dropped)),
        ("dropped, attempt 1".to_owned(), report(first, 'L', Report::Dropped)),
        ("claimed, never sent".to_owned(), report(unsent, 'N', Report::Claimed)),
        ("succeeded, an earlier generation".to_owned(), report(old, 'A', success())),
        ("heartbeat, an earlier generation".to_owned(), beat(old, 'A')),
    ]);
    events
}

/// How a claim ends, and what its worker says then. Success is the last.
pub(crate) fn endings() -> Vec<(&'static str, Report)> {
    let failed = |class| Report::Failed { failure: Failure::new(class, "code", "message") };
    let released = |started| Report::Released { started, reason: "reason".into() };
    vec![
        ("lets go before it starts", released(false)),
        ("is released", released(true)),
        ("fails, transient", failed(ErrorClass::Transient)),
        ("fails, rejected", failed(ErrorClass::Rejected)),
        ("fails, crashed", failed(ErrorClass::Crashed)),
        ("fails, bug", failed(ErrorClass::Bug)),
        ("splits it", Report::Expanded { children: vec![child(), child()], join: Join::default() }),
        ("is abandoned", Report::Abandoned),
        ("succeeds", Report::Succeeded { manifest: summary() }),
    ]
}

fn report(id: AttemptId, name: char, report: Report) -> Event {
    let worker = WorkerId::new("w").unwrap();
    let event = ClaimEvent { id, claim: claim(name), worker, heartbeat_partition: BEATS, report };
    Event::Reported { event, now: at(NOW_S) }
}

fn beat(id: AttemptId, name: char) -> Event {
    Event::Renewed {
        id,
        claim: claim(name),
        worker: WorkerId::new("w").unwrap(),
        heartbeat_partition: BEATS,
        now: at(NOW_S),
    }
}

/// Partitions that are applied up to these times, for events and for heartbeats.
fn caught_up(events: Timestamp, beats: Timestamp) -> Horizon {
    let row = |caught_up_at| PartitionHorizon { caught_up_at, restarted_at: at(0) };
    let partitions = BTreeMap::from([(EVENTS, row(events)), (BEATS, row(beats))]);
    Horizon { partitions, ..Horizon::default() }
}

fn ticks(job: &Job) -> Vec<(String, Event)> {
    let policy = Policy::default();
    let second = Duration::from_secs(1);
    let due = next_timer(job, &policy).unwrap_or(at(60));
    let mut ticks = vec![(
        "timer, nothing is due".to_owned(),
        Event::Tick { now: at(NOW_S), horizon: caught_up(at(NOW_S), at(NOW_S)) },
    )];
    let mut add = |name: &str, now: Timestamp, horizon: Horizon| {
        ticks.push((name.to_owned(), Event::Tick { now, horizon }));
    };
    let mut both = |name: &str, due: Timestamp| {
        let now = due + second;
        add(&format!("{name}, log not caught up"), now, caught_up(due, due));
        add(&format!("{name}, log caught up"), now, caught_up(now, now));
    };
    both("deadline", job.deadline_at);
    match &job.state {
        State::Sent { placement: Some(_), .. } => {
            for (name, log) in [("not caught up", at(40)), ("caught up", due + second)] {
                let gone = Horizon { copy_gone: true, ..caught_up(log, log) };
                add(&format!("queue timeout, copy gone, log {name}"), due + second, gone);
            }
            let there = caught_up(due + second, due + second);
            add("queue timeout, copy there", due + second, there);
        }
        State::Running { claims, .. } => {
            let now = due + second;
            both("lease of A over", due);
            add("lease of A over, heartbeats not caught up", now, caught_up(now, due));
            add("lease of A over, events not caught up", now, caught_up(due, now));
            let mut heard = caught_up(now, now);
            heard.beats.insert(claims[0].claim, at(70));
            add("lease of A over, a heartbeat was applied since", now, heard);
            let mut restarted = caught_up(now, now);
            restarted.partitions.entry(BEATS).and_modify(|row| row.restarted_at = at(70));
            add("lease of A over, heartbeats' log was out of sight since", now, restarted);
            let mut cut_off = caught_up(now, now);
            cut_off.excused.insert(job.region.clone(), now);
            add("lease of A over, its region is unreachable", now, cut_off);
            // Its worker is alive, and has spoken until the end.
            let over = at(20) + job.timeout.0 + policy.timeout_grace.0;
            for (name, log) in [("not caught up", over), ("caught up", over + second)] {
                let mut alive = caught_up(log, log);
                alive.beats.extend(claims.iter().map(|held| (held.claim, over)));
                add(&format!("attempt of A timed out, log {name}"), over + second, alive);
            }
            let mut cut_off = caught_up(over + second, over + second);
            cut_off.excused.insert(job.region.clone(), over + second);
            add("attempt of A timed out, its region is unreachable", over + second, cut_off);
        }
        State::Blocked { .. } => {
            for (name, children) in counts() {
                add(name, at(NOW_S), Horizon { children: Some(children), ..Horizon::default() });
            }
            add("timer, due, children not counted", due + second, caught_up(due, due));
        }
        _ => add("timer, due", due + second, caught_up(due, due)),
    }
    ticks
}

/// What time brings to a job that may go on to another region.
fn hops(job: &Job) -> Vec<(String, Event)> {
    let Some(hop) = job.hop_due() else { return Vec::new() };
    let now = hop + Duration::from_secs(1);
    let looks = [
        ("another region takes jobs", "us-west", now),
        ("another region takes jobs, log not caught up", "us-west", hop),
        ("no other region takes jobs", "hangzhou", now),
    ];
    let tick = |(name, takes, log): (&str, &str, Timestamp)| {
        let takes = Some([Region::new(takes).unwrap()].into());
        let horizon = Horizon { takes, ..caught_up(log, log) };
        (format!("has waited, {name}"), Event::Tick { now, horizon })
    };
    looks.map(tick).into()
}

/// How two children may stand.
fn counts() -> [(&'static str, Children); 4] {
    let failed =
        || FailedChild { job: JobId(Uuid::from_u128(8)), index: 0, state: "dead", failure: None };
    let stand = |succeeded, failing, open| Children {
        succeeded,
        failed: failing,
        open,
        first_failed: (failing > 0).then(failed),
    };
    [
        ("all children have a result", stand(2, 0, 0)),
        ("a child has not ended", stand(1, 0, 1)),
        ("a child failed, one has not ended", stand(0, 1, 1)),
        ("a child failed, all have ended", stand(1, 1, 0)),
    ]
}

fn ends(job: &Job) -> Vec<(String, Event)> {
    let now = at(NOW_S);
    let found = |generation| Event::ManifestFound { generation, manifest: summary(), now };
    let mut ends = vec![
        ("cancel".into(), Event::CancelRequested { now }),
        ("is to be let go".into(), Event::ReleaseRequested),
        ("is to go first".into(), Event::Reprioritised { priority: Priority::High }),
        ("is to go as before".into(), Event::Reprioritised { priority: job.spec.priority }),
        ("seal stands".into(), Event::Sealed { generation: job.generation, now }),
        ("manifest found".into(), found(job.generation)),
        (
            "seal stands, of an earlier generation".into(),
            Event::Sealed { generation: Generation(1), now },
        ),
        ("manifest found, of an earlier generation".into(), found(Generation(1))),
    ];
    let replay =
        |parent_waits| Event::ReplayRequested { now, parent_waits, changes: Rerun::default() };
    if job.child_of.is_some() {
        ends.push(("replay, its parent waits".into(), replay(true)));
        ends.push(("replay, its parent does not wait".into(), replay(false)));
    } else {
        ends.push(("replay".into(), replay(false)));
        let changes = Rerun { region: Region::new("us-west").ok(), ..Rerun::default() };
        let elsewhere = Event::ReplayRequested { now, parent_waits: false, changes };
        ends.push(("replay elsewhere".into(), elsewhere));
    }
    ends
}
