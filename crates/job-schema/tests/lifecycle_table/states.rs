//! The states of the table: every state, in each variant that decides anything.

use panofleet_job_schema::family::{ChildOf, ChildSpec, Family, Join, OnChildFailure};
use panofleet_job_schema::ids::ClaimId;
use panofleet_job_schema::job::{
    Acceptance, Claim, CloseTarget, Counters, DeadReason, Job, Placement, State,
};
use panofleet_job_schema::manifest::ManifestSummary;
use panofleet_job_schema::policy::Policy;
use panofleet_job_schema::route::SentTo;
use panofleet_job_schema::source::SourceLocation;
use panofleet_job_schema::{Attempt, Generation, JobId, Region, Tenant, Timestamp, WorkerId};
use uuid::Uuid;

/// The partition of the job's events.
pub(crate) const EVENTS: u32 = 0;
/// The partition of the workers' heartbeats.
pub(crate) const BEATS: u32 = 1;

/// One state of the table.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) job: Job,
}

/// A time of the table, in seconds after acceptance. The job was sent at 10 and claimed at 20.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_770_000_000_000 + seconds * 1000)
}

/// The claims of the table, by their letters.
pub(crate) fn claim(name: char) -> ClaimId {
    ClaimId(Uuid::from_u128(u128::from(u32::from(name))))
}

/// The letter of a claim.
pub(crate) fn claim_name(claim: ClaimId) -> String {
    match u32::try_from(claim.0.as_u128()).ok().and_then(char::from_u32) {
        Some('N') | None => "New".to_owned(),
        Some(name) => name.to_string(),
    }
}

pub(crate) fn summary() -> ManifestSummary {
    ManifestSummary {
        bucket: "out".into(),
        key: "m".into(),
        attempt: Attempt(2),
        claim: claim('A'),
        outputs: 1,
        files: 1,
        total_bytes: 1,
        source_bytes: None,
    }
}

fn accepted() -> Job {
    let spec = r#"{"source": "s3://photos/a.jpg", "outputs": {"tiles": {"op": "pano.tiles"}}}"#;
    let acceptance = Acceptance {
        id: JobId(Uuid::from_u128(7)),
        tenant: Tenant::new("t").unwrap(),
        source: SourceLocation::object("photos", "a.jpg"),
        region: Region::new("hangzhou").unwrap(),
        bucket: "out".into(),
        events_partition: EVENTS,
        trace: None,
        now: at(0),
    };
    let job = Job::accept(serde_json::from_str(spec).unwrap(), acceptance, &Policy::default());
    Job { generation: Generation(2), ..job }
}

/// Attempt 1 is over, attempt 2 was sent.
fn sent_twice(state: State) -> Job {
    Job {
        counters: Counters { last_attempt: 2, losses: 1, charged: 1, ..Counters::default() },
        lapsed_claims: vec![claim('L')],
        ended_claims: vec![claim('E')],
        finished_at: state.is_terminal().then(|| at(25)),
        state,
        ..accepted()
    }
}

const PLACE: Option<Placement> = Some(Placement { partition: 0, offset: 9 });

fn sent(placement: Option<Placement>, gone_at: Option<Timestamp>) -> State {
    State::Sent { attempt: Attempt(2), sent_at: at(10), look_at: at(60), placement, gone_at }
}

fn running(claims: &[(char, u32)]) -> State {
    let claims = claims.iter().zip(0..).map(|((name, attempt), later)| Claim {
        claim: claim(*name),
        attempt: Attempt(*attempt),
        worker: WorkerId::new("w").unwrap(),
        heartbeat_partition: BEATS,
        claimed_at: at(20 + 30 * later),
        renewed_at: at(20 + 30 * later),
        excused_at: None,
    });
    State::Running { claims: claims.collect(), placement: PLACE }
}

fn closing(target: CloseTarget) -> State {
    State::Closing { target, try_at: at(60) }
}

/// What a claim asks for that splits the job.
pub(crate) fn child() -> ChildSpec {
    let outputs = serde_json::from_str(r#"{"probe": {"op": "media.probe"}}"#).unwrap();
    ChildSpec { part: None, outputs, timeout: None, max_attempts: None }
}

/// Attempt 2 has split it, by a claim that has ended with that.
fn split(on_failure: OnChildFailure, last_attempt: u32, state: State) -> Job {
    let mut job = sent_twice(state);
    job.counters.last_attempt = last_attempt;
    job.family = Some(Family {
        children: 2,
        join: Join { on_failure },
        attempt: Attempt(2),
        claim: claim('S'),
        last_before: Attempt(2),
    });
    job
}

/// Attempt 2 lies where it is; it may go on.
fn routed(state: State) -> Job {
    let regions = ["hangzhou", "us-west"].map(|name| Region::new(name).unwrap());
    let mut job = sent_twice(state).routed(regions.to_vec(), &Policy::default());
    job.sent_to = vec![SentTo { from: Attempt(1), region: job.region.clone() }];
    job
}

fn child_of_another(state: State) -> Job {
    let parent = JobId(Uuid::from_u128(6));
    let child_of = ChildOf { parent, generation: Generation(1), index: 0 };
    Job { child_of: Some(child_of), ..sent_twice(state) }
}

/// One more of anything is too much.
fn at_its_limits(state: State) -> Job {
    let policy = Policy::default();
    let counters = Counters {
        last_attempt: 2,
        charged: policy.max_attempts - 1,
        crashes: panofleet_job_schema::limits::CRASHES_MAX - 1,
        losses: panofleet_job_schema::limits::LOSSES_MAX - 1,
        releases: panofleet_job_schema::limits::RELEASES_MAX,
        ..Counters::default()
    };
    Job { counters, ..sent_twice(state) }
}

/// Every state of the table.
pub(crate) fn cases() -> Vec<Case> {
    let dead = DeadReason::AttemptsExhausted;
    let queued = State::Queued { since: at(20) };
    let waiting = State::Waiting { due_at: at(60) };
    let blocked = State::Blocked { look_at: at(60) };
    let (fast, wait) = (OnChildFailure::FailFast, OnChildFailure::WaitForAll);
    let (cancelled, expired) = (CloseTarget::Cancelled, CloseTarget::Expired);
    let cases = [
        ("Queued, never sent", Job { state: queued.clone(), ..accepted() }),
        ("Waiting, never sent", Job { state: waiting.clone(), ..accepted() }),
        ("Queued again", sent_twice(queued.clone())),
        ("Waiting for a retry", sent_twice(waiting)),
        ("Sent, not placed", sent_twice(sent(None, None))),
        ("Sent, placed", sent_twice(sent(PLACE, None))),
        ("Sent, found gone", sent_twice(sent(PLACE, Some(at(40))))),
        ("Sent, one step from its limits", at_its_limits(sent(PLACE, None))),
        ("Running, one claim", sent_twice(running(&[('A', 2)]))),
        ("Running, two claims", sent_twice(running(&[('A', 2), ('B', 2)]))),
        ("Running, a claim of attempt 1", sent_twice(running(&[('A', 1)]))),
        ("Running, one step from its limits", at_its_limits(running(&[('A', 2)]))),
        ("Blocked, fails with its first child", split(fast, 2, blocked.clone())),
        ("Blocked, waits for all children", split(wait, 2, blocked)),
        ("Queued, to be joined", split(fast, 2, queued)),
        ("Running, the join", split(fast, 3, running(&[('A', 3)]))),
        ("Queued, may go on to another region", routed(State::Queued { since: at(20) })),
        ("Sent, may go on to another region", routed(sent(PLACE, None))),
        ("A child, running", child_of_another(running(&[('A', 2)]))),
        ("A child, dead", child_of_another(State::Dead { reason: dead })),
        ("Closing to dead", sent_twice(closing(CloseTarget::Dead { reason: dead }))),
        ("Closing to cancelled", sent_twice(closing(cancelled))),
        ("Closing to expired", sent_twice(closing(expired))),
        ("Succeeded", sent_twice(State::Succeeded { manifest: summary() })),
        ("Dead", sent_twice(State::Dead { reason: dead })),
        ("Cancelled", sent_twice(State::Cancelled)),
        ("Expired", sent_twice(State::Expired)),
    ];
    cases.into_iter().map(|(name, job)| Case { name, job }).collect()
}
