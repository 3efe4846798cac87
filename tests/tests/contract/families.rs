//! Jobs that are split: the test plays the worker that splits, those that run the children, and the one that joins.

use std::time::Duration;

use panofleet_job_schema::family::{ChildSpec, Join, OnChildFailure};
use panofleet_job_schema::job::{CloseTarget, DeadReason, State};
use panofleet_job_schema::lifecycle::{Event, decide};
use panofleet_job_schema::message::Report;
use panofleet_job_schema::{Attempt, ClaimId, Failure, Job, JobId, Rerun, Span};
use panofleet_jobs_db::{Batch, FamilyKey, JobWrite};
use panofleet_objects::manifest::Published;

use crate::house::{House, Taken, claim_id};
use crate::manifest_of;

fn expanded(children: usize, on_failure: OnChildFailure) -> Report {
    let outputs = serde_json::from_str(r#"{"probe": {"op": "media.probe"}}"#).unwrap();
    let child = ChildSpec { part: None, outputs, timeout: None, max_attempts: None };
    Report::Expanded { children: vec![child; children], join: Join { on_failure } }
}

/// Job 1, claimed and split.
pub(crate) async fn split(
    house: &House,
    children: usize,
    on_failure: OnChildFailure,
) -> (Taken, ClaimId) {
    let id = house.accept(1).await;
    let taken = house.take().await;
    let claim = house.claim(&taken).await;
    house.report(&taken, claim, expanded(children, on_failure)).await;
    house.until(id, "it is blocked", |job| job.state.name() == "blocked").await;
    (taken, claim)
}

/// Takes the next message and claims it.
pub(crate) async fn claimed(house: &House) -> (Taken, ClaimId) {
    let taken = house.take().await;
    let claim = house.claim(&taken).await;
    (taken, claim)
}

pub(crate) async fn succeed(house: &House, (taken, claim): &(Taken, ClaimId)) {
    let job = house.job(taken.message.id.job).await;
    let published = house.publish(&manifest_of(&job, *claim)).await;
    let Published::Won(manifest) = published else { panic!("{published:?}") };
    house.report(taken, *claim, Report::Succeeded { manifest }).await;
}

pub(crate) async fn reject(house: &House, (taken, claim): &(Taken, ClaimId)) {
    let failure = Failure::rejected("file_truncated", "upload it again");
    house.report(taken, *claim, Report::Failed { failure }).await;
}

pub(crate) async fn children(house: &House, id: JobId) -> Vec<Job> {
    let found = house.db.children(FamilyKey::of(&house.job(id).await)).await.unwrap();
    found.into_iter().map(|found| found.job).collect()
}

pub(crate) async fn ended(house: &House, id: JobId) -> Job {
    house.until(id, "it ends", |job| job.state.is_terminal()).await
}

async fn all_end_as(house: &House, jobs: &[Job], state: &str) {
    for job in jobs {
        assert_eq!(ended(house, job.id).await.state.name(), state, "{}", job.id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_family_is_split_run_and_joined() {
    let house = House::open().await;
    let (first, claim) = split(&house, 3, OnChildFailure::FailFast).await;
    let id = first.message.id.job;
    let expected: Vec<JobId> = children(&house, id).await.iter().map(|child| child.id).collect();
    let mut ran = Vec::new();
    for _ in 0..3 {
        let taken = claimed(&house).await;
        assert_eq!(taken.0.message.join, None);
        ran.push(taken.0.message.id.job);
        succeed(&house, &taken).await;
    }
    ran.sort_unstable();
    assert_eq!(ran, expected);
    let join = claimed(&house).await;
    let message = &join.0.message;
    assert_eq!((message.id.job, message.id.attempt), (id, Attempt(2)));
    let task = message.join.clone().unwrap();
    assert_eq!((task.attempt, task.claim), (Attempt(1), claim));
    let all = children(&house, id).await;
    let trace = house.job(id).await.trace;
    assert!(trace.is_some() && all.iter().all(|child| child.trace == trace), "one trace");
    for (part, child) in task.children.iter().zip(&all) {
        assert_eq!((part.job, part.manifest.clone()), (child.id, Some(child.manifest_address())));
    }
    let control = house.control_of(id).await;
    assert!(control.forbids_start(first.message.id) && !control.forbids_start(message.id));
    succeed(&house, &join).await;
    assert_eq!(ended(&house, id).await.state.name(), "succeeded");
    let reasons = house.reasons(id).await;
    let expected = ["dispatched", "claimed", "expanded", "children_ended", "dispatched"];
    assert_eq!(reasons[..5], expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_fails_ends_the_family_at_once() {
    let house = House::open().await;
    let (first, _) = split(&house, 3, OnChildFailure::FailFast).await;
    let id = first.message.id.job;
    let (failing, running) = (claimed(&house).await, claimed(&house).await);
    reject(&house, &failing).await;
    let job = ended(&house, id).await;
    assert_eq!(job.state, State::Dead { reason: DeadReason::ChildFailed });
    let failure = job.failure.unwrap();
    assert_eq!(failure.code, "child_failed");
    let named = failing.0.message.id.job.to_string();
    assert!(failure.message.contains(&named), "{}", failure.message);
    assert!(failure.message.contains("upload it again"), "{}", failure.message);
    let others = children(&house, id).await;
    let others: Vec<Job> = others.into_iter().filter(|job| job.id.to_string() != named).collect();
    all_end_as(&house, &others, "cancelled").await;
    assert!(house.control_of(running.0.message.id.job).await.stops(running.0.message.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_family_that_waits_for_all_is_joined_without_the_child_that_failed() {
    let house = House::open().await;
    let (first, _) = split(&house, 2, OnChildFailure::WaitForAll).await;
    let (failing, other) = (claimed(&house).await, claimed(&house).await);
    reject(&house, &failing).await;
    ended(&house, failing.0.message.id.job).await;
    assert_eq!(house.job(first.message.id.job).await.state.name(), "blocked");
    succeed(&house, &other).await;
    let join = house.take().await.message.join.unwrap();
    for part in join.children {
        assert_eq!(part.manifest.is_some(), part.job == other.0.message.id.job);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_the_parent_cancels_its_children_first() {
    let house = House::open().await;
    let (first, _) = split(&house, 3, OnChildFailure::FailFast).await;
    let id = first.message.id.job;
    let running = claimed(&house).await;
    house.until(running.0.message.id.job, "it runs", |job| job.state.name() == "running").await;
    house.cancel(id).await;
    assert_eq!(ended(&house, id).await.state, State::Cancelled);
    // Everything that still happens was decided by the time that the parent had ended.
    let left = children(&house, id).await;
    let over = |job: &Job| {
        let closing = CloseTarget::Cancelled;
        job.state == State::Cancelled
            || matches!(job.state, State::Closing { target, .. } if target == closing)
    };
    assert!(left.iter().all(over), "{left:?}");
    all_end_as(&house, &left, "cancelled").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_parent_s_deadline_is_its_children_s() {
    let house = House::open().await;
    let id = house.accept_with(1, |spec| spec.deadline = Some(Span::from_secs(2))).await;
    let (taken, claim) = claimed(&house).await;
    house.report(&taken, claim, expanded(2, OnChildFailure::WaitForAll)).await;
    claimed(&house).await;
    assert_eq!(ended(&house, id).await.state, State::Expired);
    for child in children(&house, id).await {
        assert!(child.deadline_at <= house.job(id).await.deadline_at);
        let state = ended(&house, child.id).await.state;
        assert!(matches!(state, State::Expired | State::Cancelled), "{state:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_split_that_is_said_twice_or_by_two_attempts_is_made_once() {
    let house = House::open().await;
    let id = house.accept(1).await;
    let (first, slow) = claimed(&house).await;
    // It falls silent, is sent again, and both come to the same idea.
    let (second, other) = claimed(&house).await;
    assert_eq!(second.message.id.attempt, Attempt(2));
    house.report(&first, slow, expanded(2, OnChildFailure::FailFast)).await;
    house.report(&second, other, expanded(3, OnChildFailure::FailFast)).await;
    house.report(&first, slow, expanded(2, OnChildFailure::FailFast)).await;
    house.beat(&second, other).await;
    let run = [claimed(&house).await, claimed(&house).await];
    assert_eq!(children(&house, id).await.len(), 2);
    let job = house.job(id).await;
    assert_eq!((job.state.name(), job.counters.losses), ("blocked", 0));
    for child in &run {
        succeed(&house, child).await;
    }
    let join = house.take().await.message;
    assert_eq!((join.id.job, join.id.attempt), (id, Attempt(3)));
    assert_eq!(join.join.unwrap().children.len(), 2);
}

/// Whoever decided the split dies before anything of it is written: parent and children are one transaction.
#[tokio::test(flavor = "multi_thread")]
async fn a_split_is_written_whole_or_said_again() {
    let house = House::open().await;
    let id = house.accept(1).await;
    let (taken, claim) = claimed(&house).await;
    house.until(id, "it runs", |job| job.state.name() == "running").await;
    house.stop_collector().await;
    house
        .sql(
            "CREATE TRIGGER crash BEFORE INSERT ON jobs WHEN (SELECT count(*) FROM jobs) = 2
             BEGIN SELECT RAISE(ABORT, 'crash'); END",
        )
        .await;
    house.report(&taken, claim, expanded(3, OnChildFailure::FailFast)).await;
    // The collector gets as far as the second child, again and again.
    let found = house.db.get(&[id]).await.unwrap().pop().unwrap();
    let now = house.db.now().await.unwrap();
    let event = house.said(&taken, claim, expanded(3, OnChildFailure::FailFast));
    let decision = decide(&found.job, &Event::Reported { event, now }, &house.policy).unwrap();
    let write = JobWrite::of(&decision, found.version, now, &house.policy);
    house.db.commit(Batch { jobs: vec![write], ..Batch::default() }).await.unwrap_err();
    assert!(children(&house, id).await.is_empty(), "not the first child either");
    assert_eq!(house.job(id).await.state.name(), "running");
    house.sql("DROP TRIGGER crash").await;
    house.start_collector();
    house.until(id, "it is blocked", |job| job.state.name() == "blocked").await;
    assert_eq!(children(&house, id).await.len(), 3);
}

/// The news that a child has ended is lost: somebody looks all the same.
#[tokio::test(flavor = "multi_thread")]
async fn children_are_counted_although_nobody_says_that_they_have_ended() {
    let mut house = House::closed().await;
    house.policy.family_look = Span::from_millis(400);
    let house = house.start();
    let (first, _) = split(&house, 1, OnChildFailure::FailFast).await;
    let child = children(&house, first.message.id.job).await.remove(0);
    let placed = |job: &Job| matches!(job.state, State::Sent { placement: Some(_), .. });
    house.until(child.id, "nobody writes about it any more", placed).await;
    // Behind everybody's back.
    let ended = r#"UPDATE jobs SET state = 'succeeded', timer_at = NULL WHERE parent IS NOT NULL"#;
    house.sql(ended).await;
    house
        .until(first.message.id.job, "it is to be joined", |job| {
            matches!(job.state, State::Queued { .. } | State::Sent { .. })
        })
        .await;
    assert_eq!(house.reasons(first.message.id.job).await[3], "children_ended");
}

/// A manifest of an attempt from before the split stands: the job has its result, and nobody waits for the children.
#[tokio::test(flavor = "multi_thread")]
async fn children_that_nobody_waits_for_are_cancelled() {
    let house = House::open().await;
    let (first, _) = split(&house, 2, OnChildFailure::FailFast).await;
    let id = first.message.id.job;
    let running = claimed(&house).await;
    house.until(running.0.message.id.job, "it runs", |job| job.state.name() == "running").await;
    succeed(&house, &(first, claim_id())).await;
    assert_eq!(ended(&house, id).await.state.name(), "succeeded");
    all_end_as(&house, &children(&house, id).await, "cancelled").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_that_is_started_anew_has_other_children() {
    let house = House::open().await;
    let (first, claim) = split(&house, 1, OnChildFailure::FailFast).await;
    let id = first.message.id.job;
    let old = claimed(&house).await;
    house.cancel(id).await;
    ended(&house, id).await;
    let before = children(&house, id).await;
    house
        .apply(id, |now| Event::ReplayRequested {
            now,
            parent_waits: false,
            changes: Rerun::default(),
        })
        .await;
    let (again, other) = claimed(&house).await;
    assert_eq!(again.message.id.job, id);
    assert_eq!(again.message.join, None, "from the beginning");
    // The first generation's worker wakes up.
    house.report(&first, claim, expanded(5, OnChildFailure::FailFast)).await;
    house.report(&again, other, expanded(1, OnChildFailure::FailFast)).await;
    let new = claimed(&house).await;
    let now = children(&house, id).await;
    assert_eq!((now.len(), now[0].id), (1, new.0.message.id.job));
    assert_ne!(now[0].id, before[0].id);
    assert_eq!(old.0.message.id.job, before[0].id);
    let lost = tokio::time::timeout(Duration::from_secs(10), ended(&house, before[0].id)).await;
    assert_eq!(lost.unwrap().state, State::Cancelled);
    succeed(&house, &new).await;
    let join = house.take().await.message.join.unwrap();
    assert_eq!(join.children.iter().map(|part| part.job).collect::<Vec<_>>(), [now[0].id]);
}
