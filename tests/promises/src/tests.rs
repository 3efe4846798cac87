use panofleet_job_schema::job::{Acceptance, State};
use panofleet_job_schema::lifecycle::{Event, decide};
use panofleet_job_schema::manifest::{ManifestObject, Seal};
use panofleet_job_schema::message::{ClaimEvent, Report};
use panofleet_job_schema::policy::Policy;
use panofleet_job_schema::source::SourceLocation;
use panofleet_job_schema::{
    Attempt, ClaimId, Failure, Job, JobId, Region, Rerun, Tenant, Timestamp, WorkerId,
};
use panofleet_jobs_db::{HistoryEntry, JobWrite};
use serde_json::json;

use crate::{AWAY, Promise, charges, check_end, check_history, check_write, nothing_repeated};

/// A job of which the lifecycle has decided some events, and what its history tells of them.
struct Told {
    job: Job,
    lines: Vec<HistoryEntry>,
}

const NOW: Timestamp = Timestamp::from_millis(1_770_000_000_000);

fn id(number: u32) -> serde_json::Value {
    json!(format!("00000000-0000-0000-0000-{number:012}"))
}

impl Told {
    fn new() -> Self {
        let spec = json!({ "source": "https://a.example/b.jpg", "outputs": { "p": { "op": "media.probe" } } });
        let acceptance = Acceptance {
            id: serde_json::from_value::<JobId>(id(1)).unwrap(),
            tenant: Tenant::new("acme").unwrap(),
            source: SourceLocation::https("https://a.example/b.jpg"),
            region: Region::new("hangzhou").unwrap(),
            bucket: "outputs".to_owned(),
            events_partition: 0,
            trace: None,
            now: NOW,
        };
        let spec = serde_json::from_value(spec).unwrap();
        Self { job: Job::accept(spec, acceptance, &Policy::default()), lines: Vec::new() }
    }

    fn then(mut self, event: &Event) -> Self {
        let decision = decide(&self.job, event, &Policy::default()).unwrap();
        self.lines.extend(JobWrite::of(&decision, 1, NOW, &Policy::default()).history);
        self.job = decision.job;
        self
    }

    fn sent(self) -> Self {
        self.then(&Event::Dispatched { now: NOW })
    }

    fn reported(self, report: Report) -> Self {
        let event = ClaimEvent {
            id: self.job.attempt_id(Attempt(self.job.counters.last_attempt)),
            claim: serde_json::from_value::<ClaimId>(id(2)).unwrap(),
            worker: WorkerId::new("w").unwrap(),
            heartbeat_partition: 0,
            report,
        };
        self.then(&Event::Reported { event, now: NOW })
    }

    fn dead() -> Self {
        let failure = Failure::rejected("format_unknown", "no picture");
        let closing =
            Self::new().sent().reported(Report::Claimed).reported(Report::Failed { failure });
        let generation = closing.job.generation;
        closing.then(&Event::Sealed { generation, now: NOW })
    }

    fn seal(&self) -> ManifestObject {
        let seal = json!({
            "schema": 1, "job": self.job.id, "generation": self.job.generation,
            "target": serde_json::to_value(panofleet_job_schema::job::CloseTarget::Cancelled).unwrap(),
            "sealed_at": NOW,
        });
        ManifestObject::Seal(serde_json::from_value::<Seal>(seal).unwrap())
    }

    fn broken(&self) -> Option<Promise> {
        check_history(&self.job, &self.lines).err().map(|broken| broken.promise)
    }
}

#[test]
fn what_the_lifecycle_does_keeps_every_rule() {
    let dead = Told::dead();
    assert!(matches!(dead.job.state, State::Dead { .. }));
    assert_eq!(dead.broken(), None);
    assert_eq!(charges(&dead.lines), 1);
    assert_eq!(check_end(&dead.job, Some(&dead.seal())), Ok(()));
    assert_eq!(nothing_repeated(&dead.job, &dead.lines, AWAY), Ok(()));
    assert_eq!(check_write(&Told::new().job, &Told::new().sent().job, 0), Ok(()));
    let replayed = Told::dead().then(&Event::ReplayRequested {
        now: NOW,
        parent_waits: false,
        changes: Rerun::default(),
    });
    assert_eq!(check_write(&Told::dead().job, &replayed.job, 1), Ok(()));
    assert_eq!(replayed.broken(), None, "a replay leaves an end");
}

#[test]
fn an_attempt_that_was_sent_twice_or_never_is_noticed() {
    let mut told = Told::dead();
    told.lines.insert(1, told.lines[0].clone());
    assert_eq!(told.broken(), Some(Promise::AttemptNumbersAreUsedOnce));
    let mut told = Told::dead();
    told.lines.remove(0);
    assert_eq!(told.broken(), Some(Promise::AttemptNumbersAreUsedOnce));
}

#[test]
fn what_follows_an_end_is_noticed() {
    let mut told = Told::dead();
    told.lines.push(told.lines[1].clone());
    assert_eq!(told.broken(), Some(Promise::OnlyAReplayLeavesAnEnd));
    let dead = Told::dead();
    let lived = Told::new().sent();
    let write = check_write(&dead.job, &lived.job, 0);
    assert_eq!(write.unwrap_err().promise, Promise::OnlyAReplayLeavesAnEnd);
}

#[test]
fn an_end_that_the_history_does_not_tell_is_noticed() {
    let mut told = Told::dead();
    told.lines.pop();
    assert_eq!(told.broken(), Some(Promise::EveryJobEnds));
}

#[test]
fn an_end_without_its_seal_or_its_manifest_is_noticed() {
    let dead = Told::dead();
    let broken = check_end(&dead.job, None).unwrap_err();
    assert_eq!(broken.promise, Promise::AnEndWithoutResultIsSealed);
    let summary = json!({
        "bucket": "outputs", "key": "k", "attempt": 1, "claim": id(2), "outputs": 1, "files": 1, "total_bytes": 1,
    });
    let manifest = serde_json::from_value(summary).unwrap();
    let done =
        Told::new().sent().reported(Report::Claimed).reported(Report::Succeeded { manifest });
    assert_eq!(done.broken(), None);
    for found in [None, Some(done.seal())] {
        let broken = check_end(&done.job, found.as_ref()).unwrap_err();
        assert_eq!(broken.promise, Promise::SuccessHasItsManifest);
    }
}

#[test]
fn a_further_try_past_the_limits_is_noticed() {
    let before = Told::new().job;
    let mut spent = Told::new();
    spent.job.counters.charged = spent.job.max_attempts;
    let again = spent.sent().job;
    assert_eq!(check_write(&before, &again, 0).unwrap_err().promise, Promise::LimitsHold);
    let again = Told::new().sent().job;
    assert_eq!(check_write(&before, &again, 5).unwrap_err().promise, Promise::LimitsHold);
}

#[test]
fn what_was_sent_again_for_nothing_is_noticed() {
    let mut told = Told::dead();
    told.lines[1].reason = "lease_lapsed".to_owned();
    let broken = nothing_repeated(&told.job, &told.lines, AWAY).unwrap_err();
    assert_eq!(broken.promise, Promise::NotSentAgainForNothing);
    assert!(
        broken.how.contains("lease_lapsed") && broken.how.contains("dispatched a1"),
        "{}",
        broken.how
    );
}
